"""Whether an avatar flickers: how fast its pictures change their course, beside how fast the truth's do."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from .pictures import Truth


class Steadiness:
    """Collects second differences over three consecutive frames, where all three show the person.

    A picture that follows the truth changes its course no faster than the truth; flicker adds to it.
    """

    def __init__(self) -> None:
        self._shots: deque[tuple[int, npt.NDArray[np.float32], Truth]] = deque(maxlen=3)
        self._ours: list[float] = []
        self._truths: list[float] = []

    def add(self, index: int, picture: npt.NDArray[np.float32], truth: Truth) -> None:
        """Note the picture (H, W, 3) of a frame and the truth it is compared with; frames come in ascending order."""
        if self._shots and index != self._shots[-1][0] + 1:
            self._shots.clear()
        self._shots.append((index, picture, truth))
        if len(self._shots) < 3:
            return
        seen = np.logical_and.reduce([shot[2].foreground for shot in self._shots])
        if not seen.any():
            return
        self._ours.append(_bend([shot[1] for shot in self._shots], seen))
        self._truths.append(_bend([shot[2].picture for shot in self._shots], seen))

    def marks(self) -> dict[str, dict[str, Any]]:
        """``flicker_255`` and ``truth_flicker_255``, means over frames; nothing without three frames in a row."""
        if not self._ours:
            return {}
        values = {"flicker_255": self._ours, "truth_flicker_255": self._truths}
        return {name: {"value": float(np.mean(bends)), "unit": "1/255"} for name, bends in values.items()}


def _bend(pictures: list[npt.NDArray[np.float32]], seen: npt.NDArray[np.bool_]) -> float:
    first, second, third = pictures
    return float(255 * np.abs(first - 2 * second + third)[seen].mean())
