"""``likeness capture``: captures from and to other people's data sets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .head import HEAD_HELP
from .json_option import add_json_option
from .terminal import progress_bars, tell

READABLE, WRITABLE = ("imavatar", "insta", "metrical-tracker"), ("imavatar", "insta")

LABELS = (
    "Labels of a face parser (IMavatar's and PointAvatar's folder semantic: PNG pictures as large as the frames, class "
    "numbers 0 to 18; INSTA's seg_mask) are kept, and written back by export; with them `likeness eval` tells figures "
    "with and without cloth. All frames must have labels, or none."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser(
        "import",
        help="make a capture of a data set of IMavatar, PointAvatar, INSTA or metrical-tracker",
        epilog=LABELS,
    )
    importing.add_argument("folder", type=Path, help="the data set's folder")
    importing.add_argument("out", type=Path, help="the capture folder to make")
    importing.add_argument(
        "--head", required=True, help=f"the FLAME model that the data set's parameters are of: {HEAD_HELP}"
    )
    importing.add_argument("--format", choices=READABLE, help="the data set's format (default: found by itself)")
    importing.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        metavar="PART",
        help="part at the end on which nothing is fitted, where the data set names no test frames (default: 0.2)",
    )
    importing.add_argument("--frame-rate", type=float, default=25.0, help="frames per second (default: 25)")
    importing.add_argument("--no-landmarks", action="store_true", help="do not look for MediaPipe's landmarks")
    importing.add_argument("--consent", default="", help="how the person shown has agreed; stored in the avatar")
    importing.add_argument("--overwrite", action="store_true", help="replace a capture that is already there")
    exporting = actions.add_parser(
        "export",
        help="write a capture as IMavatar's or INSTA's data set",
        epilog="Labels of the face's parts are the capture's own where it has them (IMavatar's format only), else "
        "drawn from the head model and the matte.",
    )
    exporting.add_argument("capture", type=Path, help="a capture folder")
    exporting.add_argument("out", type=Path, help="the folder to make")
    exporting.add_argument("--format", choices=WRITABLE, required=True, help="the format to write")
    info = actions.add_parser("info", help="tell what a capture holds")
    info.add_argument("capture", type=Path, help="a capture folder")
    for action in (importing, exporting, info):
        add_json_option(action, default=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    return {"import": _import, "export": _export, "info": _info}[options.action](options)


def _import(options: argparse.Namespace) -> dict[str, Any]:
    from ..capture.formats.exchange import import_capture
    from ..head.select import head_from

    head = head_from(options.head)
    with progress_bars() as bars:
        capture = import_capture(
            options.folder,
            head,
            options.out,
            kind=options.format,
            held_out_part=options.held_out,
            frame_rate=options.frame_rate,
            landmarks=not options.no_landmarks,
            overwrite=options.overwrite,
            provenance={"consent": options.consent} if options.consent else None,
            progress=lambda stage, done, total: bars(stage, done / max(total, 1)),
        )
    tell(options, f"Imported {len(capture)} frames into {options.out}.")
    tell(options, f"  mattes: {capture.provenance['mattes']}")
    if "labels" in capture.provenance:
        tell(options, f"  labels: {capture.provenance['labels']}; figures without cloth go by them")
    return {"frames": len(capture), "provenance": capture.provenance}


def _export(options: argparse.Namespace) -> dict[str, Any]:
    from ..capture.formats.exchange import export_capture
    from ..capture.storage import load_capture

    capture = load_capture(options.capture)
    lost = export_capture(capture, options.out, options.format)
    tell(options, f"Wrote {len(capture)} frames to {options.out} in the format of {options.format}.")
    for name, text in lost.items():
        tell(options, f"  not kept: {name} ({text})")
    return {"frames": len(capture), "not kept": lost}


def _info(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ..capture.semantics import has_semantics
    from ..capture.storage import load_capture

    capture = load_capture(options.capture)
    facts: dict[str, Any] = {
        "frames": len(capture),
        "held_out": len(capture.held_out),
        "width": capture.width,
        "height": capture.height,
        "frame_rate": capture.frame_rate,
        "intrinsics": [float(value) for value in capture.intrinsics],
        "camera": "still" if (capture.camera_to_world == capture.camera_to_world[0]).all() else "moving",
        "head": capture.head.name,
        "expressions": capture.head.expression_count,
        "labels": has_semantics(capture),
        "frames_with_landmarks": int(np.isfinite(capture.landmarks).any((1, 2)).sum()),
        "provenance": capture.provenance,
    }
    tell(
        options, f"{facts['frames']} frames of {facts['width']}x{facts['height']} at {facts['frame_rate']:g} a second,"
    )
    tell(options, f"  {facts['held_out']} of them held out, {facts['frames_with_landmarks']} with landmarks")
    if facts["labels"]:
        tell(options, "  every frame labelled by a face parser (folder semantics), so cloth is known")
    tell(options, f"  head {facts['head']} with {facts['expressions']} expressions, a {facts['camera']} camera,")
    tell(options, "  fx {:.1f}, fy {:.1f}, cx {:.1f}, cy {:.1f} pixels".format(*facts["intrinsics"]))
    for name, text in capture.provenance.items():
        tell(options, f"  {name}: {text}")
    return facts
