"""Which triangle each pixel sees: the nearest that faces the camera, found in plain NumPy (step 5).

A pixel sees along one ray, through its centre; there is no anti-aliasing. With d the ray and a, b, c the corners in
camera space, the signed volumes d . (b x c), d . (c x a), d . (a x b) are all negative exactly where the ray goes in
through the triangle's front, and their shares of their sum are the perspective-correct barycentric weights. Neighbours
compute the volume over their common edge from the same numbers, so no ray slips between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..camera import Camera

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

_NEAR = 1e-6
"""Metres; triangles that reach nearer have no bounding box in the picture, and are tried everywhere."""
_CANDIDATES = 1 << 20
"""Pairs of pixel and triangle tried at once, a bound on memory."""


@dataclass(frozen=True)
class Hits:
    """What a picture's pixels see of one mesh; only pixels that see something, row after row.

    Attributes
    ----------
    pixels : (N,) int64
        Row * width + column.
    faces : (N,) int32
        Triangle seen.
    barycentrics : (N, 3) float32
        Weights of its corners, perspective-correct.
    depths : (N,) float32
        Distance along the viewing axis, -z in camera space, metres.
    """

    pixels: npt.NDArray[np.int64]
    faces: Indices
    barycentrics: Array
    depths: Array

    def interpolate(self, values: Array, faces: Indices) -> Array:
        """Vertex values (V, C) at the hits (N, C), given the mesh's triangles (F, 3)."""
        return np.einsum("nk,nkc->nc", self.barycentrics, values[faces[self.faces]])


def rasterise(vertices: Array, faces: Indices, camera: Camera) -> Hits:
    """Nearest front-facing hit of every pixel on one mesh.

    Parameters
    ----------
    vertices : (V, 3) float32
        Camera space, metres.
    faces : (F, 3) int32
        Counter-clockwise from outside.
    camera : Camera
        Only its size and intrinsics are used.
    """
    corners = vertices.astype(np.float64)[faces]
    a, b, c = corners.swapaxes(0, 1)
    # Volumes are linear in the ray: volume_k = ray . planes[:, k].
    planes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 1)
    offset = (a * np.cross(b - a, c - a)).sum(1)
    facing = np.flatnonzero(offset < 0)
    low, high = _bounding_boxes(corners[facing], camera)
    seen = (low < high).all(1)
    facing, low, high = facing[seen], low[seen], high[seen]
    rays = camera.ray_directions().astype(np.float64)
    found = []
    for group, extent in _groups(high - low):
        triangles = facing[group]
        which, pixel, volume = _covered(planes[triangles], low[group], extent, rays)
        found.append((pixel, triangles[which], offset[triangles[which]] / volume))
    if not found:
        return _no_hits()
    pixel, face, depth = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((face, depth, pixel))
    first = order[np.flatnonzero(np.diff(pixel[order], prepend=-1))]
    pixel, face, depth = pixel[first], face[first], depth[first]
    volumes = np.einsum("nka,na->nk", planes[face], rays.reshape(-1, 3)[pixel])
    weights = volumes / volumes.sum(1, keepdims=True)
    return Hits(pixel, face.astype(np.int32), weights.astype(np.float32), depth.astype(np.float32))


def _no_hits() -> Hits:
    nothing = np.zeros(0, np.float32)
    return Hits(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros((0, 3), np.float32), nothing)


def _bounding_boxes(
    corners: npt.NDArray[np.float64], camera: Camera
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and one-past-last (column, row) (F, 2) of the pixel centres that triangles may cover."""
    depth = -corners[:, :, 2]
    near = np.any(depth < _NEAR, axis=1)
    safe = np.where(near[:, None], 1.0, depth)
    places = np.stack(
        [camera.cx + camera.fx * corners[:, :, 0] / safe, camera.cy - camera.fy * corners[:, :, 1] / safe], -1
    )
    size = np.array([camera.width, camera.height])
    # A pixel more on each side: what rounding of the projection may cost.
    low = np.clip(np.ceil(places.min(1) - 0.5) - 1, 0, size)
    high = np.clip(np.floor(places.max(1) - 0.5) + 2, 0, size)
    low[near], high[near] = 0, size
    return low.astype(np.int64), high.astype(np.int64)


def _groups(extents: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Triangles of like size together, so that one array operation tries them all.

    Returns
    -------
    list of (indices, extent)
        No triangle of a group is wider or higher than the group's extent (columns, rows).
    """
    if not len(extents):
        return []
    rounded = np.exp2(np.ceil(np.log2(extents))).astype(np.int64)
    sizes, membership = np.unique(rounded, axis=0, return_inverse=True)
    groups = []
    for index, extent in enumerate(sizes):
        members = np.flatnonzero(membership.ravel() == index)
        step = max(1, _CANDIDATES // int(extent.prod()))
        groups += [(members[start : start + step], extent) for start in range(0, len(members), step)]
    return groups


def _covered(
    planes: npt.NDArray[np.float64],
    low: npt.NDArray[np.int64],
    extent: npt.NDArray[np.int64],
    rays: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All hits of triangles (N, 3, 3) in boxes of one extent: triangle, pixel, and the sum of the volumes."""
    height, width = rays.shape[:2]
    column, row = low[:, :1] + np.arange(extent[0]), low[:, 1:] + np.arange(extent[1])
    inside = (column < width)[:, None, :] & (row < height)[:, :, None]
    column, row = np.minimum(column, width - 1), np.minimum(row, height - 1)
    x, y = rays[0, column, 0][:, None, :], rays[row, 0, 1][:, :, None]
    total = np.zeros(inside.shape)
    for corner in range(3):
        plane = planes[:, corner, :, None, None]
        volume = plane[:, 0] * x + plane[:, 1] * y - plane[:, 2]
        inside &= volume <= 0
        total += volume
    # A triangle seen edge-on has no volume with any ray, and no front either.
    inside &= total < 0
    which, i, j = np.nonzero(inside)
    return which, row[which, i] * width + column[which, j], total[which, i, j]
