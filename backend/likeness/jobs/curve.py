"""The learning curve of a job: ``curve.csv`` for any spreadsheet, and a line of blocks for a terminal."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import replacing

NAME = "curve.csv"
COLUMNS = ("stage", "step", "seconds", "loss")

POINTS = 100
"""At most so many points of a curve are shown."""

_BLOCKS = "▁▂▃▄▅▆▇█"


class CurveFile:
    """Appends to a job's curve.

    Parameters
    ----------
    job : Path
    """

    def __init__(self, job: Path) -> None:
        self._path = job / NAME

    def cut(self, stage: str, step: int) -> None:
        """Forget what a stage wrote after ``step``: it is about to take those steps again."""
        kept = [row for row in self._rows() if row[0] != stage or int(row[1]) <= step]
        with replacing(self._path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *kept])

    def add(self, stage: str, step: int, seconds: float, loss: float) -> None:
        """Append a row."""
        with open(self._path, "a", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerow((stage, step, f"{seconds:.1f}", f"{loss:.6g}"))

    def _rows(self) -> list[list[str]]:
        if not self._path.exists():
            return []
        with open(self._path, encoding="utf-8", newline="") as stream:
            # A process that is killed may leave half a row.
            return [row for row in list(csv.reader(stream))[1:] if len(row) == len(COLUMNS) and row[1].isdigit()]


def described(losses: Sequence[float]) -> str:
    """A line for a person: how many steps were taken, the loss of the last ones, and the curve."""
    if not len(losses):
        return "0 steps"
    return f"step {len(losses)}, loss {np.mean(losses[-50:]):.4f} {sparkline(losses)}".rstrip()


def thinned(losses: Sequence[float]) -> list[tuple[int, float]]:
    """The curve (step, loss) of every step's loss, steps averaged so that at most :data:`POINTS` are left."""
    if not len(losses):
        return []
    width = math.ceil(len(losses) / POINTS)
    return [
        (min(start + width, len(losses)), float(np.mean(losses[start : start + width])))
        for start in range(0, len(losses), width)
    ]


def sparkline(values: Sequence[float], width: int = 12) -> str:
    """A curve as ``width`` block characters at most, lowest to highest; empty for less than two values."""
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    means = np.array([np.mean(part) for part in np.array_split(np.asarray(values, float), count)])
    spread = float(means.max() - means.min())
    if not math.isfinite(spread):
        return ""
    places = np.rint((means - means.min()) / max(spread, 1e-12) * (len(_BLOCKS) - 1)).astype(int)
    return "".join(_BLOCKS[place] for place in places)
