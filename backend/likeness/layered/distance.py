"""Where the head, its hair and its shoulders are before anything is learned.

The head model knows the face exactly and hair not at all; mattes know the outline of everything but no depth. Both
become distance fields on a grid (negative inside, metres) and are joined: the matte hull, kept within a
region-dependent distance of the head and a slab for the torso, united with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter

from ..capture.model import Capture
from ..errors import LikenessError
from ..raster.mesh_query import signed_distance
from ..rig import JOINTS, skinning_transforms
from .canonical import CanonicalHead, brow_height
from .deformer import Deformer
from .frames import TrainingFrames, showing_somebody, spread
from .grid import Grid
from .hair_thickness import HAIR_THICKNESS, hair_thickness
from .matte_outlines import interpolated, posed_points, shown, signed_outline
from .torso_slab import THROAT_EDGE, THROAT_HALF_WIDTH, torso_slab

Array = npt.NDArray[np.float32]

_COARSE = 4
_BAND = 1.0

FACE_THICKNESS, FOREHEAD_THICKNESS, THROAT_THICKNESS = 0.0015, 0.025, 0.008
"""How far outside the head model the surface may lie at most, by region, metres.

What shells show of a face slides over it when the head turns farther than it was filmed, and the more the farther they
stand off. Nearer than this, though, coarse shells sink into the head mesh.
"""

FOREHEAD_HEIGHT = 0.035
"""Height above the brows at which the forehead's thickness is reached, metres."""

CHIN_DEPTH = 0.02
"""How far above the face's lowest point the underside of the jaw may lie, metres."""

AGREEMENT = 0.7
"""Share of the pictures in whose outline a point of the hull must lie."""

SWING = 0.008
"""How far outside any one outline it may lie, metres: hair swings."""


FILLET = 0.05
"""Up to what distance from both the corner between the head's surroundings and the torso is filled, metres.

Hair falls on shoulders in a slope. A step would lie hidden behind it in every picture, and come forth at a turn.
"""


@dataclass(frozen=True)
class HeadDistance:
    """The head's signed distance on a grid, negative inside, metres.

    Attributes
    ----------
    grid : Grid
    values : (X, Y, Z) float32
    nearest : (X', Y', Z') int32
        Nearest triangle at the nodes of ``coarse``.
    coarse : Grid
        A coarser grid over the same box.
    """

    grid: Grid
    values: Array
    nearest: npt.NDArray[np.int32]
    coarse: Grid


def head_distance(head: CanonicalHead, grid: Grid) -> HeadDistance:
    """Signed distance to the canonical head.

    Exact at nodes near the surface. Far from it the distance is nearly linear, so it is interpolated from a grid four
    times coarser, which takes a tenth of the time.
    """
    coarse = grid.with_cell(grid.cell * _COARSE)
    distances, nearest = _distances(head, coarse.points())
    rough = distances.reshape(coarse.shape)
    values = coarse.resampled(rough, grid)
    # Interpolation over a coarse cell errs by less than the cell's diagonal, so no node near the surface is missed.
    near = np.abs(values) < (_BAND + np.sqrt(3)) * coarse.cell
    near_nodes = np.flatnonzero(near.ravel())
    exact, _ = _distances(head, _nodes(grid, near_nodes))
    values.reshape(-1)[near_nodes] = exact
    return HeadDistance(grid, values, nearest.reshape(coarse.shape), coarse)


def _distances(head: CanonicalHead, points: Array) -> tuple[Array, npt.NDArray[np.int32]]:
    vertices, faces = torch.tensor(head.points), torch.tensor(head.model.faces)
    distance, face, _ = signed_distance(vertices, faces, torch.tensor(points))
    return distance.numpy(), face.numpy()


def _nodes(grid: Grid, indices: npt.NDArray[np.intp]) -> Array:
    positions = np.stack(np.unravel_index(indices, grid.shape), -1)
    return (grid.low + grid.cell * positions).astype(np.float32)


