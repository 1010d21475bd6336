"""``likeness bench``: speed and accuracy, each against a baseline in the same run."""

from __future__ import annotations

import argparse
from typing import Any

from .terminal import tell

BENCHMARKS = {"raster": "rasterising, texture sampling and hash grids against plain PyTorch and NumPy"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    names = "; ".join(f"{name}: {text}" for name, text in BENCHMARKS.items())
    parser.add_argument("name", choices=sorted(BENCHMARKS), help=names)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..bench.raster import bench_raster

    result = {"raster": bench_raster}[options.name]()
    for name, mark in result["marks"].items():
        tell(options, f"{name:>32} {mark['value']:10.3f} {mark['unit']}")
    return result
