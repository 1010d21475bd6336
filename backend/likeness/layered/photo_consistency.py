"""Where hair lies inside of the matte hull: where pictures agree about what it looks like.

Mattes tell how far hair reaches beside and above the head, and nothing of how far it reaches towards the camera. A
surface that stands too far forward slides over the head as it turns. So patches of the hull are moved along their
normals, and where they are right, pictures from different sides show the same on them: a plane sweep, as in Collins, "A
Space-Sweep Approach to True Multi-Image Matching" (1996), with correlation instead of edges. Where outlines touch the
hull it is right as it is. Patches on which nothing is to be seen go with their neighbours: agreement and smoothness are
traded as in Newcombe et al., "DTAM: Dense Tracking and Mapping in Real-Time" (2011), section 2.2.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree
from torch.nn.functional import normalize

from ..camera import Camera
from ..capture.model import Capture
from ..raster.interface import Rasteriser
from ..raster.vertex_normals import vertex_normals
from ..rig import JOINTS, Pose
from .canonical import CanonicalHead
from .deformer import Deformer
from .extraction import extract_level
from .frames import TrainingFrames, showing_somebody, spread
from .grid import Grid
from .hair_thickness import head_viewpoints
from .matte_outlines import interpolated, pixels, posed_points, shown, signed_outline
from .mesh import Mesh

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

OFFSETS = np.arange(-0.030, 0.0065, 0.002).astype(np.float32)
"""How far outwards patches are moved, metres."""

LEAST_APART = 0.08
"""Angle between two lines of sight, radians, from which on a pair of pictures tells depth: a centimetre of it then
moves patches by most of a millimetre."""

# Lengths are in metres but for _BORDER, pixels; _FACING and _GRAZING are cosines between a line of sight and a normal.
_CANDIDATES, _VIEWS, _LEAST_VIEWS = 200, 24, 8
_PASSES = 2
_CELL, _PATCH, _BLUR = 0.004, 0.007, 0.0006
_FACING, _GRAZING = 0.35, 0.15
_MARGIN, _TOUCHING = 0.004, 0.004
_BORDER = 1.5
_COVERED = 0.6
_NOISE = 1e-4
# What holds a vertex, beside which certainties of some tenths count: nothing else, the bare face, outlines.
_REST, _BARE, _TOUCHED = 0.01, 1.0, 12.0
_SMOOTHNESS = 2.0
_ROUNDS, _COUPLING = 12, 1 / 0.010**2


class _View(NamedTuple):
    """A training picture.

    Attributes
    ----------
    camera : Camera
    pose : Pose
    side : (3,) float32
        Unit vector from the neck to the camera, canonical space.
    grey : (H, W) float32
    outline : (H, W) float32
        Distances from the matte's outline, pixels, negative inside.
    """

    camera: Camera
    pose: Pose
    side: Array
    grey: Array
    outline: Array


def settled(
    values: Array,
    grid: Grid,
    frames: TrainingFrames,
    capture: Capture,
    head: CanonicalHead,
    deformer: Deformer,
    rasteriser: Rasteriser,
) -> Array:
    """A person's distance field with its surface where training pictures agree on it.

    Parameters
    ----------
    values : (X, Y, Z) float32
        Signed distance, negative inside, metres: the matte hull.
    grid : Grid
        Its grid, canonical space.
    frames : TrainingFrames
        Only training frames are used.
    capture : Capture
        Gives their poses.
    head : CanonicalHead
    deformer : Deformer
        Says how points move.
    rasteriser : Rasteriser
        On the CPU.

    Returns
    -------
    (X, Y, Z) float32
    """
    views = _views(frames, capture, head)
    fine, coarse = (grid.with_cell(cell) for cell in (_CELL, 2 * _CELL))
    for _ in range(_PASSES):
        surface = extract_level(grid.resampled(values, fine), fine, 0.0)
        offsets = _offsets(surface, views, head, deformer, rasteriser)
        if not offsets.any():
            break
        _, nearest = KDTree(surface.positions).query(coarse.points())
        carried = gaussian_filter(offsets[nearest].reshape(coarse.shape), 0.7)
        values = values - coarse.resampled(carried, grid)
    return values


def _views(frames: TrainingFrames, capture: Capture, head: CanonicalHead) -> list[_View]:
    """Training pictures from sides that are as different as possible, by farthest points."""
    candidates = showing_somebody(frames, spread(frames.training, _CANDIDATES))
    sides = head_viewpoints(frames, capture, head, candidates) - head.joints[JOINTS.index("neck")]
    far = np.linalg.norm(sides, axis=1)
    sides /= far[:, None]
    chosen = [int(np.linalg.norm(sides - np.median(sides, 0), axis=1).argmin())]
    apart = np.linalg.norm(sides - sides[chosen[0]], axis=1)
    while len(chosen) < min(_VIEWS, len(candidates)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(sides - sides[chosen[-1]], axis=1))
    views = []
    for place in chosen:
        index = candidates[place]
        camera, (picture, matte, _) = frames.cameras[index], frames.film(index)
        grey = picture.cpu().numpy().mean(2, dtype=np.float32) / 255
        # Pictures of any size shall have the same detail on the head.
        grey = cv2.GaussianBlur(grey, (0, 0), _BLUR * camera.fx / float(far[place]))
        outline = signed_outline(matte.cpu().numpy())
        views.append(_View(camera, capture.pose(index), sides[place], grey, outline))
    return views


def _offsets(
    surface: Mesh, views: list[_View], head: CanonicalHead, deformer: Deformer, rasteriser: Rasteriser
) -> Array:
    """How far outwards (V,) a surface's vertices are to be moved, metres."""
    points, faces = surface.positions, torch.as_tensor(surface.faces)
    normals = vertex_normals(torch.as_tensor(points), faces).numpy()
    seen, touched = _looked_at(surface, views, head, deformer, rasteriser)
    # What the head model shows needs no hull.
    bare = deformer.bareness(points) > 0.5
    told = np.flatnonzero((seen.sum(1) >= min(_LEAST_VIEWS, len(views))) & ~bare)
    agreement = np.zeros((len(points), len(OFFSETS)), np.float32)
    agreement[told] = _agreement(points[told], normals[told], seen[told], views, head, deformer)
    held = _REST + _BARE * bare + np.minimum(1, _TOUCHED * touched.mean(1))
    return _smooth(agreement, held, surface)


