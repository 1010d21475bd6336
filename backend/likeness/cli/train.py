"""``likeness train``: a capture in, an avatar out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .terminal import progress_bars, tell

LARGEST_SEED = 2**63 - 1
"""What torch and NumPy both take."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("capture", type=Path, help="a capture folder, from `likeness track` or `likeness sample`")
    parser.add_argument("avatar", type=Path, help="the .glb file to write")
    parser.add_argument("--preset", default="preview", help="how much to spend: preview (default), standard or full")
    parser.add_argument("--job", type=Path, help="folder for what is learnt on the way (default: beside the avatar)")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        help="time for all of training; the preset's own by default. With `inf` the preset's steps alone decide, and "
        "the same seed gives the same avatar, however fast the computer is",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the unfinished job in the job folder, if one is there; without this it is moved aside",
    )
    parser.add_argument("--seed", type=seed, default=0, help="start of all random numbers (default: 0)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one number of the preset: layers=4, tile_size=512, fine_tuning.steps=2000; may be given again",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..asset import write_layered_avatar
    from ..capture.storage import load_capture
    from ..layered.presets import preset_named, with_overrides
    from ..layered.team import leads
    from ..layered.training import train

    check_avatar_path(options.avatar)
    preset = with_overrides(preset_named(options.preset), options.set)
    capture = load_capture(options.capture)
    job = options.job or options.avatar.with_suffix("").with_name(f"{options.avatar.stem}-training")
    with progress_bars() as bars:
        try:
            avatar = train(
                capture,
                preset,
                job,
                seconds=options.seconds,
                seed=options.seed,
                progress=bars,
                resume=options.resume,
            )
        except KeyboardInterrupt:
            told = f"What was learnt is kept in {job}: the same command with --resume goes on."
            raise KeyboardInterrupt(told) from None
    if not leads():
        # One process of a team tells the result.
        options.json = None
        return {}
    try:
        write_layered_avatar(avatar, options.avatar)
    except LikenessError as error:
        raise LikenessError(f"{error} What was learnt is kept: `likeness bake {job} AVATAR.glb` writes it.") from error
    training = avatar.report.get("training", {})
    tell(options, f"Wrote {options.avatar} ({options.avatar.stat().st_size / 1e6:.1f} MB).")
    return {"avatar": str(options.avatar), "training": training}


def seed(text: str) -> int:
    """A start of random numbers, as an argument.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no whole number from zero on, or longer than 63 bits.
    """
    told = argparse.ArgumentTypeError(f"{text!r} is no seed; give a whole number, 0 to {LARGEST_SEED}")
    try:
        value = int(text)
    except ValueError:
        raise told from None
    if not 0 <= value <= LARGEST_SEED:
        raise told
    return value


def _seconds(text: str) -> float:
    told = argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, 0 or more, such as 600, or inf")
    try:
        value = float(text)
    except ValueError:
        raise told from None
    if not value >= 0:
        raise told
    return value


def check_avatar_path(path: Path) -> None:
    """Make sure, before hours of work, that an avatar can be written to ``path``.

    Raises
    ------
    LikenessError
    """
    if path.suffix.lower() != ".glb":
        raise LikenessError(f"{path} must end in .glb, for that is what is written.")
    if not path.parent.is_dir():
        raise LikenessError(f"There is no folder {path.parent} to write {path.name} into.")
    if not os.access(path.parent, os.W_OK):
        raise LikenessError(f"{path.parent} cannot be written to; choose another folder for {path.name}.")
