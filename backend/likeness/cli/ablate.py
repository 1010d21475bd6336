"""``likeness ablate``: what each part of the method is worth on a capture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import progress_bars, tell
from .train import seed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("capture", type=Path, help="a capture folder with held-out frames")
    parser.add_argument("out", type=Path, help="folder for ablation.md, ablation.json and ablation.png")
    parser.add_argument(
        "--seconds",
        type=float,
        default=120.0,
        help="time for learning each row (default: 120); with `inf` each takes the preset's steps, however long",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="GROUPS",
        help="of layers,bases,mesh,texture,training,surface,head,losses,decoder; all by default",
    )
    parser.add_argument("--preset", default="preview", help="what rows change one number of (default: preview)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a number of the preset in all rows"
    )
    parser.add_argument("--size", type=int, default=256, help="side of the compared pictures, pixels (default: 256)")
    parser.add_argument(
        "--seed",
        type=seed,
        nargs="+",
        default=[0],
        help="start of all random numbers (default: 0); with several, rows are learnt with each and averaged",
    )
    parser.add_argument("--lpips-weights", type=Path, metavar="PLACE", help="as of `likeness eval`")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..capture.storage import load_capture
    from ..evaluate.ablation import ablate, shown
    from ..evaluate.ablation_rows import GROUPS
    from ..layered.lpips import load_lpips
    from ..layered.presets import preset_named, with_overrides

    only = [name for name in options.only.split(",") if name] or GROUPS
    preset = with_overrides(preset_named(options.preset), options.set)
    lpips, capture = load_lpips(options.lpips_weights), load_capture(options.capture)
    with progress_bars() as bars:
        result = ablate(
            capture,
            preset,
            options.out,
            seconds=options.seconds,
            size=options.size,
            only=only,
            seeds=options.seed,
            lpips=lpips,
            progress=bars,
        )
    for row in result["rows"]:
        told = (f"{shown(row, name):>14}" for name in ("psnr_face", "psnr_fg"))
        tell(options, f"{row['group'] + ' ' + row['name']:>54} {' '.join(told)} dB")
    tell(options, f"Wrote {options.out / 'ablation.md'}.")
    return result
