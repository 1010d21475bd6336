"""How thick hair is, also where no picture shows its outline.

A matte tells how far hair reaches where a line of sight touches it, beside and above the head, and nothing of how far
it reaches towards the camera or behind: there the matte hull goes on until something else stops it. Hair of one person
is much the same all round, so what is known beside and above is carried to the back and to the forehead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import KDTree

from ..capture.model import Capture
from ..raster.mesh_query import intersect_rays
from ..raster.vertex_normals import vertex_normals
from ..rig import JOINTS, skinning_transforms
from .canonical import CanonicalHead, brow_height
from .frames import TrainingFrames
from .grid import Grid

Array = npt.NDArray[np.float32]

HAIR_THICKNESS = 0.045
"""How far outside the head model hair may reach at most, metres."""

TOUCHED, UNTOUCHED = 0.12, 0.27
"""Cosines between a line of sight and the head's normal: up to the first it is taken to touch the outline there (a ball
of 10 cm is then overrated by 1 mm), beyond the second it says nothing."""

CLEARANCE = 0.004
"""How far outside the head model a line of sight passes that shall tell of the hair there, metres."""

_STEP = 0.0015
_NEIGHBOURS = 256
_NEARNESS = 0.004


def head_viewpoints(frames: TrainingFrames, capture: Capture, head: CanonicalHead, indices: list[int]) -> Array:
    """Where the camera is as the head sees it: positions (N, 3) in canonical space, of some frames."""
    neck = JOINTS.index("neck")
    viewpoints = []
    for index in indices:
        posed = skinning_transforms(capture.pose(index), head.joints)[neck]
        rest = posed[:, :3].T @ (frames.cameras[index].camera_to_world[:3, 3] - posed[:, 3])
        viewpoints.append(head.transforms[neck, :, :3] @ rest + head.transforms[neck, :, 3])
    return np.array(viewpoints, np.float32).reshape(-1, 3)


def hair_thickness(head: CanonicalHead, hull: Array, grid: Grid, viewpoints: Array) -> Array:
    """How far outside each triangle of the head hair may reach.

    Parameters
    ----------
    head : CanonicalHead
    hull : (X, Y, Z) float32
        Signed distance to the matte hull, metres.
    grid : Grid
        Its grid.
    viewpoints : (N, 3) float32
        Camera positions, see :func:`head_viewpoints`.

    Returns
    -------
    (F,) float32
        Metres: :data:`HAIR_THICKNESS` where outlines limit it themselves, and elsewhere what they tell nearby.
    """
    regions, faces = head.model.regions, head.model.faces
    skin = np.unique(faces[regions["skin"]])
    points = head.points[skin].astype(np.float64)
    normals = vertex_normals(torch.tensor(head.points), torch.tensor(faces)).numpy()[skin]
    cosines = _squarest_touch(head, points, normals, viewpoints)
    # A bare face says nothing about hair, and between brows and chin ears stand out.
    face = np.unique(faces[regions["face"]])
    beside_the_face = (points[:, 1] > head.points[face, 1].min()) & (points[:, 1] < brow_height(head))
    known = (cosines < TOUCHED) & ~np.isin(skin, face) & ~beside_the_face
    thickness = np.full(len(head.points), HAIR_THICKNESS)
    if known.any():
        reach = _reach(points[known], normals[known], hull, grid)
        count = min(_NEIGHBOURS, len(reach))
        distances, nearest = (np.reshape(part, (-1, count)) for part in KDTree(points[known]).query(points, count))
        shares = 1 / (distances + _NEARNESS) ** 3
        carried = (shares * reach[nearest]).sum(1) / shares.sum(1)
        unseen = np.clip((cosines - TOUCHED) / (UNTOUCHED - TOUCHED), 0, 1)
        thickness[skin] += unseen * unseen * (3 - 2 * unseen) * (carried - HAIR_THICKNESS)
    return thickness[faces].mean(1).astype(np.float32)


def _squarest_touch(
    head: CanonicalHead, points: npt.NDArray[np.float64], normals: Array, viewpoints: Array
) -> npt.NDArray[np.float64]:
    """Smallest cosine (N,) between a line of sight and a point's normal; 1 where there is none.

    A line that meets the head elsewhere, as those do that pass an ear on their way to the hair behind it, shows that
    other place's outline.
    """
    sight = viewpoints[:, None] - points
    cosines = np.abs((sight * normals).sum(-1)) / np.linalg.norm(sight, axis=-1)
    seen_from, touched = np.nonzero(cosines < UNTOUCHED)
    origins = points[touched] + CLEARANCE * normals[touched]
    lines = sight[seen_from, touched]
    # To the camera and away from it.
    rays = (torch.tensor(np.concatenate(ends), dtype=torch.float32) for ends in ((origins, origins), (lines, -lines)))
    _, hit, _ = intersect_rays(torch.tensor(head.points), torch.tensor(head.model.faces), *rays)
    free = (hit.numpy().reshape(2, -1) < 0).all(0)
    smallest = np.ones(len(points))
    np.minimum.at(smallest, touched[free], cosines[seen_from, touched][free])
    return smallest


def _reach(points: npt.NDArray[np.float64], normals: Array, hull: Array, grid: Grid) -> npt.NDArray[np.float64]:
    """How far (N,) the hull reaches from points along their normals, metres."""
    steps = np.arange(0, HAIR_THICKNESS + 1e-6, _STEP)
    along = points + steps[:, None, None] * normals
    outside = grid.sample(hull, along.reshape(-1, 3)).reshape(len(steps), -1) > 0
    return np.where(outside.any(0), steps[outside.argmax(0)], HAIR_THICKNESS)
