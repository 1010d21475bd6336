"""``likeness report``: an evaluation and Blender's renders on one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("evaluation", type=Path, help="the folder that `likeness eval` made and Blender rendered into")
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for contact sheet, film, report.md, report.json"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..evaluate.report import write_report

    report = write_report(options.evaluation, options.avatar, options.out)
    for name, mark in report["marks"].items():
        tell(options, f"{name:>24} {mark['value']:8.4g} {mark['unit']}")
    return report