def _looked_at(
    surface: Mesh, views: list[_View], head: CanonicalHead, deformer: Deformer, rasteriser: Rasteriser
) -> tuple[Flags, Flags]:
    """Which vertices face which view, unhidden, and which lie where its outline touches the surface: both (V, N)."""
    faces, one_layer = torch.as_tensor(surface.faces), torch.zeros(len(surface.faces), dtype=torch.int32)
    posed = posed_points(surface.positions, head, deformer)
    seen, touched = (np.zeros((len(surface.positions), len(views)), bool) for _ in range(2))
    for number, view in enumerate(views):
        placed = posed.placed(view.camera, view.pose)
        vertices = torch.as_tensor(placed)
        triangles = rasteriser(vertices, faces, one_layer, 1, view.camera).unique()
        seen[surface.faces[triangles[triangles >= 0].numpy()], number] = True
        facing = -(vertex_normals(vertices, faces) * normalize(vertices, dim=1)).sum(1).numpy()
        columns, rows, depth = pixels(placed, view.camera)
        beyond = interpolated(view.outline, columns, rows) * depth / view.camera.fx
        # What is behind a person does not move with the head, and would outweigh hair.
        seen[:, number] &= (facing > _FACING) & (beyond < -_MARGIN)
        # Where a person leaves the picture, a matte's outline is none.
        touched[:, number] = (
            shown(columns, rows, view.camera, _BORDER) & (np.abs(beyond) < _TOUCHING) & (np.abs(facing) < _GRAZING)
        )
    return seen, touched


def _agreement(
    points: Array, normals: Array, seen: Flags, views: list[_View], head: CanonicalHead, deformer: Deformer
) -> Array:
    """How well (N, O) pairs of pictures agree on the patch around each point, for each offset: mean correlation."""
    agreement = np.zeros((len(points), len(OFFSETS)), np.float32)
    first, second = _pairs(views)
    if not len(first) or not len(points):
        return agreement
    patches = _patches(points)
    both = (seen[:, first] & seen[:, second]).astype(np.float32)
    weight = patches @ both
    enough = weight > _COVERED * np.asarray(patches.sum(1))
    weight = np.maximum(weight, 1e-6)
    for number, offset in enumerate(OFFSETS):
        posed = posed_points(points + offset * normals, head, deformer)
        looks = np.stack([interpolated(view.grey, *posed.seen(view.camera, view.pose)[:2]) for view in views], 1)
        one, other = looks[:, first], looks[:, second]
        mean, other_mean = (patches @ (both * look) / weight for look in (one, other))
        variance = patches @ (both * one * one) / weight - mean * mean
        other_variance = patches @ (both * other * other) / weight - other_mean * other_mean
        covariance = patches @ (both * one * other) / weight - mean * other_mean
        correlation = covariance / np.sqrt((variance.clip(0) + _NOISE) * (other_variance.clip(0) + _NOISE))
        agreement[:, number] = (correlation * enough).sum(1) / np.maximum(enough.sum(1), 1)
    return agreement


def _pairs(views: list[_View]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Both places (P,) of pairs of views that are farther apart than most: what is nearer tells little of depth."""
    first, second = np.triu_indices(len(views), 1)
    if not len(first):
        return first, second
    sides = np.stack([view.side for view in views])
    apart = np.linalg.norm(sides[first] - sides[second], axis=1)
    far = apart > max(float(np.median(apart)), LEAST_APART)
    return first[far], second[far]


def _patches(points: Array) -> sparse.csr_matrix:
    """How much (N, N) each point belongs to the patch around each."""
    tree = KDTree(points)
    near = tree.sparse_distance_matrix(tree, 2 * _PATCH, output_type="coo_matrix")
    weights = np.exp(-0.5 * (near.data / _PATCH) ** 2).astype(np.float32)
    return sparse.csr_matrix((weights, (near.row, near.col)), (len(points), len(points)))


def _smooth(agreement: Array, held: npt.NDArray[np.floating], surface: Mesh) -> Array:
    """Offsets (V,), metres, at which pictures agree (V, O), as far as neighbours do too and nothing holds (V,) them.

    Each round takes for every vertex the offset at which pictures agree best, near where its neighbours are, the nearer
    the later; and then what differs least from these, held places and neighbours. A vertex counts by how much better
    pictures agree there than elsewhere.
    """
    edges = np.unique(np.sort(surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0)
    count = len(agreement)
    one_way = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    neighbours = one_way + one_way.T
    laplacian = sparse.diags(np.asarray(neighbours.sum(1))[:, 0]) - neighbours
    certainty = (agreement.max(1) - agreement.mean(1)).astype(np.float64)
    solve = splu((sparse.diags(certainty + held) + _SMOOTHNESS * laplacian).tocsc()).solve
    offsets = np.zeros(count)
    for number in range(_ROUNDS):
        coupling = _COUPLING * number / _ROUNDS
        best = OFFSETS[(agreement - coupling * (OFFSETS - offsets[:, None]) ** 2).argmax(1)]
        offsets = solve(certainty * best)
    return offsets.astype(np.float32)
