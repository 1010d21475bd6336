"""A small z-buffer in NumPy, for pictures of head models where no faster rasteriser is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Fragments:
    """What each pixel of a picture sees.

    Attributes
    ----------
    triangle : (H, W) int32
        Index of the nearest triangle, -1 for none.
    barycentric : (H, W, 3) float64
        Weights of its corners, zero where there is none.
    """

    triangle: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float64]

    def interpolate(self, corner_values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Values (H, W, C) at the pixels from values (F, 3, C) at the triangles' corners; zero for the background."""
        return np.einsum("hwk,hwkc->hwc", self.barycentric, corner_values[self.triangle])


def rasterise(
    pixels: npt.NDArray[np.floating], depth: npt.NDArray[np.floating], faces: npt.NDArray[np.integer], size: int
) -> Fragments:
    """Nearest triangle of each pixel, both sides of a triangle counting.

    Parameters
    ----------
    pixels : (V, 2)
        Picture coordinates, x right, y down, pixel centres at +0.5.
    depth : (V,)
        Distance from the viewer; smaller is nearer.
    faces : (F, 3)
    size : int
        Width and height of the picture.

    Returns
    -------
    Fragments
    """
    corners = pixels[faces]
    low = np.clip(np.floor(corners.min(1) - 0.5).astype(int), 0, size)
    high = np.clip(np.ceil(corners.max(1) + 0.5).astype(int), 0, size)
    extent = np.maximum(high - low, 0)
    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(faces)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    column = low[owner, 0] + within % extent[owner, 0]
    row = low[owner, 1] + within // extent[owner, 0]
    first, second, third = (corners[owner, k] for k in range(3))
    place = np.stack([column + 0.5, row + 0.5], 1)
    area = _cross(second - first, third - first)
    # A triangle seen from its edge covers nothing.
    area = np.where(area == 0, np.inf, area)
    weights = np.stack([_cross(second - place, third - place), _cross(third - place, first - place)], 1) / area[:, None]
    weights = np.concatenate([weights, 1 - weights.sum(1, keepdims=True)], 1)
    weights[np.isinf(area)] = -1
    inside = (weights >= -1e-9).all(1)
    owner, weights, place = owner[inside], weights[inside], (row * size + column)[inside]
    order = np.lexsort((np.einsum("nk,nk->n", weights, depth[faces[owner]]), place))
    place, chosen = np.unique(place[order], return_index=True)
    chosen = order[chosen]
    triangle = np.full(size * size, -1, np.int32)
    barycentric = np.zeros((size * size, 3))
    triangle[place], barycentric[place] = owner[chosen], weights[chosen]
    return Fragments(triangle.reshape(size, size), barycentric.reshape(size, size, 3))


def _cross(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def vertex_normals(points: npt.NDArray[np.floating], faces: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Unit normals (V, 3), the triangles' normals averaged by area."""
    corners = points[faces].astype(np.float64)
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
