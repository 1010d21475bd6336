"""``likeness bench``: speed and accuracy, each against a baseline in the same run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .head import HEAD_HELP
from .terminal import tell

BENCHMARKS = {
    "raster": "rasterising, texture sampling and hash grids against plain PyTorch and NumPy",
    "engines": "Blender's pictures of an avatar against the NumPy run-time's",
    "train": "learning a surface by layer meshes against marching and root finding",
    "track": "how well and fast a video is tracked, or how far that is from known parameters",
}

EXACT = ("geometry.stage_one.refinement_steps=4", "geometry.stage_one.cell=0.006")
"""Settings of a preset with which hits are found as exactly as the search finds them."""


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
    track = parser.add_argument_group("track")
    track.add_argument("--video", type=Path, help="the video to track")
    track.add_argument("--head", default="standin", help=f"head model: {HEAD_HELP} (default: standin)")
    track.add_argument(
        "--sample", action="store_true", help="track the sample capture instead, and compare with its true parameters"
    )
    train = parser.add_argument_group("train")
    train.add_argument("--capture", type=Path, help="a capture folder (default: the sample capture)")
    train.add_argument("--preset", default="preview", help="whose settings are measured (default: preview)")
    train.add_argument("--seconds", type=float, default=90.0, help="time for each of the two trainings (default: 90)")
    train.add_argument("--rays", type=int, default=500, help="rays of each frame whose hits are compared")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one number of the preset; may be given again (if none says otherwise, hits are refined in 4 steps "
        "on meshes of 6 mm)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    result = {"raster": _raster, "engines": _engines, "train": _train, "track": _track}[options.name](options)
    for name, mark in result["marks"].items():
        tell(options, f"{name:>32} {mark['value']:10.3f} {mark['unit']}")
    if "table" in result:
        columns = [name for name in result["table"][0] if name != "way"]
        tell(options, f"\n{'':>32}" + "".join(f"{name:>16}" for name in columns))
        for row in result["table"]:
            tell(options, f"{row['way']:>32}" + "".join(f"{row[name]:16.3f}" for name in columns))
    return result


def _raster(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.raster import bench_raster

    return bench_raster()


def _engines(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.engines import bench_engines

    if not (options.avatar and options.blender and options.out):
        raise LikenessError("likeness bench engines needs --avatar, --blender and --out.")
    return bench_engines(options.avatar, options.blender, options.out, options.size)


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.train import bench_train
    from ..capture.sample import sample_capture
    from ..capture.storage import load_capture
    from ..layered.presets import preset_named, with_overrides

    preset = with_overrides(preset_named(options.preset), [*EXACT, *options.set])
    capture = load_capture(options.capture) if options.capture else sample_capture()
    return bench_train(capture, preset, seconds=options.seconds, rays=options.rays)


def _track(options: argparse.Namespace) -> dict[str, Any]:
    from ..bench.track import bench_sample, bench_track
    from ..head.select import head_from

    if options.sample:
        return bench_sample()
    if options.video is None:
        raise LikenessError("likeness bench track needs --video, or --sample.")
    return bench_track(options.video, head_from(options.head))
