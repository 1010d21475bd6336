"""Pictures of the filming guide, made from the sample capture.

.venv/backend/bin/python tools/filming_pictures.py docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.rig import POSED_JOINTS
from scipy.spatial.transform import Rotation

Picture = npt.NDArray[np.uint8]

SIDE = 300
"""Of one picture, pixels."""

SHOWN = (
    ("mouthSmile_L", "mouthSmile_R"),
    ("jawOpen",),
    ("mouthPucker",),
    ("browInnerUp_L", "browInnerUp_R"),
    ("eyeBlink_L", "eyeBlink_R"),
)
"""Expressions in the picture of faces, each by its parts."""

GOOD, BAD = (96, 160, 80), (64, 64, 200)
"""Frames around what to do and what not to do, blue, green, red."""


def main(folder: Path) -> None:
    """Write the guide's pictures into ``folder``."""
    capture = sample_capture()
    angles = _angles(capture)
    front = int(np.argmin(np.abs(angles).sum(1) + 20 * np.abs(capture.expression).sum(1)))
    _save(folder / "filming_turns.png", [_picture(capture, front), *_turned(capture, angles)])
    _save(folder / "filming_faces.png", [_picture(capture, front), *_faces(capture, angles)])
    picture, matte = _picture(capture, front), _matte(capture, front)
    _save(folder / "filming_light.png", _lights(picture, matte), good=1)
    _save(folder / "filming_frame.png", _frames(picture), good=1)


def _angles(capture: Capture) -> npt.NDArray[np.float64]:
    """Yaw and pitch of every frame's head, degrees."""
    neck = capture.joint_rotations[:, POSED_JOINTS.index("neck")]
    turns = Rotation.from_rotvec(capture.root_rotation) * Rotation.from_rotvec(neck)
    facing = turns.apply([0, 0, 1])
    return np.degrees(np.stack([np.arctan2(facing[:, 0], facing[:, 2]), -np.arcsin(facing[:, 1])], 1))


def _turned(capture: Capture, angles: npt.NDArray[np.float64]) -> list[Picture]:
    yaw, pitch = angles.T
    level = 0.5 * np.abs(pitch)
    chosen = [
        np.argmin(yaw + level),
        np.argmax(yaw - level),
        np.argmin(pitch + 0.5 * np.abs(yaw)),
        np.argmax(pitch - 0.5 * np.abs(yaw)),
    ]
    return [_picture(capture, int(index)) for index in chosen]


def _faces(capture: Capture, angles: npt.NDArray[np.float64]) -> list[Picture]:
    names = capture.head.expression_names
    pictures = []
    for wanted in SHOWN:
        strength = capture.expression[:, [names.index(name) for name in wanted]].mean(1)
        # The jaw also opens behind closed lips.
        strength = strength - capture.expression[:, names.index("mouthClose")]
        pictures.append(_picture(capture, int(np.argmax(strength - 0.02 * np.abs(angles).sum(1)))))
    return pictures


def _lights(picture: Picture, matte: npt.NDArray[np.float32]) -> list[Picture]:
    linear = (picture / 255.0) ** 2.2
    across = np.linspace(0.06, 1.5, picture.shape[1])[None, :, None]
    behind = linear * matte * 0.12 + (1 - matte) * 1.0
    glow = cv2.GaussianBlur(behind, (0, 0), 12)
    variants = [linear, linear * across, np.maximum(behind, 0.2 * glow), 0.06 * linear]
    return [np.asarray(np.clip(variant, 0, 1) ** (1 / 2.2) * 255, np.uint8) for variant in variants]


def _frames(picture: Picture) -> list[Picture]:
    side = picture.shape[0]
    close = picture[side // 4 : side - side // 4, side // 4 : side - side // 4]
    far = np.full_like(picture, picture[side // 8, side // 8])
    small = cv2.resize(picture, (side // 3, side // 3), interpolation=cv2.INTER_AREA)
    far[side - len(small) :, side // 3 : side // 3 + len(small)] = small
    return [picture, cv2.resize(close, (side, side), interpolation=cv2.INTER_CUBIC), far]


def _picture(capture: Capture, index: int) -> Picture:
    content = cv2.imread(str(capture.folder / capture.frames[index]))
    assert content is not None
    return np.asarray(cv2.resize(content, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def _matte(capture: Capture, index: int) -> npt.NDArray[np.float32]:
    content = cv2.imread(str(capture.folder / capture.mattes[index]), cv2.IMREAD_GRAYSCALE)
    assert content is not None
    return np.asarray(cv2.resize(content, (SIDE, SIDE))[..., None] / 255, np.float32)


def _save(path: Path, pictures: list[Picture], good: int | None = None) -> None:
    """One row of pictures; where ``good`` is given, so many are framed as examples to follow, the rest as warnings."""
    row = []
    for number, picture in enumerate(pictures):
        colour = (255, 255, 255) if good is None else GOOD if number < good else BAD
        row.append(cv2.copyMakeBorder(picture, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=colour))
    if not cv2.imwrite(str(path), np.concatenate(row, 1)):
        raise SystemExit(f"Cannot write {path}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
