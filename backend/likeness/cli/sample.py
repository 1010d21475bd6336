"""``likeness sample``: the capture that comes with Likeness."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .terminal import tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("out", type=Path, help="the capture folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace a capture that is already there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..capture.sample import sample_capture

    capture = sample_capture()
    clear_place(options.out, options.overwrite)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=f".{options.out.name}.") as temporary:
        shutil.copytree(capture.folder, Path(temporary) / "capture")
        (Path(temporary) / "capture").rename(options.out)
    tell(options, f"Copied the sample capture, {len(capture)} frames, to {options.out}.")
    return {"frames": len(capture)}


def clear_place(folder: Path, overwrite: bool) -> None:
    """Make sure that a capture may be written to ``folder``; removes an older capture if that is wanted.

    Raises
    ------
    LikenessError
        If something is there that must not be replaced.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise LikenessError(f"{folder} is already there; choose another folder, or add --overwrite.")
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    elif (folder / "capture.json").is_file():
        shutil.rmtree(folder)
    else:
        raise LikenessError(f"{folder} is not a capture, so it is not replaced; choose another folder.")
