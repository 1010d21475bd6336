"""The outer skin: structured rings round eye and mouth, scattered points elsewhere, triangulated and mirrored."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, KDTree
from skimage.measure import find_contours, marching_cubes

from . import borders, eyes, mouth
from .anatomy import RIM_HEIGHT, head_distance
from .distance import Array, project
from .flips import flipped_to_delaunay
from .part import Indices, Part, grid_faces

SEED = 7


def spacing(points: Array) -> Array:
    """Wanted distance (N,) between neighbouring points: fine where the face has relief, coarse on the cranium."""
    half = np.abs(points * [1, 0, 0]) + points * [0, 1, 1]
    wanted = np.full(len(points), 1.3)
    for centre, radius, size in (
        ((0.4, -0.9, 10.8), 1.5, 0.27),
        ((0.0, 1.5, 10.0), 1.2, 0.42),
        ((3.2, 3.0, 8.0), 2.3, 0.45),
        ((0.0, -4.1, 9.8), 3.2, 0.55),
        ((2.0, 4.9, 9.0), 2.0, 0.55),
        ((3.0, -1.0, 8.5), 3.0, 0.6),
        ((0.0, -7.2, 9.5), 2.2, 0.6),
        ((0.0, -9.5, 5.0), 2.0, 0.65),
        ((0.0, 7.0, 9.0), 3.0, 0.8),
        ((5.5, -3.0, 3.0), 3.0, 0.85),
    ):
        away = np.maximum(np.linalg.norm(half - np.array(centre), axis=1) - radius, 0)
        wanted = np.minimum(wanted, size + 0.16 * away)
    return wanted


def layout(points: Array) -> Array:
    """Unit vectors (N, 3) of skin points: a view from inside that no two points of the skin share.

    The shoulders are drawn in towards the axis, because the neck would hide them from the middle of the head.
    """
    shrink = np.interp(points[:, 1], (-17.5, -16, -14.5, -13, -11, -9), (0.06, 0.17, 0.3, 0.5, 0.8, 1.0))
    seen = np.stack([points[:, 0] * shrink, points[:, 1] + 2.0, (points[:, 2] + 0.3) * shrink], 1)
    return seen / np.linalg.norm(seen, axis=1, keepdims=True)


def skin() -> Part:
    """The whole skin, exactly symmetric."""
    lids, lips = eyes.lid_rings(), mouth.lip_rings()
    lids[:, :, 0] = np.maximum(lids[:, :, 0], 0.05)
    middle = _midline(lips[0, 0], lips[0, -1])
    rim = _rim()
    brow, brow_rows = borders.brow_points()
    clear = ~_within(brow, lids[0])
    brow, brow_rows = brow[clear], brow_rows[clear]
    fixed = np.concatenate([lids[0], lips[0], brow, *middle, borders.hairline_points(), rim])
    outline = np.concatenate([brow[brow_rows == 0], brow[brow_rows == 2][::-1]])
    scattered = _scatter(fixed, (lids[0], lips[0], outline))
    points = np.concatenate([fixed, scattered])
    faces = _triangulate(points, len(lids[0]), len(lips[0]), len(fixed) - len(rim))
    for _ in range(3):
        points = _relaxed(points, faces, len(fixed))
        faces = flipped_to_delaunay(points, faces)
    return _whole(points, faces, lids, lips, brow_rows)


def _midline(above: Array, below: Array) -> tuple[Array, Array]:
    """Points on the midline from the mouth's upper end over the crown to the rim, and from its lower end down."""
    step = 0.05
    heights, depths = np.arange(RIM_HEIGHT - 1, 16, step), np.arange(-12, 13, step)
    grid = np.stack(np.meshgrid([0.0], heights, depths, indexing="ij"), -1)[0]
    contour = max(find_contours(head_distance(grid.reshape(-1, 3)).reshape(grid.shape[:2]), 0), key=len)
    line = np.stack([0 * contour[:, 0], heights[0] + step * contour[:, 0], depths[0] + step * contour[:, 1]], 1)
    line = line[line[:, 1] >= RIM_HEIGHT - 1e-9]
    if line[0, 2] < line[-1, 2]:
        line = line[::-1]
    lower, upper = (int(np.argmin(np.linalg.norm(line - end, axis=1))) for end in (below, above))
    front, back = _resampled(line[: lower + 1]), _resampled(line[upper:])
    return back[1:-1], front[1:-1]


