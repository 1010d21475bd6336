"""The tracking report as a page that people read: what was found, what was poorly seen, and what to film."""

from __future__ import annotations

from pathlib import Path

from ..files import write_atomically
from .coverage import Sight, advice
from .model import Capture
from .tracking_report import TrackingReport

_OWN = ("tracking",)  # provenance that the page tells by itself


def write_page(capture: Capture, report: TrackingReport, sights: list[Sight], path: Path) -> None:
    """Write the page as Markdown, to lie beside ``overlay.mp4`` and ``residuals.png``."""
    lines = [
        f"# Tracking of {capture.provenance.get('source', 'a video')}",
        "",
        f"{len(capture)} frames, {len(capture) / capture.frame_rate:.1f} s; the last {len(capture.held_out)} frames "
        "are held out: nothing is learnt from them.",
        "",
        report.summary() + ".",
        "",
        "![residuals](residuals.png)",
        "",
        "## What was seen",
        "",
        "Seconds in the frames that may be learnt from.",
        "",
        "| | | seconds | wanted | |",
        "|---|---|---|---|---|",
    ]
    for sight in sights:
        mark = "**poorly seen**" if sight.lacking else ""
        lines.append(f"| {sight.kind} | {sight.name} | {sight.seconds:.2f} | {sight.wanted:.2f} | {mark} |")
    lines += ["", "## What to film", ""]
    lines += [f"- {sentence}" for sentence in advice(sights)] or ["Nothing lacks."]
    lines += ["", "## The film", ""]
    lines += [f"- {topic}: {text}" for topic, text in capture.provenance.items() if topic not in _OWN]
    write_atomically(path, "\n".join([*lines, ""]).encode())
