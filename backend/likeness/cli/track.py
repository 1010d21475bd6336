"""``likeness track``: a video in, a capture out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .head import HEAD_HELP
from .sample import clear_place
from .terminal import progress_bars, tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("video", type=Path, help="a video of one talking head, at least a second long")
    parser.add_argument("out", type=Path, help="the capture folder to make")
    parser.add_argument("--head", default="standin", help=f"head model: {HEAD_HELP} (default: standin)")
    parser.add_argument("--size", type=int, default=512, help="side of the square pictures, pixels (default: 512)")
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        metavar="PART",
        help="part of the video, at its end, on which nothing is fitted (default: 0.2)",
    )
    parser.add_argument("--consent", default="", help="how the person shown has agreed; stored in the avatar")
    parser.add_argument("--overwrite", action="store_true", help="replace a capture that is already there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..capture.track import track_video
    from ..head.select import head_from

    head = head_from(options.head)
    clear_place(options.out, options.overwrite)
    with progress_bars() as bars:
        capture = track_video(
            options.video,
            head,
            options.out,
            size=options.size,
            held_out_fraction=options.held_out,
            provenance={"consent": options.consent} if options.consent else None,
            progress=lambda stage, done, total: bars(stage, done / max(total, 1)),
        )
    tell(options, f"Tracked {len(capture)} frames into {options.out}: {capture.provenance['tracking']}.")
    tell(options, f"See {options.out / 'tracking' / 'overlay.mp4'}.")
    return {"frames": len(capture), "provenance": capture.provenance}
