"""Putting layers on top of each other (step 9)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def premultiplied(straight: Array) -> Array:
    """Colour times alpha, and alpha, of straight values (..., 4)."""
    return np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], -1)


def over(front: Array, back: Array) -> Array:
    """The "over" operator of Porter and Duff (1984), in linear light.

    Parameters
    ----------
    front, back : (..., 4) float32
        Premultiplied.
    """
    return np.asarray(front + (1 - front[..., 3:]) * back, np.float32)
