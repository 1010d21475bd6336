"""Where things are on a head: fields over its skin, from MediaPipe's landmarks and a few angles. Centimetres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from likeness.head.model import HeadModel

Array = npt.NDArray[np.float64]

CENTIMETRES = 100.0

OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""The lips' red border, a closed curve of landmarks."""

UPPER_LIP_EDGE = (185, 40, 39, 37, 0, 267, 269, 270, 409)
"""The upper lip's red border without its corners: Cupid's bow."""
LIP_SEAM_LINE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
"""Where the lips meet, along the upper one."""

# Each brow from nose to temple: upper edge, lower edge.
BROWS = (
    ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276)),
    ((107, 66, 105, 63, 70), (55, 65, 52, 53, 46)),
)

# Lid edges from the outer to the inner corner: left upper, left lower, right upper, right lower.
UPPER_LIDS = ((263, 466, 388, 387, 386, 385, 384, 398, 362), (33, 246, 161, 160, 159, 158, 157, 173, 133))
LOWER_LIDS = ((263, 249, 390, 373, 374, 380, 381, 382, 362), (33, 7, 163, 144, 145, 153, 154, 155, 133))

_CENTRE = np.array([0.0, 4.5, -0.5])
# The hairline: elevation seen from the head's centre, for degrees away from straight ahead. Temples, sideburns, above
# the ears, behind them, nape.
_HAIRLINE = (
    (0, 31), (22, 32), (40, 30), (49, 21), (54, 4), (58, -12), (70, -12), (75, 6), (98, 6), (106, -14), (116, -36),
    (135, -47), (180, -50),
)  # fmt: skip


def vertex_mask(head: HeadModel, region: str) -> npt.NDArray[np.bool_]:
    """Vertices (V,) of the triangles of a region; none if the head has no such region."""
    mask = np.zeros(len(head.template), bool)
    if region in head.regions:
        mask[head.faces[head.regions[region]]] = True
    return mask


def ears(head: HeadModel) -> npt.NDArray[np.bool_]:
    """Vertices (V,) of the ears."""
    if "ears" in head.regions:
        return vertex_mask(head, "ears")
    x, y, z = CENTIMETRES * head.template.T
    return (np.abs(x) > 7.55) & (y > -4) & (y < 7) & (z < 3.5) & (z > -4)


def vertex_normals(points: Array, faces: npt.NDArray[np.int32]) -> Array:
    """Unit normals (V, 3), weighted by area."""
    corners = points[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def hollows(points: Array, faces: npt.NDArray[np.int32]) -> Array:
    """How hollow (V,) a surface is at its vertices: the mean slope up to their neighbours, negative on ridges."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    start, step = edges[:, 0], points[edges[:, 1]] - points[edges[:, 0]]
    rise = (step * vertex_normals(points, faces)[start]).sum(1) / np.maximum(np.linalg.norm(step, axis=1), 1e-12)
    count = np.bincount(start, minlength=len(points))
    return np.bincount(start, rise, len(points)) / np.maximum(count, 1)


def above_hairline(points: Array, softness: float = 2.5) -> Array:
    """How much hair (N,) grows at skin points (N, 3) in centimetres: 0 to 1, over ``softness`` degrees."""
    x, y, z = (points - _CENTRE).T
    azimuth = np.degrees(np.arctan2(np.abs(x), z))
    elevation = np.degrees(np.arctan2(y, np.hypot(x, z)))
    line = np.interp(azimuth, *np.array(_HAIRLINE, float).T)
    return smoothstep((elevation - line) / softness)


def smoothstep(value: Array) -> Array:
    """0 below 0, 1 above 1, smooth between."""
    clipped = np.clip(value, 0, 1)
    return clipped**2 * (3 - 2 * clipped)


def bump(points: Array, centre: tuple[float, float, float], width: float) -> Array:
    """Gaussian (N,) round a centre and its mirror image."""
    mirrored = points * [1, 1, 1]
    mirrored[:, 0] = np.abs(mirrored[:, 0])
    return np.exp(-((mirrored - np.array(centre)) ** 2).sum(1) / (2 * width**2))


def near_curve(points: Array, curve: Array, width: float) -> Array:
    """1 on a curve (K, 3), falling to 0 like a Gaussian of some width; (N,) for points (N, 3)."""
    dense = resample(curve, 8 * len(curve))
    squared = ((points[:, None] - dense) ** 2).sum(-1).min(1)
    return np.exp(-squared / (2 * width**2))


def inside_polygon(points: Array, polygon: Array) -> Array:
    """Signed distance (N,) in the plane from points (N, 2) to a closed polygon (K, 2); positive inside."""
    start, end = polygon, np.roll(polygon, -1, 0)
    edge = end - start
    offset = points[:, None] - start
    along = np.clip((offset * edge).sum(-1) / (edge**2).sum(-1), 0, 1)
    distance = np.linalg.norm(offset - along[..., None] * edge, axis=-1).min(1)
    crosses = (start[:, 1] > points[:, None, 1]) != (end[:, 1] > points[:, None, 1])
    height = np.where(edge[:, 1] == 0, 1.0, edge[:, 1])
    at = start[:, 0] + edge[:, 0] * (points[:, None, 1] - start[:, 1]) / height
    inside = (crosses & (points[:, None, 0] < at)).sum(1) % 2 == 1
    return np.where(inside, distance, -distance)


def resample(curve: Array, count: int) -> Array:
    """Points (count, 3), evenly spaced, on a curve (K, 3)."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    places = np.linspace(0, length[-1], count)
    return np.stack([np.interp(places, length, coordinate) for coordinate in curve.T], -1)
