"""How far Eevee's and Cycles' pictures of an avatar are from the run-time's reference.

    python tools/compare_engines.py avatar.glb --blender .venv/blender-5.0/bin/python --out build/engines

Runs in the backend's environment; Blender renders in a process of its own, by tools/render_avatar.py. Three poses
(neutral, an extreme expression, a turned head with an open jaw) are seen from two sides. Errors are over the avatar's
pixels laid on white, in steps of 8-bit sRGB. The marks are printed as JSON and written to ``marks.json``; beside it lie
the pictures: reference, engine, and their difference times ten.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from likeness.asset import read_layered_avatar
from likeness.asset.layered import LayeredAvatar
from likeness.camera import Camera
from likeness.evaluate.pictures import portrait_camera
from likeness.rig import POSED_JOINTS, Pose
from likeness.runtime.colour import linear_to_srgb, srgb_to_linear
from likeness.runtime.deform import deform
from likeness.runtime.rasterise import rasterise
from likeness.runtime.render import render, unpack_all_textures
from PIL import Image

ENGINES = ("eevee", "cycles")
SIDES = {"left": math.radians(35), "right": math.radians(-35)}
STRONG_EXPRESSIONS = 4
NECK_TURN, JAW_DROP = math.radians(25), math.radians(15)


def poses(avatar: LayeredAvatar) -> dict[str, Pose]:
    """Poses to compare, by name."""
    neutral = Pose(np.zeros(len(avatar.expression_names), np.float32))
    moved = sum(np.linalg.norm(layer.expression_targets, axis=2).sum(1) for layer in avatar.layers)
    strongest = np.argsort(moved)[-STRONG_EXPRESSIONS:]
    expression = neutral.expression.copy()
    expression[strongest] = avatar.expression_range[strongest, 1]
    joints = np.zeros((len(POSED_JOINTS), 3), np.float32)
    joints[0, 1], joints[1, 0] = NECK_TURN, JAW_DROP
    return {
        "neutral": neutral,
        "extreme": replace(neutral, expression=expression),
        "turned": replace(neutral, joint_rotations=joints),
    }


def render_with_blender(
    blender: Path, avatar: Path, folder: Path, views: dict[str, tuple[Pose, Camera]], threads: int
) -> None:
    """Render all views in both engines into ``folder``, as NAME_ENGINE.png."""
    jobs = [
        {"engine": engine, "out": f"{name}_{engine}.png", "pose": _plain(pose), "camera": _plain(camera)}
        for engine in ENGINES
        for name, (pose, camera) in views.items()
    ]
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs), "utf-8")
    script = Path(__file__).with_name("render_avatar.py")
    command = [blender, script, avatar, listed, "--threads", str(threads)]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def _plain(fields: Any) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(fields).items()}


def load_premultiplied(path: Path) -> np.ndarray:
    """A PNG with straight alpha as linear, premultiplied light (H, W, 4)."""
    with Image.open(path) as picture:
        values = np.asarray(picture.convert("RGBA"), np.float32) / 255
    return np.concatenate([srgb_to_linear(values[..., :3]) * values[..., 3:], values[..., 3:]], -1)


def over_white(picture: np.ndarray) -> np.ndarray:
    """A linear, premultiplied picture on white, sRGB (H, W, 3), 0..255."""
    return 255 * linear_to_srgb(np.clip(picture[..., :3] + 1 - picture[..., 3:], 0, 1))


def compare(
    avatar: Path, blender: Path, folder: Path, *, size: int, threads: int = 0
) -> dict[str, dict[str, float | str]]:
    """Render, compare and keep the pictures.

    Parameters
    ----------
    avatar : Path
        The .glb file.
    blender : Path
        A Python interpreter that has bpy.
    folder : Path
        For the pictures; made if need be.
    size : int
        Side of the pictures.
    threads : int
        For rendering; 0 for all.

    Returns
    -------
    dict
        Name of a mark to its ``value`` and ``unit``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    read = read_layered_avatar(avatar)
    textures = unpack_all_textures(read)
    views = {
        f"{name}_{side}": (pose, portrait_camera(read, size, yaw))
        for name, pose in poses(read).items()
        for side, yaw in SIDES.items()
    }
    render_with_blender(blender, avatar.resolve(), folder, views, threads)
    errors: dict[str, list[np.ndarray]] = {engine: [] for engine in ENGINES}
    crossing: list[np.ndarray] = []
    for name, (pose, camera) in views.items():
        expected = render(read, pose, camera, textures=textures)
        crossing.append(crossed(read, pose, camera)[expected[..., 3] > 0])
        for engine in ENGINES:
            found = load_premultiplied(folder / f"{name}_{engine}.png")
            difference = np.abs(over_white(found) - over_white(expected))
            errors[engine].append(difference[(expected[..., 3] > 0) | (found[..., 3] > 0)])
            row = np.concatenate([over_white(expected), over_white(found), np.clip(10 * difference, 0, 255)], 1)
            Image.fromarray(row.round().astype(np.uint8)).save(folder / f"{name}_{engine}_difference.png")
    marks: dict[str, dict[str, float | str]] = {}
    for engine, parts in errors.items():
        together = np.concatenate(parts)
        for name, value in (("mae", together.mean()), ("p99", np.percentile(together, 99)), ("max", together.max())):
            marks[f"{engine}_{name}_255"] = {"value": round(float(value), 3), "unit": "of 255"}
    share = 100 * float(np.concatenate(crossing).mean())
    marks["crossed_percent"] = {"value": round(share, 3), "unit": "% of pixels"}
    return marks


def crossed(avatar: LayeredAvatar, pose: Pose, camera: Camera) -> np.ndarray:
    """Pixels (H, W) where an inner layer lies before an outer one.

    The run-time lays outer layers over inner ones all the same; Blender's engines go by depth. No engine can be right
    there, so layers ought to be nested.
    """
    before = np.full(camera.height * camera.width, np.inf, np.float32)
    found = np.zeros(camera.height * camera.width, bool)
    for layer, deformed in zip(avatar.layers, deform(avatar, pose), strict=True):
        hits = rasterise(camera.to_camera(deformed.positions), layer.faces, camera)
        found[hits.pixels] |= before[hits.pixels] < hits.depths
        before[hits.pixels] = np.minimum(before[hits.pixels], hits.depths)
    return found.reshape(camera.height, camera.width)


def main() -> None:
    """Compare as the command line says."""
    parser = argparse.ArgumentParser(description="Compare Blender's pictures of an avatar with the reference.")
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--blender", type=Path, required=True, help="Python interpreter that has bpy")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and marks.json")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, pixels (default: 256)")
    parser.add_argument("--threads", type=int, default=0, help="render with so many threads (default: all)")
    options = parser.parse_args()
    marks = compare(options.avatar, options.blender, options.out, size=options.size, threads=options.threads)
    result = json.dumps({"marks": marks}, indent=1)
    (options.out / "marks.json").write_text(result + "\n", "utf-8")
    print(result)


if __name__ == "__main__":
    main()
