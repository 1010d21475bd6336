"""``likeness sample``: the capture that comes with Likeness."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("out", type=Path, help="the capture folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace a capture that is already there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..capture.sample import sample_capture
    from ..capture.storage import write_capture

    sample = sample_capture()
    frames, mattes = ([sample.folder / name for name in names] for names in (sample.frames, sample.mattes))
    write_capture(sample, options.out, frames, mattes, overwrite=options.overwrite)
    tell(options, f"Copied the sample capture, {len(sample)} frames, to {options.out}.")
    return {"frames": len(sample)}
