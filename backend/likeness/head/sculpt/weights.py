"""What moves with the jaw and with the neck, and where the joints are."""

from __future__ import annotations

import numpy as np

from . import mouth
from .anatomy import EYE_CENTRE, JAW_CENTRE
from .body import Body
from .distance import Array

JOINT_PLACES = np.stack(
    [np.array([0.0, -15.0, -2.3]), np.array([0.0, -9.5, -1.9]), JAW_CENTRE, EYE_CENTRE, EYE_CENTRE * [-1, 1, 1]]
)
"""Rest positions (5, 3) of the joints, centimetres."""
JAW_ANGLE = 21.0
"""Degrees by which the jaw turns in ``jawOpen``; the incisors part by about 3.5 cm."""
CORNER_SHARE = 0.42
"""How much of the jaw's motion the corners of the mouth follow."""


def smoothstep(value: Array, start: float, end: float) -> Array:
    """Zero before ``start``, one after ``end``, level at both."""
    at = np.clip((value - start) / (end - start), 0, 1)
    return at * at * (3 - 2 * at)


def lower_lip_share(body: Body) -> Array:
    """For points of the mouth's patch: 0 on the upper lip, 1 on the lower, sloping over three columns at the corner."""
    return smoothstep(body.column.astype(float), mouth.CORNER - 3.5, mouth.CORNER + 3.5)


def jaw_weights(body: Body) -> Array:
    """How much (V,) each vertex follows the jaw."""
    points = body.points
    reach = points[:, 1:] - JAW_CENTRE[1:]
    angle = np.degrees(np.arctan2(reach[:, 0], np.maximum(reach[:, 1], 0.3)))
    distance = np.linalg.norm(reach, axis=1)
    # Skin is drawn along over a wide band near the cheek, over a narrow one at the mouth.
    below = smoothstep(-angle, 15.0, 40.0)
    forward = smoothstep(points[:, 2], 0.0, 4.5) * smoothstep(distance, 1.0, 4.0)
    throat = smoothstep(points[:, 1] + 0.35 * np.maximum(points[:, 2] - 4, 0), -12.0, -8.0)
    weight = below * forward * throat
    weight = _smoothed(body, weight, 3) * smoothstep(points[:, 1], -13.0, -11.0)
    ring = body.rows("lip")
    column = body.column.astype(float)
    lower = smoothstep(column, mouth.CORNER, mouth.COLUMNS - 4.0) * (1 - CORNER_SHARE) + CORNER_SHARE
    upper = CORNER_SHARE * smoothstep(column, mouth.CORNER - 5.0, mouth.CORNER)
    lips = np.where(column >= mouth.CORNER, lower, upper)
    depth = np.interp(ring, (6, 7, 8, 9, 10, 11), (1, 1, 1, 0.9, 0.6, 0.3))
    own = np.interp(ring, (0, 1, 2, 3), (0.0, 0.35, 0.75, 1.0))
    weight = np.where(ring >= 0, weight * (1 - own) + lips * depth * own, weight)
    root = smoothstep(points[:, 2], 3.0, 6.0)
    weight = np.where(body.of("tongue"), 0.6 + 0.4 * root, weight)
    weight = np.where(body.of("lower teeth", "lower gums"), 1.0, weight)
    return np.where(body.of("skin", "tongue", "lower teeth", "lower gums"), weight, 0.0)


def skin_weights(body: Body) -> Array:
    """Linear blend skinning weights (V, 5)."""
    height = body.points[:, 1] + 0.25 * body.points[:, 2]
    head = np.where(body.of("skin"), smoothstep(height, -15.5, -8.5), 1.0)
    jaw = np.minimum(jaw_weights(body), head)
    weights = np.zeros((len(body.points), 5))
    weights[:, 0] = 1 - head
    weights[:, 1] = head - jaw
    weights[:, 2] = jaw
    for joint, name in ((3, "eye_l"), (4, "eye_r")):
        weights[body.of(name)] = np.eye(5)[joint]
    return weights


def joint_regressor(body: Body) -> Array:
    """Affine weights (5, V) that give the joints: the shortest ones on rings of skin, and on the eyeballs."""
    points, skin = body.points, body.of("skin") & (body.patch == "")
    reach = np.linalg.norm(points[:, 1:] - JAW_CENTRE[1:], axis=1)
    groups = (
        skin & (np.abs(points[:, 1] - JOINT_PLACES[0, 1]) < 1.3) & (np.abs(points[:, 0]) < 9),
        skin & (np.abs(points[:, 1] - JOINT_PLACES[1, 1]) < 1.3) & (points[:, 2] < 5),
        skin & (reach < 1.6) & (np.abs(points[:, 0]) > 5),
        body.of("eye_l"),
        body.of("eye_r"),
    )
    regressor = np.zeros((5, len(points)))
    for row, group, place in zip(regressor, groups, JOINT_PLACES, strict=True):
        chosen = np.flatnonzero(group)
        # Deviations from even weights are the shortest that move the mean onto the joint and add up to nothing.
        system = np.concatenate([points[chosen].T, np.ones((1, len(chosen)))])
        even = np.full(len(chosen), 1 / len(chosen))
        row[chosen] = even + np.linalg.lstsq(system, np.append(place, 1.0) - system @ even, rcond=None)[0]
    return regressor


def _smoothed(body: Body, values: Array, rounds: int) -> Array:
    """Values averaged with their neighbours along the surface, a few times over."""
    faces = body.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = np.bincount(edges[:, 0], minlength=len(values))
    for _ in range(rounds):
        mean = np.bincount(edges[:, 0], values[edges[:, 1]], len(values)) / count
        values = 0.5 * values + 0.5 * mean
    return values
