"""``likeness render``: a picture of an avatar by the run-time reference."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .terminal import tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")
    parser.add_argument("out", type=Path, help="the .png file to write, with transparency")
    parser.add_argument("--size", type=int, default=512, help="side of the picture, pixels (default: 512)")
    parser.add_argument(
        "--expression", action="append", default=[], metavar="NAME=VALUE", help="an expression weight; may be repeated"
    )
    parser.add_argument(
        "--joint",
        action="append",
        default=[],
        metavar="NAME=X,Y,Z",
        help="rotation of root, neck, jaw, eye_l or eye_r, degrees (axis times angle); may be repeated",
    )
    parser.add_argument("--yaw", type=float, default=0.0, help="camera's turn about the head, degrees (default: 0)")
    parser.add_argument("--pitch", type=float, default=0.0, help="camera's height above the head, degrees (default: 0)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    import numpy as np

    from ..asset import read_layered_avatar
    from ..evaluate.pictures import portrait_camera, save_picture
    from ..layered.playback import Player
    from ..rig import JOINTS, POSED_JOINTS, Pose

    if options.out.suffix.lower() != ".png":
        raise LikenessError(f"{options.out} must end in .png, for that is what is written.")
    if not 16 <= options.size <= 8192:
        raise LikenessError(f"A picture of {options.size} pixels cannot be made; --size goes from 16 to 8192.")
    avatar = read_layered_avatar(options.avatar)
    expression = np.zeros(len(avatar.expression_names), np.float32)
    for word in options.expression:
        name, value = _assignment(word, "--expression")
        if name not in avatar.expression_names:
            raise LikenessError(f"The avatar has no expression {name!r}; it has {', '.join(avatar.expression_names)}.")
        expression[avatar.expression_names.index(name)] = _numbers(value, 1, word)[0]
    rotations = dict.fromkeys(JOINTS, (0.0, 0.0, 0.0))
    for word in options.joint:
        name, value = _assignment(word, "--joint")
        if name not in JOINTS:
            raise LikenessError(f"There is no joint {name!r}; joints are {', '.join(JOINTS)}.")
        x, y, z = (math.radians(number) for number in _numbers(value, 3, word))
        rotations[name] = (x, y, z)
    pose = Pose(
        expression,
        root_rotation=np.array(rotations["root"], np.float32),
        joint_rotations=np.array([rotations[name] for name in POSED_JOINTS], np.float32),
    )
    camera = portrait_camera(avatar, options.size, math.radians(options.yaw), math.radians(options.pitch))
    save_picture(Player(avatar).render(pose, camera), options.out)
    tell(options, f"Rendered {options.out}.")
    return {"picture": str(options.out)}


def _assignment(word: str, option: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise LikenessError(f"{option} {word!r} is not NAME=VALUE.")
    return name, value


def _numbers(text: str, count: int, word: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise LikenessError(f"{word!r} needs {count} number{'s' * (count > 1)} after the equals sign.")
    return numbers
