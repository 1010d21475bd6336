"""From the run-time's axes (Y up, Z out of the face) to Blender's (Z up, face towards -Y)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

TO_BLENDER = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
"""(3, 3) rotation that takes Y-up vectors to Z-up ones: a quarter turn about X."""


def to_blender(vectors: npt.ArrayLike) -> Array:
    """Z-up vectors (..., 3) for Y-up ones."""
    vectors = np.asarray(vectors, np.float32)
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], -1)
