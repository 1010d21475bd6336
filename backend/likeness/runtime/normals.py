"""Smooth vertex normals as Blender computes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


def vertex_normals(positions: npt.ArrayLike, faces: Indices, weld: Indices) -> Array:
    """Unit normals at the vertices: the faces' unit normals, each weighted by the angle of its corner at the vertex.

    That is Blender's weighting of smooth normals (after Thuermer and Wuethrich, "Computing vertex normals from
    polygonal facets", 1998). Welded vertices are one vertex, so texture seams do not show.

    Parameters
    ----------
    positions : (V, 3)
    faces : (F, 3) int32
        Counter-clockwise from outside.
    weld : (V,) int32
        Vertices with the same number are one; numbers from 0 without gaps.

    Returns
    -------
    (V, 3) float32
        A vertex without any face of area gets its position's direction, as in Blender.
    """
    points = np.asarray(positions, np.float64)
    corners = points[faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    edges = np.roll(corners, -1, axis=1) - corners
    size = np.linalg.norm(edges, axis=2, keepdims=True)
    edges = np.divide(edges, size, out=np.zeros_like(edges), where=size > 0)
    cosine = -(edges * np.roll(edges, 1, axis=1)).sum(2)
    angle = np.arccos(np.clip(cosine, -1, 1))
    joined = weld[faces]
    count = int(weld.max()) + 1
    sums = np.stack(
        [np.bincount(joined.ravel(), (angle * flat[:, axis, None]).ravel(), count) for axis in range(3)], 1
    )[weld]
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    sums = np.where(length > 0, sums, points)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    # A vertex at the very origin without faces: any direction is as good as another.
    sums = np.where(length > 0, sums, [0.0, 0.0, 1.0])
    return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
