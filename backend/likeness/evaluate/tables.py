"""What was measured, as Markdown: one table of measures by regions, all marks, all frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Marks = Mapping[str, Mapping[str, Any]]

MEASURES = {"psnr": ("PSNR, dB", 2), "l1": ("L1", 4), "ssim": ("SSIM", 3), "lpips": ("LPIPS", 3)}
"""Titles of measures, and how many decimals they are told with."""

REGIONS = {
    "": "whole frame",
    "_fg": "person",
    "_face": "face",
    "_no_cloth": "frame without cloth",
    "_fg_no_cloth": "person without cloth",
    "_paper": "as the paper masks",
    "_paper_no_cloth": "so, without cloth",
}
STATES = {"": "as tracked", "_fitted": "pose and camera fitted"}


def measures_table(marks: Marks) -> list[str]:
    """Lines of a table: a row for each measure as tracked and as fitted, a column for each region that was measured."""
    shown = [region for region in REGIONS if _name("psnr", region) in marks]
    lines = [f"| | | {' | '.join(REGIONS[region] for region in shown)} |", f"|---|---|{'---:|' * len(shown)}"]
    for measure, (title, decimals) in MEASURES.items():
        for state, words in STATES.items():
            names = [f"{_name(measure, region)}{state}" for region in shown]
            if any(name in marks for name in names):
                values = [f"{marks[name]['value']:.{decimals}f}" if name in marks else "" for name in names]
                lines.append(f"| {title} | {words} | {' | '.join(values)} |")
    baseline = [f"baseline_{_name('psnr', region)}" for region in shown]
    values = [f"{marks[name]['value']:.2f}" if name in marks else "" for name in baseline]
    if any(values):
        lines.append(f"| PSNR, dB | mesh with one texture | {' | '.join(values)} |")
    return lines


def marks_table(marks: Marks) -> list[str]:
    """Lines of a table of all marks."""
    rows = [f"| `{name}` | {mark['value']:.4g} | {mark['unit']} |" for name, mark in marks.items()]
    return ["| mark | value | unit |", "|---|---:|---|", *rows]


def frames_table(frames: Sequence[Mapping[str, float]], outside: Sequence[bool]) -> list[str]:
    """Lines of a table of the figures of each frame that most people ask for."""
    names = [name for name in ("psnr_full", "psnr_fg", "psnr_face", "ssim", "l1", "lpips") if name in frames[0]]
    names += [name for name in ("psnr_fg_fitted", "psnr_face_fitted", "baseline_psnr_face") if name in frames[0]]
    rows = [
        f"| {frame['frame']}{' (outside)' if beyond else ''} | {' | '.join(_shown(frame[name]) for name in names)} |"
        for frame, beyond in zip(frames, outside, strict=True)
    ]
    return [f"| frame | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}", *rows]


def _shown(value: float) -> str:
    """A figure; nothing where its region is empty."""
    return "" if math.isnan(value) else f"{value:.4g}"


def _name(measure: str, region: str) -> str:
    return f"{measure}_full" if (measure, region) == ("psnr", "") else f"{measure}{region}"
