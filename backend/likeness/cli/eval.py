"""``likeness eval``: an avatar against frames that it has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import progress_bars, tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")
    parser.add_argument("capture", type=Path, help="the capture folder that it was learnt from")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, figures and Blender's jobs")
    parser.add_argument("--size", type=int, default=256, help="side of the compared pictures, pixels (default: 256)")
    parser.add_argument("--shown", type=int, default=6, help="frames in the contact sheet (default: 6)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..asset import read_layered_avatar
    from ..capture.storage import load_capture
    from ..evaluate.evaluation import evaluate, write_evaluation

    avatar = read_layered_avatar(options.avatar)
    capture = load_capture(options.capture)
    with progress_bars() as bars:
        evaluation = evaluate(avatar, capture, options.size, options.shown, bars)
    write_evaluation(evaluation, avatar, capture, options.out)
    for name, mark in evaluation.marks.items():
        tell(options, f"{name:>20} {mark['value']:8.2f} {mark['unit']}")
    return {"marks": evaluation.marks}
