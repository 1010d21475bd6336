"""``likeness bench``: speed and accuracy, each against a baseline in the same run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .terminal import tell

BENCHMARKS = {
    "raster": "rasterising, texture sampling and hash grids against plain PyTorch and NumPy",
    "engines": "Blender's pictures of an avatar against the NumPy run-time's",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    names = "; ".join(f"{name}: {text}" for name, text in BENCHMARKS.items())
    parser.add_argument("name", choices=sorted(BENCHMARKS), help=names)
    engines = parser.add_argument_group("engines")
    engines.add_argument("--avatar", type=Path, help="the avatar's .glb file")
    engines.add_argument(
        "--blender",
        type=Path,
        action="append",
        default=[],
        help="a Python that can `import bpy`, such as .venv/blender-5.2/bin/python; may be given again",
    )
    engines.add_argument("--out", type=Path, help="folder for the pictures")
    engines.add_argument("--size", type=int, default=256, help="side of the pictures, pixels (default: 256)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    result = {"raster": _raster, "engines": _engines}[options.name](options)
    for name, mark in result["marks"].items():
        tell(options, f"{name:>32} {mark['value']:10.3f} {mark['unit']}")
    return result


def _raster(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.raster import bench_raster

    return bench_raster()


def _engines(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.engines import bench_engines

    if not (options.avatar and options.blender and options.out):
        raise LikenessError("likeness bench engines needs --avatar, --blender and --out.")
    return bench_engines(options.avatar, options.blender, options.out, options.size)
