"""Where MediaPipe's points lie on one person's skin: the head model's usual places, moved by what a clip shows.

A detector's points are not the same pores on every face: brows sit higher, noses are wider, and the outline is guessed.
What identity cannot explain and what stays the same in all frames would otherwise be taken for an expression that
never goes away. So each point may move over the skin, once for the whole clip. Nothing else of the head changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from ...head.model import HeadModel
from .points import COUNT, EYES, INNER_LIPS, PointModel, point_model
from .priors import expression_prior
from .residuals import INDEPENDENCE, NOISE, OUTLIER, Frames, Unknowns, project, visibility
from .solver import KEY_FRAMES, first_poses, key_frames, solve_frames, solve_key_frames

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

STIFFNESS = (6.0, 3.0, 1.0, 1.0)
"""Factors of the expressions' penalties in successive rounds: at first points move rather than a face is pulled."""

DEVIATION = 0.002
"""Standard deviation of a point's place on the skin over people, metres."""

FARTHEST = 0.006
"""Farthest that a point moves in one round, metres."""

STAYING = np.array(sorted({*EYES, *INNER_LIPS} - {33, 133, 263, 362}))
"""Points that stay where they are: a point that leaves the edge of a lid or a lip cannot show whether it is closed.

The corners of the eyes may move.
"""

_ITERATIONS = 8
_AGREEMENT = 0.3  # cosine between the normals of a point's old and new place
_SPREAD = 64  # frames, evenly over the clip, that places are taken from
_CANDIDATES = 24  # triangles nearest by their centres, among which the nearest point of the skin is sought


