"""Whose face is tracked, where a film shows two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

SIMILAR = 1.5
"""A face this many times larger than the other one is clearly the one that is meant."""

DOUBTFUL_SHARE = 0.5
"""Share of the frames with a face that may show two of similar size; beyond it nobody can say who is meant."""


def extents(boxes: Array) -> Array:
    """The longer side (...) of boxes (..., 4) of left, top, right, bottom; zero where there is none."""
    return np.nan_to_num((boxes[..., 2:] - boxes[..., :2]).max(-1))


def followed(boxes: Array, starts: Indices) -> Indices:
    """Which face of each frame is followed: the largest, but none takes over before it is clearly larger.

    Parameters
    ----------
    boxes : (F, 2, 4)
        Of up to two faces, pixels; NaN where there is none.
    starts : (S,) int
        Frames before which the film was cut, where nobody is followed yet.

    Returns
    -------
    (F,) int
        0 or 1; -1 where no face is seen.
    """
    sizes = extents(boxes)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    chosen = np.full(len(boxes), -1)
    begins = set(starts.tolist())
    before: Array | None = None
    for frame, size in enumerate(sizes):
        if frame in begins:
            before = None
        if not size.any():
            continue
        merit = size.copy()
        if before is not None:
            near = np.linalg.norm(np.nan_to_num(centres[frame], nan=np.inf) - before, axis=1) < 0.5 * size
            merit[near] *= SIMILAR
        chosen[frame] = merit.argmax()
        before = centres[frame, chosen[frame]]
    return chosen


def two_faces(boxes: Array, path: Path) -> str:
    """What must be said about a second face; empty if there is none.

    Raises
    ------
    LikenessError
        If two faces of similar size are seen in most frames.
    """
    sizes = np.sort(extents(boxes), axis=1)
    second = sizes[:, 0] > 0
    if not second.any():
        return ""
    doubtful = second & (sizes[:, 1] < SIMILAR * sizes[:, 0])
    if doubtful.sum() > DOUBTFUL_SHARE * (sizes[:, 1] > 0).sum():
        raise LikenessError(
            f"Two faces are seen at frame {int(doubtful.argmax())} of {path} and in {int(doubtful.sum())} of its "
            f"{len(boxes)} frames, neither much larger; crop the video to the one to track."
        )
    return f"a second face is seen in {int(second.sum())} of {len(boxes)} frames; the larger one was followed"
