"""Render the staged frames with Cycles. Runs under bpy: ``render.py STAGE.npz FOLDER --part 0/2 --samples 64``.

Each frame becomes FOLDER/00000.npy: (H, W, 4) float16, linear, premultiplied by alpha. Frames that are there are kept,
so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np

# Blender's Python does not put a script's own folder on the path when it is run from elsewhere.
sys.path.insert(0, str(Path(__file__).parent))

import scene


def main() -> None:
    """Render one part of the frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", default="0/1", help="this part of how many, as 0/2")
    parser.add_argument("--samples", type=int, default=64)
    options = parser.parse_args()
    part, parts = (int(word) for word in options.part.split("/"))
    with np.load(options.stage, allow_pickle=False) as file:
        stage = {name: file[name] for name in file.files}
    options.folder.mkdir(parents=True, exist_ok=True)
    cast = scene.build(stage, options.samples)
    for frame in range(part, len(stage["head_vertices"]), parts):
        target = options.folder / f"{stage['frame_numbers'][frame]:05d}.npy"
        if target.exists():
            continue
        start = time.perf_counter()
        scene.pose(cast, stage, frame)
        picture = _render(options.folder / f".part{part}.exr")
        unfinished = target.with_suffix(f".{part}.part")
        with open(unfinished, "wb") as stream:
            np.save(stream, picture)
        os.replace(unfinished, target)
        print(f"{target.name} {time.perf_counter() - start:.1f} s", flush=True)


def _render(file: Path) -> np.ndarray:
    """The scene's picture (H, W, 4) float16, top row first."""
    bpy.context.scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(file))
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    width, height = image.size
    bpy.data.images.remove(image)
    file.unlink()
    return pixels.reshape(height, width, 4)[::-1].astype(np.float16)


if __name__ == "__main__":
    main()