def _rim() -> Array:
    """Points of the left half of the lower rim, from front to back, ends on the midline."""
    step = 0.1
    sides, depths = np.arange(-1, 22, step), np.arange(-12, 10, step)
    grid = np.stack(np.meshgrid(sides, [RIM_HEIGHT], depths, indexing="ij"), -1)[:, 0]
    contour = max(find_contours(head_distance(grid.reshape(-1, 3)).reshape(grid.shape[:2]), 0), key=len)
    line = np.stack(
        [sides[0] + step * contour[:, 0], 0 * contour[:, 0] + RIM_HEIGHT, depths[0] + step * contour[:, 1]], 1
    )
    line = line[line[:, 0] >= 0]
    if line[0, 2] < line[-1, 2]:
        line = line[::-1]
    line = _resampled(line)
    line[[0, -1], 0] = 0.0
    return line


def _resampled(line: Array) -> Array:
    """A polyline with its ends, and points between them at the wanted spacing."""
    length = np.linalg.norm(np.diff(line, axis=0), axis=1)
    middle = (line[1:] + line[:-1]) / 2
    steps = np.concatenate([[0], np.cumsum(length / spacing(middle))])
    count = max(round(float(steps[-1])), 1)
    at = np.linspace(0, steps[-1], count + 1)
    return np.stack([np.interp(at, steps, line[:, axis]) for axis in range(3)], 1)


