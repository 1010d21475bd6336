"""MediaPipe's 468 points on FLAME: the makers' own where their files are there, the others carried from the stand-in.

The stand-in knows all points. Its head is brought onto FLAME's by a smooth warp that takes known places to known
places (joints of neck, jaw and eyes, the makers' landmarks), then onto nearest surface points; each point then goes to
the nearest place of FLAME's skin. Without any landmarks of the makers only joints and surface guide the warp.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import trimesh
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from ..rig import JOINTS
from .flame_files import Embedding, FlameArrays
from .model import HeadModel
from .standin import standin

Floats = npt.NDArray[np.float64]
Table = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]

ANCHOR_JOINTS = ("neck", "jaw", "eye_l", "eye_r")
ROUNDS = (0.02, 0.01, 0.006)
"""Largest distance, metres, at which a nearest surface point counts, in each round."""

CONTROL_POINTS = 150
SMOOTHING = 1e-4
"""How far the warp of the surface may miss its control points, against how much it bends."""

_CANDIDATES = 24


def landmark_table(
    arrays: FlameArrays, regions: dict[str, npt.NDArray[np.bool_]], embeddings: list[Embedding]
) -> Table:
    """Triangles' vertices (468, 3) and their weights (468, 3) of MediaPipe's points on FLAME's template.

    Parameters
    ----------
    arrays : FlameArrays
    regions : dict of str to (9976,) bool
    embeddings : list of Embedding
        Later ones win where they name the same point.
    """
    known: dict[int, tuple[Floats, npt.NDArray[np.int64], Floats]] = {}
    for embedding in embeddings:
        corners = arrays.faces[embedding.faces]
        places = np.einsum("lk,lkc->lc", embedding.barycentrics, arrays.template[corners])
        for number, place, corner, weights in zip(
            embedding.numbers.tolist(), places, corners, embedding.barycentrics, strict=True
        ):
            known[number] = (place, corner, weights)
    guide = standin()
    skin = arrays.faces[regions["skin"]]
    places = _carried(guide, arrays, skin, {number: entry[0] for number, entry in known.items()})
    triangles, barycentrics = _on_surface(arrays.template, skin, places)
    for number, (_, corner, weights) in known.items():
        triangles[number], barycentrics[number] = corner, weights
    return triangles.astype(np.int32), barycentrics.astype(np.float32)


def _carried(guide: HeadModel, arrays: FlameArrays, skin: npt.NDArray[np.int64], known: dict[int, Floats]) -> Floats:
    """The guide's landmarks (468, 3) brought into FLAME's space."""
    points = guide.landmarks(guide.template).astype(np.float64)
    joints = arrays.joint_regressor @ arrays.template
    chosen = [JOINTS.index(name) for name in ANCHOR_JOINTS]
    sources = [*guide.joints().astype(np.float64)[chosen], *(points[number] for number in known)]
    targets = [*joints[chosen], *known.values()]
    source, target = np.array(sources), np.array(targets)
    moved = _similarity(source, target)
    points, source = moved(points), moved(source)
    if known:
        warp = RBFInterpolator(source, target - source, kernel="thin_plate_spline", smoothing=1e-8)
        points, source = points + warp(points), source + warp(source)
    # Points are drawn to FLAME's surface together, so that they keep their arrangement.
    control = _spread(points, CONTROL_POINTS)
    for reach in ROUNDS:
        nearest = _nearest(arrays.template, skin, points[control])
        near = np.linalg.norm(nearest - points[control], axis=1) < reach
        near |= np.isin(control, list(known))
        ends = nearest.copy()
        for row, number in enumerate(control.tolist()):
            if number in known:
                ends[row] = known[number]
        if near.sum() < 12:
            break
        starts = np.concatenate([points[control][near], source])
        moves = np.concatenate([ends[near], target]) - starts
        warp = RBFInterpolator(starts, moves, kernel="thin_plate_spline", smoothing=SMOOTHING)
        points, source = points + warp(points), source + warp(source)
    return points


def _similarity(source: Floats, target: Floats) -> Callable[[Floats], Floats]:
    """The turn, scale and shift that take source to target with the least squares (Umeyama, PAMI 1991)."""
    from_middle, to_middle = source.mean(0), target.mean(0)
    centred, wanted = source - from_middle, target - to_middle
    u, s, vt = np.linalg.svd(wanted.T @ centred)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u * signs) @ vt
    scale = (s * signs).sum() / (centred**2).sum()
    return lambda points: scale * (points - from_middle) @ turn.T + to_middle


def _spread(points: Floats, count: int) -> npt.NDArray[np.intp]:
    """Indices of ``count`` points far from one another, each time the farthest from those chosen."""
    chosen = [int(points[:, 2].argmax())]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def _candidates(template: Floats, faces: npt.NDArray[np.int64], places: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """Of each place, the triangles with the nearest middles, and the nearest point on each."""
    corners = template[faces]
    found = np.asarray(KDTree(corners.mean(1)).query(places, _CANDIDATES)[1])
    nearest = trimesh.triangles.closest_point(corners[found.ravel()], np.repeat(places, _CANDIDATES, 0))
    return found, nearest.reshape(-1, _CANDIDATES, 3)


def _nearest(template: Floats, faces: npt.NDArray[np.int64], places: Floats) -> Floats:
    _, nearest = _candidates(template, faces, places)
    best = np.linalg.norm(nearest - places[:, None], axis=2).argmin(1)
    return nearest[np.arange(len(places)), best]


def _on_surface(template: Floats, faces: npt.NDArray[np.int64], places: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Corners (N, 3) and weights (N, 3) of the nearest points of a surface."""
    found, nearest = _candidates(template, faces, places)
    rows = np.arange(len(places))
    best = np.linalg.norm(nearest - places[:, None], axis=2).argmin(1)
    chosen = faces[found[rows, best]]
    barycentrics = trimesh.triangles.points_to_barycentric(template[chosen], nearest[rows, best])
    barycentrics = np.nan_to_num(barycentrics, nan=1 / 3).clip(0, 1)
    return chosen, barycentrics / barycentrics.sum(1, keepdims=True)
