"""``likeness track``: a video in, a capture out."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from .head import HEAD_HELP
from .terminal import progress_bars, tell

RULES = (
    "Where two faces are seen, the larger one is followed and this is said; two of similar size (less than 1.5 times) "
    "in more than half of the frames are refused. Frames without a face are left out; cuts are found, and nothing is "
    "smoothed over them. HDR is refused; 10-bit colours are rounded. A run that was killed goes on where it was when "
    "it is started again. tracking/report.md in the capture tells what was poorly seen and what to film."
)

_ADVICE_LINES = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = RULES
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
    parser.add_argument(
        "--focal",
        type=float,
        metavar="PIXELS",
        help="focal length in the video's own pixels, if it is known; 0.1 to 100 times its longer side (default: 2.2 "
        "times the side of the kept square)",
    )
    parser.add_argument(
        "--photometric",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="after landmarks, move the head until the colours of its skin agree from frame to frame (default: yes)",
    )
    parser.add_argument("--consent", default="", help="how the person shown has agreed; stored in the avatar")
    parser.add_argument("--overwrite", action="store_true", help="replace a capture that is already there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..capture.storage import check_place
    from ..capture.track import track_video
    from ..head.select import head_from

    head = head_from(options.head)
    out = Path(os.path.abspath(options.out))
    check_place(out, options.overwrite)
    with progress_bars() as bars:
        capture = track_video(
            options.video,
            head,
            out,
            size=options.size,
            held_out_fraction=options.held_out,
            focal=options.focal,
            photometric=options.photometric,
            overwrite=options.overwrite,
            provenance={"consent": options.consent} if options.consent else None,
            progress=lambda stage, done, total: bars(stage, done / max(total, 1)),
        )
    tell(options, f"Tracked {len(capture)} frames into {out}: {capture.provenance['tracking']}.")
    tracking = out / "tracking"
    report = json.loads((tracking / "report.json").read_text("utf-8"))
    for topic in ("faces", "cuts", "frame rate", "colours"):
        if topic in capture.provenance:
            tell(options, f"{topic.capitalize()}: {capture.provenance[topic]}.")
    if report["remarks"]["left out"]:
        tell(options, f"No face: frames left out: {capture.provenance['frames without a face, left out']}.")
    lacking = [sight for sight in report["seen"] if sight["lacking"]]
    if lacking:
        tell(options, f"Poorly seen: {', '.join(sight['name'] for sight in lacking)}. To film:")
        for sight in lacking[:_ADVICE_LINES]:
            tell(options, f"  {sight['advice']}")
    tell(options, f"See {tracking / 'report.md'} and {tracking / 'overlay.mp4'}.")
    return {"frames": len(capture), "provenance": capture.provenance, "advice": report["advice"]}
