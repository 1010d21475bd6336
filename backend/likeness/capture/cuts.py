"""Where a film was cut: frames before which nothing may be expected to go on smoothly."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

THUMBNAIL = 32
"""Side of the small grey pictures that are compared, pixels."""

CHANGE = 8.0
"""Mean change of grey level (0..255) that may be a cut."""

JUMP = 0.12
"""Move of a face within a frame, as a share of its size, that may be a cut: a quick turn of the head is half of it."""

ALONE = 3.0
"""How many times larger than those around it a change must be: what moves fast moves in several frames."""

_AROUND = 2


def thumbnail(picture: Picture) -> npt.NDArray[np.float32]:
    """A picture (H, W, 3) as (32, 32) grey levels, fine enough to tell one shot from another."""
    small = cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).mean(-1)


def find_cuts(changes: Floats, centres: Floats, sizes: Floats) -> Indices:
    """Frames that begin a new shot.

    Parameters
    ----------
    changes : (F,)
        Mean absolute change of the thumbnail since the frame before; zero for the first.
    centres : (F, 2)
        Middle of the face, pixels; NaN where none is seen.
    sizes : (F,)
        Size of the face, pixels.

    Returns
    -------
    (S,) int
        Ascending, without the first frame.
    """
    moves = np.zeros(len(changes))
    moves[1:] = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.maximum(sizes[1:], 1)
    resized = np.zeros(len(changes))
    resized[1:] = np.abs(np.diff(sizes)) / np.maximum(sizes[1:], 1)
    jumps = np.nan_to_num(np.maximum(moves, resized))
    return np.flatnonzero(_alone(changes, CHANGE) | _alone(jumps, JUMP))


def _alone(values: Floats, least: float) -> npt.NDArray[np.bool_]:
    """Whether each value (F,) is large and far larger than those just before and after it."""
    padded = np.pad(values, _AROUND)
    others = [padded[shift : shift + len(values)] for shift in range(2 * _AROUND + 1) if shift != _AROUND]
    found = (values > least) & (values > ALONE * np.max(others, axis=0))
    found[:1] = False
    return found
