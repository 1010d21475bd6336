"""The fit's unknowns, and how far its points are from those in the pictures: residuals, weights, derivatives, energy.

Pixels here are those of a picture 512 wide, from the camera's principal point, with y upwards; so weights hold for any
size of picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from .points import GAP_TRUST, GAPS, PointModel
from .priors import ExpressionPrior

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.intp]

PICTURE = 512.0
"""Width of the picture in which distances are measured, pixels."""

NOISE = 2.0
"""Standard deviation of a landmark, pixels."""

OUTLIER = 3 * NOISE
"""Distance from which a landmark's pull grows no more (Huber), pixels."""

INDEPENDENCE = 0.15
"""Landmarks err together: this share of them counts as independent measurements."""

NEAREST = 0.05
"""Metres in front of the camera at which a point is taken for a failed step."""

POSE = 6
"""Unknowns of a frame before its expression: rotation increment (3), translation (3)."""


@dataclass(frozen=True)
class Unknowns:
    """Everything that is fitted.

    Attributes
    ----------
    identity : (I,)
    log_focal : float
        Logarithm of the focal length in pixels.
    rotation : (F, 3, 3)
        From the head model's space to the camera's.
    translation : (F, 3)
        Metres.
    expression : (F, E)
    """

    identity: Floats
    log_focal: float
    rotation: Floats
    translation: Floats
    expression: Floats

    def at(self, frames: Frames) -> Unknowns:
        """The same with some frames only."""
        return replace(
            self,
            rotation=self.rotation[frames],
            translation=self.translation[frames],
            expression=self.expression[frames],
        )

    def with_frames(self, frames: Frames | npt.NDArray[np.bool_], other: Unknowns) -> Unknowns:
        """The same with the per-frame unknowns of some frames taken from ``other``, which holds those frames alone."""
        rotation, translation, expression = self.rotation.copy(), self.translation.copy(), self.expression.copy()
        rotation[frames], translation[frames], expression[frames] = (
            other.rotation,
            other.translation,
            other.expression,
        )
        return replace(self, rotation=rotation, translation=translation, expression=expression)

    def moved(self, step: Floats, model: PointModel) -> Unknowns:
        """After a step (F, 6 + E) of every frame; turns are limited to 0.3 rad, expressions to their range."""
        turn = step[:, :3]
        angle = np.linalg.norm(turn, axis=1, keepdims=True)
        turn = turn * (0.3 / np.maximum(angle, 0.3))
        return replace(
            self,
            rotation=Rotation.from_rotvec(turn).as_matrix() @ self.rotation,
            translation=self.translation + step[:, 3:POSE],
            expression=(self.expression + step[:, POSE:]).clip(model.lowest, model.highest),
        )


@dataclass(frozen=True)
class Linearised:
    """Weighted least squares around the present unknowns; M measurements per frame.

    Attributes
    ----------
    residual : (F, M)
        Seen minus predicted: 468 points and 17 gaps, x and y of each.
    weight : (F, M)
    by_frame : (F, M, 6 + E)
        Derivatives of the prediction by each frame's own unknowns.
    by_shared : (F, M, I + 1)
        Derivatives by identity and log focal length; (F, M, 0) if they were not asked for.
    """

    residual: Floats
    weight: Floats
    by_frame: Floats
    by_shared: Floats


def project(model: PointModel, unknowns: Unknowns) -> tuple[Floats, Floats]:
    """Predicted pixels (F, 468, 2) and positions in camera space (F, 468, 3)."""
    points = model.points(unknowns.identity, unknowns.expression)
    seen = points @ unknowns.rotation.transpose(0, 2, 1) + unknowns.translation[:, None]
    return np.exp(unknowns.log_focal) * seen[..., :2] / -seen[..., 2:], seen


def visibility(model: PointModel, rotation: Floats, seen: Floats) -> Floats:
    """How far (F, 468) each point faces the camera: 1 when it does, little when it looks sideways or away."""
    normals = model.normals @ rotation.transpose(0, 2, 1)
    facing = -(normals * seen).sum(-1) / np.linalg.norm(seen, axis=-1)
    return ((facing + 0.15) / 0.45).clip(0.05, 1)


def linearise(model: PointModel, observed: Floats, unknowns: Unknowns, shared: bool) -> Linearised:
    """Residuals and derivatives of some frames.

    Parameters
    ----------
    model : PointModel
    observed : (F, 468, 2)
        Where the points are in the pictures.
    unknowns : Unknowns
    shared : bool
        Whether derivatives by identity and focal length are wanted.
    """
    predicted, seen = project(model, unknowns)
    focal, depth = np.exp(unknowns.log_focal), -seen[..., 2]
    by_position = np.zeros((*predicted.shape, 3))  # of u = f x / depth, v = f y / depth; depth falls as z grows
    by_position[..., 0, 0] = by_position[..., 1, 1] = focal / depth
    by_position[..., 2] = predicted / depth[..., None]
    around = seen - unknowns.translation[:, None]
    # A small left turn w moves a point p by w x p, so the derivative by w of a row g is p x g.
    by_turn = np.cross(around[..., None, :], by_position)
    by_model = by_position @ unknowns.rotation[:, None]
    by_expression = by_model @ model.expression_basis.transpose(1, 2, 0)
    by_frame = np.concatenate([by_turn, by_position, by_expression], -1)

    residual = observed - predicted
    facing = visibility(model, unknowns.rotation, seen)
    distance = np.linalg.norm(residual, axis=-1)
    certainty = INDEPENDENCE / NOISE**2
    weight = model.trust * facing * (OUTLIER / distance.clip(1e-9)).clip(max=1) * certainty
    upper, lower = GAPS.T
    gap_weight = GAP_TRUST * np.minimum(facing[:, upper], facing[:, lower]) * certainty

    def with_gaps(values: Floats) -> Floats:
        joined = np.concatenate([values, values[:, upper] - values[:, lower]], 1)
        return joined.reshape(len(joined), 2 * joined.shape[1], *joined.shape[3:])

    by_shared = np.zeros((*predicted.shape, 0))
    if shared:
        by_identity = by_model @ model.identity_basis.transpose(1, 2, 0)
        by_shared = np.concatenate([by_identity, predicted[..., None]], -1)
    return Linearised(
        residual=with_gaps(residual),
        weight=np.repeat(np.concatenate([weight, gap_weight], 1), 2, axis=1),
        by_frame=with_gaps(by_frame),
        by_shared=with_gaps(by_shared),
    )


def frame_energy(model: PointModel, prior: ExpressionPrior, observed: Floats, unknowns: Unknowns) -> Floats:
    """What each frame (F,) costs: robust distances, gaps, and the prior of its expression."""
    predicted, seen = project(model, unknowns)
    residual = observed - predicted
    distance = np.linalg.norm(residual, axis=-1)
    robust = np.where(distance < OUTLIER, 0.5 * distance**2, OUTLIER * distance - 0.5 * OUTLIER**2)
    facing = visibility(model, unknowns.rotation, seen)
    upper, lower = GAPS.T
    gaps = ((residual[:, upper] - residual[:, lower]) ** 2).sum(-1)
    certainty = INDEPENDENCE / NOISE**2
    cost = certainty * (model.trust * facing * robust).sum(1)
    cost += 0.5 * certainty * (GAP_TRUST * np.minimum(facing[:, upper], facing[:, lower]) * gaps).sum(1)
    expression = unknowns.expression
    cost += (0.5 * prior.ridge * (expression - prior.usual) ** 2 + prior.sparsity * expression).sum(1)
    return np.where((seen[..., 2] > -NEAREST).any(1), np.inf, cost)