def canonical_box(
    frames: TrainingFrames, capture: Capture, head: CanonicalHead, margin: float, count: int = 12
) -> tuple[Array, Array]:
    """The part of canonical space that any training picture shows and that head, hair or shoulders can fill.

    Matte outlines are unprojected twice: at the depth of the head, following it, and at the depth of the neck's base,
    staying with the body. The box holds both, the head model itself, and ``margin`` on all sides.

    Returns
    -------
    low, high : (3,) float32
        Corners, metres.
    """
    low, high = head.points.min(0).astype(np.float64), head.points.max(0).astype(np.float64)
    reach_low, reach_high = low - HAIR_THICKNESS, high + HAIR_THICKNESS
    neck = JOINTS.index("neck")
    chin = head.joints[neck, 1]
    seen = []
    for index in spread(frames.training, count):
        camera = frames.cameras[index]
        rows, columns = np.nonzero(frames.film(index).matte.cpu().numpy() > 127)
        if not len(rows):
            continue
        directions = camera.ray_directions()[rows, columns]
        for joint, follows in (("root", False), ("neck", True)):
            transform = skinning_transforms(capture.pose(index), head.joints)[neck if follows else -1]
            anchor = transform[:, :3] @ head.joints[JOINTS.index(joint)] + transform[:, 3]
            depth = -camera.to_camera(anchor)[2]
            world = (directions * depth) @ camera.camera_to_world[:3, :3].T + camera.camera_to_world[:3, 3]
            local = (world - transform[:, 3]) @ transform[:, :3]
            kept = local[local[:, 1] > chin] if follows else local[local[:, 1] <= chin]
            if len(kept):
                seen.append(np.percentile(kept, (0.2, 99.8), axis=0))
    if seen:
        low[:2] = np.minimum(low, np.min([pair[0] for pair in seen], 0))[:2]
        high[:2] = np.maximum(high, np.max([pair[1] for pair in seen], 0))[:2]
        # What the head model has below the picture's edge, no picture shows.
        low[1] = max(low[1], min(pair[0][1] for pair in seen))
    high[1] = min(high[1], reach_high[1])
    low[2], high[2] = reach_low[2], reach_high[2]
    return (low - margin).astype(np.float32), (high + margin).astype(np.float32)


def matte_hull(
    frames: TrainingFrames, capture: Capture, head: CanonicalHead, deformer: Deformer, *, grid: Grid, count: int
) -> Array:
    """Signed distance to the common inside of matte outlines, unposed into canonical space.

    At each node, a high quantile of the 2-D signed distances of its projections, in metres at its depth, but not less
    than the largest minus :data:`SWING`. The largest itself would cut off hair that swings, for it leaves what all
    pictures agree on; a layer's opacity can take away later what is too much, but cannot add what is missing. A picture
    says nothing about nodes outside it; for nodes that no picture shows, outlines are taken to go on beyond the edge.

    Parameters
    ----------
    count : int
        Number of training frames used, at most, spread evenly; those whose matte shows nobody are left out.

    Returns
    -------
    (X, Y, Z) float32

    Raises
    ------
    LikenessError
        If none of their mattes shows anybody.
    """
    chosen = showing_somebody(frames, spread(frames.training, count))
    if not chosen:
        raise LikenessError(f"No matte of {capture.folder} that was looked at shows anybody; track the capture again.")
    nodes = grid.points()
    posed = posed_points(nodes, head, deformer)
    known = np.empty((len(chosen), len(nodes)), np.float32)
    continued = np.full(len(nodes), -np.inf, np.float32)
    for row, index in enumerate(chosen):
        camera = frames.cameras[index]
        columns, rows, depth = posed.seen(camera, capture.pose(index))
        pixels = interpolated(signed_outline(frames.film(index).matte.cpu().numpy()), columns, rows)
        metres = pixels * depth / camera.fx
        known[row] = np.where(shown(columns, rows, camera), metres, -np.inf)
        np.maximum(continued, metres, out=continued)
    # Unknown distances sort to the front, so the quantile of the known ones is counted from the end.
    known.sort(0)
    from_end = np.floor((1 - AGREEMENT) * np.isfinite(known).sum(0)).astype(np.intp)
    agreed = known[len(chosen) - 1 - np.minimum(from_end, len(chosen) - 1), np.arange(len(nodes))]
    hull = np.maximum(agreed, known[-1] - SWING)
    return np.where(np.isfinite(hull), hull, continued).reshape(grid.shape).astype(np.float32)