def personal_head(
    head: HeadModel,
    observed: Floats,
    focal: float,
    training: Frames,
    progress: Callable[[int, int], None] | None = None,
) -> HeadModel:
    """The head model with MediaPipe's points where this person has them.

    Parameters
    ----------
    head : HeadModel
    observed : (F, 468, 2)
        Pixels of a picture 512 wide, from the camera's principal point, y upwards.
    focal : float
        Expected focal length, the same pixels.
    training : (T,) int
        Frames that may be looked at.
    progress : callable, optional
        Told what is done and its total.

    Returns
    -------
    HeadModel
        Differing in ``landmark_triangles`` and ``landmark_barycentrics`` only.
    """
    keys = key_frames(observed, KEY_FRAMES, training)
    seen = observed[keys]
    spread = training[np.linspace(0, len(training) - 1, min(_SPREAD, len(training))).round().astype(np.intp)]
    for done, stiffness in enumerate(STIFFNESS):
        model = point_model(head)
        prior = expression_prior(model.expression_names, model.lowest).stiffened(stiffness)
        neutral = np.zeros(len(model.expression_names)).clip(model.lowest, model.highest)
        start = first_poses(model, seen, np.zeros(len(model.identity_basis)), neutral, float(np.log(focal)))
        fitted = solve_key_frames(model, prior, seen, start, iterations=_ITERATIONS)
        # Key frames are the extremes; what is constant shows in all kinds of frames.
        start = first_poses(model, observed[spread], fitted.identity, fitted.expression.mean(0), fitted.log_focal)
        fitted = solve_frames(model, prior, observed[spread], start, iterations=_ITERATIONS // 2)
        places = model.template + constant_offsets(model, observed[spread], fitted)
        head = with_points_at(head, places, model.normals, np.setdiff1d(np.arange(COUNT), STAYING))
        if progress:
            progress(done + 1, len(STIFFNESS))
    return head


def constant_offsets(model: PointModel, observed: Floats, unknowns: Unknowns) -> Floats:
    """How far (468, 3) each point lies from its place in all frames alike: metres, within the skin's tangent plane.

    Regularised least squares: a displacement d of the head moves a pixel by f / depth times the first two rows of R d.
    """
    predicted, seen = project(model, unknowns)
    residual = observed - predicted
    distance = np.linalg.norm(residual, axis=-1)
    certainty = INDEPENDENCE / NOISE**2
    weight = visibility(model, unknowns.rotation, seen) * (OUTLIER / distance.clip(1e-9)).clip(max=1) * certainty
    pixels_per_metre = np.exp(unknowns.log_focal) / -seen[..., 2]
    slopes = pixels_per_metre[..., None, None] * np.einsum(
        "fij,njk->fnik", unknowns.rotation[:, :2], _tangents(model.normals)
    )
    hessian = np.einsum("fn,fnik,fnil->nkl", weight, slopes, slopes) + DEVIATION**-2 * np.eye(2)
    right = np.einsum("fn,fnik,fni->nk", weight, slopes, residual)
    within = np.linalg.solve(hessian, right[..., None])
    offset = (_tangents(model.normals) @ within)[..., 0]
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return offset * (FARTHEST / length.clip(FARTHEST))


def with_points_at(head: HeadModel, places: Floats, normals: Floats, moving: npt.NDArray[np.intp]) -> HeadModel:
    """The head model with some of MediaPipe's points moved to the nearest skin that faces as they do.

    Parameters
    ----------
    head : HeadModel
    places : (468, 3)
        Metres; only those that move are looked at.
    normals : (468, 3)
        Unit normals at the points: the nearest skin might be that of the other lip, or of the nostril's inside.
    moving : (M,) int
        Points that move.
    """
    faces = head.faces[head.regions["skin"]]
    corners = head.template[faces].astype(np.float64)
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing /= np.linalg.norm(facing, axis=1, keepdims=True).clip(1e-18)
    wanted = places[moving]
    candidates = np.asarray(KDTree(corners.mean(1)).query(wanted, k=min(_CANDIDATES, len(faces)))[1])
    weights = nearest_barycentrics(corners[candidates], wanted[:, None])
    distance = np.linalg.norm((weights[..., None] * corners[candidates]).sum(-2) - wanted[:, None], axis=-1)
    agreement = np.einsum("mkc,mc->mk", facing[candidates], normals[moving])
    distance = np.where(agreement > _AGREEMENT, distance, distance + FARTHEST)
    best = distance.argmin(1)
    rows = np.arange(len(moving))
    triangles, barycentrics = head.landmark_triangles.copy(), head.landmark_barycentrics.copy()
    triangles[moving] = faces[candidates[rows, best]]
    barycentrics[moving] = weights[rows, best]
    return replace(head, landmark_triangles=triangles, landmark_barycentrics=barycentrics)


def nearest_barycentrics(triangles: Floats, points: Floats) -> Floats:
    """Barycentric weights (..., 3) of the point of each triangle (..., 3, 3) that is nearest to a point (..., 3)."""
    shape = triangles.shape[:-2]
    points = np.broadcast_to(points, (*shape, 3))
    found = np.zeros((4, *shape, 3))
    for edge, (start, end) in enumerate(((0, 1), (1, 2), (2, 0))):
        along = triangles[..., end, :] - triangles[..., start, :]
        share = ((points - triangles[..., start, :]) * along).sum(-1) / (along**2).sum(-1).clip(1e-18)
        found[edge, ..., end] = share.clip(0, 1)
        found[edge, ..., start] = 1 - share.clip(0, 1)
    first, second = (triangles[..., i, :] - triangles[..., 0, :] for i in (1, 2))
    towards = points - triangles[..., 0, :]
    normal = np.cross(first, second)
    area = (normal**2).sum(-1).clip(1e-30)
    inner = np.stack(
        [(np.cross(towards, second) * normal).sum(-1) / area, (np.cross(first, towards) * normal).sum(-1) / area], -1
    )
    found[3] = np.concatenate([1 - inner.sum(-1, keepdims=True), inner], -1)
    distance = np.linalg.norm((found[..., None] * triangles).sum(-2) - points, axis=-1)
    distance[3] = np.where((found[3] >= 0).all(-1), distance[3], np.inf)
    best = distance.argmin(0)
    return np.take_along_axis(found, best[None, ..., None], 0)[0]


def _tangents(normals: Floats) -> Floats:
    """Two orthonormal directions (N, 3, 2) in the plane of each normal (N, 3)."""
    other = np.where(np.abs(normals[:, 1:2]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    first = np.cross(normals, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True).clip(1e-12)
    return np.stack([first, np.cross(normals, first)], -1)
