"""A triangle mesh, as the steps between fields and layers pass it on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: positions (V, 3) float32 in metres, faces (F, 3) int32 counter-clockwise from outside."""

    positions: Array
    faces: Indices


def compacted(positions: Array, faces: npt.NDArray[np.integer]) -> Mesh:
    """A mesh of some faces, without the vertices that none of them uses."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(positions[used], renumbered.reshape(-1, 3).astype(np.int32))