def surface_distance(
    head: CanonicalHead, distance: HeadDistance, hull: Array, hull_grid: Grid, viewpoints: Array
) -> Array:
    """The head, its hair and its shoulders: the matte hull where the head model or the torso allow it, and the head.

    Parameters
    ----------
    head : CanonicalHead
    distance : HeadDistance
    hull : (X, Y, Z) float32
        From :func:`matte_hull`.
    hull_grid : Grid
        Its grid.
    viewpoints : (N, 3) float32
        Where the hull was seen from, see :func:`likeness.layered.hair_thickness.head_viewpoints`.

    Returns
    -------
    (X, Y, Z) float32
        On ``distance.grid``; negative inside, metres, smoothed by about a cell.
    """
    grid = distance.grid
    thickness = _thickness(head, hair_thickness(head, hull, hull_grid, viewpoints))
    blurred = gaussian_filter(thickness[distance.nearest], 0.0066 / distance.coarse.cell)
    allowed = distance.values - distance.coarse.resampled(blurred, grid)
    hull = hull_grid.resampled(hull, grid)
    allowed = joined(allowed, torso_slab(head, hull, grid), FILLET * _behind(head, grid))
    head_values = gaussian_filter(distance.values, 0.6)
    return gaussian_filter(np.minimum(head_values, np.maximum(hull, allowed)), 0.8).astype(np.float32)


def joined(first: Array, second: Array, fillet: Array | np.float32) -> Array:
    """Distance to two bodies and what fills the corner between them: the quadratic smooth minimum.

    Parameters
    ----------
    first, second : array of float32
        Distances to each, negative inside, metres.
    fillet : float32, or an array that fits
        Nothing is filled where one is nearer than the other by so much, metres.
    """
    near = np.maximum(fillet - np.abs(first - second), 0)
    return np.minimum(first, second) - near * near / (4 * np.maximum(fillet, np.finfo(np.float32).tiny))


def _behind(head: CanonicalHead, grid: Grid) -> Array:
    """How much (Z,), 0..1, planes of the grid's nodes lie behind the neck; below a chin there is air."""
    z = grid.low[2] + grid.cell * np.arange(grid.shape[2], dtype=np.float32)
    return np.clip((head.joints[JOINTS.index("neck"), 2] - z) / (2 * THROAT_EDGE) + 0.5, 0, 1)


def _thickness(head: CanonicalHead, hair: Array) -> Array:
    """How far (F,) beyond each triangle of the head hair or clothes may reach, metres; ``hair`` (F,) is a limit."""
    regions, centres = head.model.regions, head.points[head.model.faces].mean(1)
    brow = brow_height(head)
    values = hair.copy()
    front = regions["face"] | regions["mouth"] | regions["teeth"] | regions["eyes"]
    beneath = centres[:, 1] < centres[regions["face"], 1].min() + CHIN_DEPTH
    in_front = (np.abs(centres[:, 0]) < THROAT_HALF_WIDTH) & (centres[:, 2] > head.joints[JOINTS.index("neck"), 2])
    throat = in_front & (regions["neck"] | beneath)
    values[throat] = np.minimum(hair[throat], THROAT_THICKNESS)
    rise = np.clip((centres[front, 1] - brow) / FOREHEAD_HEIGHT, 0, 1)
    upwards = np.minimum(hair[front], FOREHEAD_THICKNESS)
    values[front] = FACE_THICKNESS + rise * np.maximum(upwards - FACE_THICKNESS, 0)
    return values
