"""How much hair hangs, from mattes alone: with the right motion their outlines agree on one shape.

Cut everything away that lies outside of any picture's outline. If points move as they are said to, what is left still
fills every outline; if not, outlines cut into each other's shape. How much of the mattes is left empty is what
Hernandez, Schmitt and Cipolla find cameras by ("Silhouette Coherence for Camera Calibration under Circular Motion",
2007).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from ..capture.model import Capture
from .canonical import CanonicalHead
from .deformer import Deformer
from .frames import TrainingFrames, showing_somebody, spread
from .grid import Grid
from .matte_outlines import PosedPoints, interpolated, posed_points, shown, signed_outline

Array = npt.NDArray[np.float32]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What is tried."""

WORTH = 0.002
"""Part of the mattes that hanging must fill and that stays empty without it, lest noise decides."""

_FRAMES = 24
_CELL = 0.008
_REACH = 0.12


def hanging_share(
    frames: TrainingFrames, capture: Capture, head: CanonicalHead, deformer: Deformer, low: Array, high: Array
) -> float:
    """The share of nods and tilts that hair does not follow, see :class:`likeness.layered.hanging.Hanging`.

    Parameters
    ----------
    frames : TrainingFrames
        Only training frames are used.
    capture : Capture
        Gives their poses.
    head : CanonicalHead
    deformer : Deformer
        Which says how points move otherwise.
    low, high : (3,)
        Box in canonical space that holds the person, metres.

    Returns
    -------
    float
        One of :data:`SHARES`; zero where none fills mattes clearly better.
    """
    chosen = showing_somebody(frames, spread(frames.training, _FRAMES))
    nodes = Grid.over(low, high, _CELL).points()
    nodes = nodes[deformer.nearness(nodes) < _REACH]
    outlines = [signed_outline(frames.film(index).matte.cpu().numpy()) for index in chosen]
    posed = posed_points(nodes, head, deformer.with_hanging(1.0))
    empty = [_empty(posed.hung(share), outlines, frames, capture, chosen) for share in SHARES]
    best = int(np.argmin(empty))
    needed = WORTH * sum(int((outline < 0).sum()) for outline in outlines)
    return SHARES[best] if empty[0] - empty[best] > needed else 0.0


def _empty(
    posed: PosedPoints, outlines: list[Array], frames: TrainingFrames, capture: Capture, chosen: list[int]
) -> int:
    """Pixels of all mattes that what all outlines leave of a grid's nodes does not fill."""
    seen = [posed.seen(frames.cameras[index], capture.pose(index)) for index in chosen]
    left = np.ones(len(posed.rest), bool)
    for index, outline, (columns, rows, _) in zip(chosen, outlines, seen, strict=True):
        left &= ~shown(columns, rows, frames.cameras[index]) | (interpolated(outline, columns, rows) < 0)
    empty = 0
    for index, outline, (columns, rows, depth) in zip(chosen, outlines, seen, strict=True):
        camera = frames.cameras[index]
        inside = left & shown(columns, rows, camera)
        filled = np.zeros(outline.shape, bool)
        filled[np.rint(rows[inside]).astype(np.int64), np.rint(columns[inside]).astype(np.int64)] = True
        # A node stands for its cell.
        reach = 0.5 * _CELL * camera.fx / max(float(np.median(depth)), _CELL)
        filled = np.asarray(binary_dilation(filled, iterations=max(1, int(np.ceil(reach)))), bool)
        empty += int(((outline < 0) & ~filled).sum())
    return empty
