"""Texture coordinates: the skin opened along the back of the head, everything else packed below it."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from .body import Body
from .distance import Array
from .part import Indices, Part
from .sheet import spacing

SKIN_BOX = (0.005, 0.245, 0.995, 0.995)
"""Left, lower, right, upper."""
BOXES = {
    "eye_l": (0.005, 0.125, 0.115, 0.235),
    "eye_r": (0.125, 0.125, 0.235, 0.235),
    "ear_l": (0.245, 0.005, 0.475, 0.235),
    "ear_r": (0.485, 0.005, 0.715, 0.235),
    "upper teeth": (0.725, 0.185, 0.995, 0.235),
    "lower teeth": (0.725, 0.125, 0.995, 0.175),
    "upper gums": (0.725, 0.065, 0.995, 0.115),
    "lower gums": (0.725, 0.005, 0.995, 0.055),
    "tongue": (0.005, 0.005, 0.115, 0.115),
}


def charts(body: Body) -> tuple[Array, Indices]:
    """Texture coordinates (T, 2) in 0..1, v upwards, and the corners (F, 3) of each triangle."""
    coordinates, corners, count = [], [], 0
    for part, name in zip(body.parts, dict.fromkeys(body.owner.tolist()), strict=True):
        if name == "skin":
            flat, faces = _opened(part)
            box = SKIN_BOX
        else:
            flat, faces, box = part.flat, part.faces, BOXES[name]
            if name.startswith(("eye", "ear")):
                flat, faces = _pole_spread(flat, faces)
        coordinates.append(_fitted(flat, box))
        corners.append(faces + count)
        count += len(flat)
    return np.concatenate(coordinates), np.concatenate(corners)


def _fitted(flat: Array, box: tuple[float, float, float, float]) -> Array:
    low, high = flat.min(0), flat.max(0)
    place = np.array(box)
    return place[:2] + (flat - low) / (high - low) * (place[2:] - place[:2])


def _pole_spread(flat: Array, faces: Indices) -> tuple[Array, Indices]:
    """A rear pole shared by a whole rim becomes one corner per triangle, outside the rim."""
    pole = len(flat) - 1
    faces, extra = faces.copy(), []
    for number in np.flatnonzero((faces == pole).any(1)):
        corner = int(np.flatnonzero(faces[number] == pole)[0])
        rim = flat[np.delete(faces[number], corner)].mean(0)
        faces[number, corner] = pole + len(extra)
        extra.append(rim / np.linalg.norm(rim))
    return np.concatenate([flat[:pole], extra]), faces


def _opened(part: Part) -> tuple[Array, Indices]:
    """Chart (T, 2) and corners (F, 3) of the skin.

    The sheet is cut from the lower rim up the back to the crown, its border laid on a convex curve, and every other
    point put into a weighted mean of its neighbours: Tutte's embedding, which cannot fold.
    """
    points, faces = part.points, part.faces
    on_cut = (
        (np.abs(points[:, 0]) < 1e-9)
        & (part.patch == "")
        & ((points[:, 2] < -3) | (points[:, 1] > 13.5) & (points[:, 2] < 0))
    )
    crown = int(np.flatnonzero(on_cut)[np.argmax(points[on_cut, 2])])
    doubled = on_cut.copy()
    doubled[crown] = False
    twin = np.arange(len(points))
    twin[doubled] = len(points) + np.arange(doubled.sum())
    right = points[faces].mean(1)[:, 0] < 0
    cut_faces = np.where(right[:, None], twin[faces], faces)
    cut_points = np.concatenate([points, points[doubled]])
    loops = _border_loops(cut_faces)
    outer = max(loops, key=len)
    filled, total = [cut_faces], len(cut_points)
    for loop in loops:
        if loop is not outer:
            filled.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), total)], 1))
            cut_points = np.concatenate([cut_points, cut_points[loop].mean(0)[None]])
            total += 1
    whole = np.concatenate(filled)
    flat = _embedded(cut_points, whole, outer)
    return flat[: len(points) + doubled.sum()], cut_faces


def _border_loops(faces: Indices) -> list[Indices]:
    """Border loops, in the direction of the triangles' edges."""
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (after := following.pop(loop[-1])) != start:
            loop.append(after)
        loops.append(np.array(loop))
    return loops


def _embedded(points: Array, faces: Indices, outer: Indices) -> Array:
    """Tutte's embedding (N, 2), its weights adapted until drawn edges are in proportion to those in space."""
    lengths = np.linalg.norm(points[outer] - points[np.roll(outer, -1)], axis=1)
    start = int(np.argmin(points[outer, 1] * 10 - points[outer, 2]))
    outer, lengths = np.roll(outer, -start), np.roll(lengths, -start)
    along = np.concatenate([[0], np.cumsum(lengths)[:-1]]) / lengths.sum()
    turn = 2 * np.pi * along - np.pi / 2
    # Between an ellipse and a rectangle, and strictly convex, as the theorem asks.
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    border = circle / (np.abs(circle) ** 3).sum(1, keepdims=True) ** (1 / 3)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    fine = 1.3 / spacing(points)
    target = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) + 0.02
    target = target * np.sqrt(fine[edges].mean(1))
    weight = 1 / target
    inner = np.setdiff1d(np.arange(len(points)), outer)
    flat = np.zeros((len(points), 2))
    flat[outer] = border
    place = np.full(len(points), -1)
    place[inner] = np.arange(len(inner))
    for _ in range(12):
        both = np.concatenate([edges, edges[:, ::-1]])
        doubled = np.concatenate([weight, weight])
        row, column = place[both[:, 0]], place[both[:, 1]]
        known, free = (row >= 0) & (column < 0), (row >= 0) & (column >= 0)
        total = np.bincount(row[row >= 0], doubled[row >= 0], len(inner))
        coupling = coo_matrix((doubled[free], (row[free], column[free])), shape=(len(inner),) * 2)
        matrix = (diags(total) - coupling).tocsc()
        right = np.stack(
            [np.bincount(row[known], doubled[known] * flat[both[known, 1], axis], len(inner)) for axis in (0, 1)], 1
        )
        flat[inner] = np.asarray(spsolve(matrix, right))
        drawn = np.linalg.norm(flat[edges[:, 0]] - flat[edges[:, 1]], axis=1)
        ratio = drawn / target
        weight = weight * np.clip(ratio / np.median(ratio), 0.2, 5.0) ** 0.5
    return flat
