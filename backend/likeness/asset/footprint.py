"""Which texels of a tile any lookup can touch: those that bilinear filtering blends at some point of a triangle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MARGIN = 0.25
"""Texels by which triangles count as larger: rasterisers round coordinates, and rays graze edges."""

_CHUNK = 1 << 20


def footprint(
    uv: npt.NDArray[np.float32], faces: npt.NDArray[np.int32], tile_size: int, gutter: int
) -> npt.NDArray[np.bool_]:
    """Texels (S, S) of a tile with its gutter that lookups on triangles may touch.

    A lookup at a point blends the four texels whose centres are less than one texel away along both axes. So a texel is
    touched if its triangle meets the square of two texels' side about its centre: a test of separating axes.

    Parameters
    ----------
    uv : (V, 2) float32
        Within the tile, 0..1, v down.
    faces : (F, 3) int32
    tile_size, gutter : int
        Texels of the tile's inside and of the border around it.

    Returns
    -------
    (S, S) bool
        S is tile_size + 2 gutter; row 0 is the uppermost of the upper gutter.
    """
    side = tile_size + 2 * gutter
    # Texel (i, j) has its centre at (j, i) in these coordinates.
    corners = (np.asarray(uv, np.float32) * tile_size + (gutter - 0.5))[np.asarray(faces)]
    reach = 1 + MARGIN
    low = np.ceil(corners.min(1) - reach).astype(np.int64).clip(0, side - 1)
    high = np.floor(corners.max(1) + reach).astype(np.int64).clip(0, side - 1)
    counts = (high - low + 1).prod(1)
    touched = np.zeros((side, side), np.bool_)
    # So many triangles at a time that their boxes hold about a chunk of texels.
    parts = np.split(np.arange(len(faces)), np.flatnonzero(np.diff(np.cumsum(counts) // _CHUNK)) + 1)
    for part in parts:
        triangle = np.repeat(part, counts[part])
        place = np.arange(len(triangle)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        width = (high - low + 1)[triangle, 0]
        column, row = low[triangle, 0] + place % width, low[triangle, 1] + place // width
        centres = np.stack([column, row], 1).astype(np.float32)
        meets = _meets(corners[triangle] - centres[:, None], reach)
        touched[row[meets], column[meets]] = True
    return touched


def _meets(corners: npt.NDArray[np.float32], reach: float) -> npt.NDArray[np.bool_]:
    """Whether triangles (N, 3, 2) whose boxes meet the square of half side ``reach`` about the origin meet it, too."""
    x, y = corners[..., 0].T, corners[..., 1].T
    meets = np.ones(len(corners), np.bool_)
    for corner in range(3):
        following, opposite = (corner + 1) % 3, (corner + 2) % 3
        across, down = y[corner] - y[following], x[following] - x[corner]
        # Along an edge's normal the edge is one value, and the opposite corner the other end.
        edge, end = across * x[corner] + down * y[corner], across * x[opposite] + down * y[opposite]
        extent = reach * (np.abs(across) + np.abs(down))
        meets &= (np.minimum(edge, end) <= extent) & (np.maximum(edge, end) >= -extent)
    return meets