def _scatter(fixed: Array, rings: tuple[Array, ...]) -> Array:
    """Points on the left skin outside of the rings, at least the wanted spacing from each other and the fixed ones."""
    step = 0.35
    axes = (np.arange(-0.7, 20, step), np.arange(RIM_HEIGHT - 0.7, 16, step), np.arange(-12, 13, step))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    values = head_distance(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    surface, triangles = marching_cubes(values, 0)[:2]
    surface = surface * step + [axis[0] for axis in axes]
    corners = surface[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = area / spacing(corners.mean(1)) ** 2
    random = np.random.default_rng(SEED)
    chosen = random.choice(len(triangles), 60_000, p=weight / weight.sum())
    mix = np.sqrt(random.random((60_000, 1))), random.random((60_000, 1))
    first, second, third = (corners[chosen, k] for k in range(3))
    candidates = first * (1 - mix[0]) + second * mix[0] * (1 - mix[1]) + third * mix[0] * mix[1]
    candidates = project(head_distance, candidates, 4)
    wanted = spacing(candidates)
    alive = (candidates[:, 0] > 0.45 * wanted) & (candidates[:, 1] > RIM_HEIGHT + 0.45 * wanted)
    for ring in rings:
        alive &= ~_within(candidates, ring)
    # Halves of the rings' edges count as points too, or a scattered point could cut an edge off.
    # The mouth's ring ends on the midline, so its closing edge is none.
    halves = [((ring + np.roll(ring, -1, 0)) / 2)[: len(ring) - (ring[0, 0] < 1e-9)] for ring in rings]
    near, _ = KDTree(np.concatenate([fixed, *halves])).query(candidates)
    alive &= near > 0.72 * wanted
    tree = KDTree(candidates)
    accepted = []
    for index in range(len(candidates)):
        if alive[index]:
            accepted.append(index)
            alive[tree.query_ball_point(candidates[index], 0.83 * wanted[index])] = False
    return candidates[accepted]


def _within(points: Array, ring: Array) -> np.ndarray:
    """Which points (N,) lie inside a ring (M, 3) as seen by the layout; an open ring is closed along the midline."""
    flat_points, flat_ring = (_azimuthal(layout(p)) for p in (points, ring))
    inside = np.zeros(len(points), bool)
    for start, end in zip(flat_ring, np.roll(flat_ring, -1, 0), strict=True):
        crosses = (start[1] > flat_points[:, 1]) != (end[1] > flat_points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = start[0] + (flat_points[:, 1] - start[1]) * (end[0] - start[0]) / (end[1] - start[1])
        inside ^= crosses & (flat_points[:, 0] < at)
    return inside


def _azimuthal(directions: Array) -> Array:
    return directions[:, :2] / (1 + directions[:, 2:] + 1e-6)


def _triangulate(points: Array, lids: int, lips: int, rim_start: int) -> Indices:
    """Spherical Delaunay triangles of the left half, without those that would fill the openings or the cut."""
    flat = layout(points)
    flat[np.abs(points[:, 0]) < 1e-9, 0] = 0.0
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    hull = ConvexHull(flat)
    faces = hull.simplices.astype(np.int64)
    corners = flat[faces]
    inward = np.einsum(
        "fc,fc->f", np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), corners.mean(1)
    )
    faces[inward < 0] = faces[inward < 0][:, ::-1]
    count = np.arange(len(points))
    lid, lip = count < lids, (count >= lids) & (count < lids + lips)
    rim, middle = (count >= rim_start) & (points[:, 1] < RIM_HEIGHT + 1e-6), points[:, 0] < 1e-9
    filled = np.zeros(len(faces), bool)
    for group in (lid, lip, rim, middle):
        filled |= group[faces].all(1)
    return faces[~filled]


def _relaxed(points: Array, faces: Indices, fixed: int, rounds: int = 10) -> Array:
    """Points moved towards the middle of their neighbours along the skin; the first ``fixed`` stay."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    for _ in range(rounds):
        # Long edges pull more, which evens them out.
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        pull = length / spacing(points)[edges[:, 1]] ** 2
        total = np.bincount(edges[:, 0], pull, len(points))
        middle = np.stack(
            [np.bincount(edges[:, 0], pull * points[edges[:, 1], k], len(points)) / total for k in range(3)], 1
        )
        moved = points + 0.5 * (middle - points)
        points = np.concatenate([points[:fixed], project(head_distance, moved[fixed:], 3)])
    return points


def _whole(points: Array, faces: Indices, lids: Array, lips: Array, brow_rows: Indices) -> Part:
    """Add the inner rings of lids and lips to the left half, and mirror it."""
    count = len(points)
    lid_index = np.concatenate(
        [np.arange(eyes.COLUMNS)[None], count + np.arange((len(lids) - 1) * eyes.COLUMNS).reshape(-1, eyes.COLUMNS)]
    )
    count += (len(lids) - 1) * eyes.COLUMNS
    lip_index = np.concatenate(
        [
            eyes.COLUMNS + np.arange(mouth.COLUMNS)[None],
            count + np.arange((len(lips) - 1) * mouth.COLUMNS).reshape(-1, mouth.COLUMNS),
        ]
    )
    points = np.concatenate([points, lids[1:].reshape(-1, 3), lips[1:].reshape(-1, 3)])
    ring, column = np.full(len(points), -1), np.full(len(points), -1)
    patch = np.full(len(points), "", "<U4")
    for index, name in ((lid_index, "lid"), (lip_index, "lip")):
        rows, columns = np.indices(index.shape)
        ring[index], column[index], patch[index] = rows, columns, name
    brow = eyes.COLUMNS + mouth.COLUMNS + np.arange(len(brow_rows))
    ring[brow], patch[brow] = brow_rows, "brow"
    # Lid columns run counter-clockwise seen from the front, lip columns clockwise.
    last = lip_index[-1]
    throat = np.stack([last[1:-1], last[:-2], np.full(len(last) - 2, last[-1])], 1)
    faces = np.concatenate([faces, grid_faces(lid_index, closed=True), grid_faces(lip_index)[:, ::-1], throat])
    left = points[:, 0] > 1e-9
    twin = np.arange(len(points))
    twin[left] = len(points) + np.arange(left.sum())
    other = points[left] * [-1, 1, 1]
    points = np.where(left[:, None], points, points * [0, 1, 1])
    return Part(
        "skin",
        np.concatenate([points, other]),
        np.concatenate([faces, twin[faces][:, ::-1]]),
        np.zeros((len(points) + len(other), 2)),
        np.concatenate([ring, ring[left]]),
        np.concatenate([column, column[left]]),
        np.concatenate([patch, patch[left]]),
    )
