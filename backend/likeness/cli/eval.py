"""``likeness eval``: an avatar against frames that it has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import progress_bars, tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = (
        "Captures with labels of a face parser (a folder semantics, as imported from IMavatar's and PointAvatar's "
        "data) get figures of the frame and the person without cloth and necklace, too (marks: *_no_cloth)."
    )
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")
    parser.add_argument("capture", type=Path, help="the capture folder that it was learnt from")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, figures and Blender's jobs")
    parser.add_argument("--size", type=int, default=256, help="side of the compared pictures, pixels (default: 256)")
    parser.add_argument("--shown", type=int, default=6, help="frames in the contact sheet (default: 6)")
    parser.add_argument(
        "--fit",
        action="store_true",
        help="measure also with pose and camera fitted on each frame's own picture, as papers do (marks: *_fitted)",
    )
    parser.add_argument(
        "--lpips-weights",
        type=Path,
        metavar="PLACE",
        help="LPIPS weights, a .safetensors, .npz or .pth file or a folder of them "
        "(default: ~/.likeness/lpips, if it is there; nothing is ever downloaded)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..asset import read_layered_avatar
    from ..capture.storage import load_capture
    from ..evaluate.evaluation import evaluate, write_evaluation
    from ..layered.lpips import load_lpips

    lpips = load_lpips(options.lpips_weights)
    avatar = read_layered_avatar(options.avatar)
    capture = load_capture(options.capture)
    with progress_bars() as bars:
        evaluation = evaluate(avatar, capture, options.size, options.shown, bars, fit=options.fit, lpips=lpips)
    write_evaluation(evaluation, avatar, capture, options.out)
    for name, mark in evaluation.marks.items():
        tell(options, f"{name:>24} {mark['value']:8.4g} {mark['unit']}")
    return {"marks": evaluation.marks}
