"""Lips and the bag of the mouth, as rings of the left half: from the skin round the mouth inwards to the throat."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .anatomy import head_distance
from .distance import Array, cast, gradient

CORNER = 8
"""Column of the corner; columns run 0 (upper lip, midline) .. 8 (corner) .. 16 (lower lip, midline)."""
COLUMNS = 2 * CORNER + 1
BORDER_RING, CREST_RING, SEAM_RING = 3, 4, 5
"""The lips' red border, their foremost line, and where upper and lower lip meet."""
RINGS = 12
HALF_WIDTH = 2.5
SEAM_HEIGHT = -3.95


def lip_rings() -> Array:
    """Positions (rings, 17, 3) of the left half of the mouth, closed."""
    upper = np.arange(COLUMNS) <= CORNER
    along = 1 - np.abs(np.arange(COLUMNS) - CORNER) / CORNER
    along = np.where(along < 1, 1 - along, 0)
    share = np.where(upper, np.arange(COLUMNS), 2 * CORNER - np.arange(COLUMNS)) / CORNER
    spread = 1 - (1 - share) ** 1.35
    fade = np.clip(1 - spread**2, 0, 1)

    seam = np.stack(
        [HALF_WIDTH * spread, SEAM_HEIGHT + _curve(spread, (0, 0.3, 0.65, 1), (-0.04, 0.03, 0.0, -0.06))], 1
    )
    upper_border = _curve(spread, (0, 0.2, 0.55, 1), (0.80, 0.92, 0.58, 0.02))
    lower_border = _curve(spread, (0, 0.25, 0.65, 1), (-0.95, -0.93, -0.68, -0.02))
    # The lower lip's outline is even across the midline, where the seam dips below the upper lip's middle.
    even = np.where(upper, seam[:, 1], SEAM_HEIGHT + _curve(spread, (0, 0.5, 1), (0.0, 0.0, -0.06)))
    across = HALF_WIDTH * spread
    border = np.stack([across + 0.08 * spread**2, even + np.where(upper, upper_border, lower_border)], 1)
    crest = np.stack([across + 0.04 * spread, even + np.where(upper, 0.42, -0.45) * fade**0.8], 1)
    angle = np.pi * (0.5 - np.arange(COLUMNS) / (COLUMNS - 1))
    outer = np.stack([3.7 * np.cos(angle), -4.1 + np.where(upper, 1.8, 1.75) * np.sin(angle)], 1)
    middle = [border * (1 - f) + outer * f for f in (0.62, 0.25)]

    lift = np.where(upper, 0.30, 0.36) * fade**0.8
    rings = [_on_face(outer, 0.0), _on_face(middle[0], 0.0), _on_face(middle[1], 0.02 * fade)]
    rings += [_on_face(border, 0.07 * fade + 0.01), _on_face(crest, lift), _on_face(seam, 0.02 * fade - 0.08)]
    apart = np.where(upper, 1.0, -1.0) * (share < 1)
    behind = rings[-1] * [0.96, 1, 1] + np.stack([0 * apart, 0.015 * apart, 0 * apart - 0.5], 1)
    rings.append(behind)
    # The bag: half width, half height, and depth at its middle and at its sides.
    bag = (
        (2.95, 1.55, 9.4, 7.2),
        (3.1, 2.2, 7.6, 6.0),
        (2.9, 2.2, 5.2, 4.4),
        (1.9, 1.4, 3.4, 3.2),
        (0.3, 0.3, 3.0, 3.0),
    )
    for width, height, front, side in bag:
        x = width * np.sin(share * np.pi / 2)
        y = SEAM_HEIGHT + np.where(upper, 1.0, -1.0) * height * np.cos(share * np.pi / 2) ** 0.7
        rings.append(np.stack([x, y, front + (side - front) * share**2], 1))
    return np.stack(rings)


def _curve(at: Array, knots: tuple[float, ...], values: tuple[float, ...]) -> Array:
    # Mirroring the knots makes the curve level where it crosses the midline.
    both = np.concatenate([-np.array(knots[:0:-1]), knots]), np.concatenate([values[:0:-1], values])
    return PchipInterpolator(*both)(at)


def _on_face(front: Array, lift: Array | float) -> Array:
    """Points (N, 3) on the skin behind front-view places (N, 2), then lifted along the skin's normal."""
    origins = np.concatenate([front, np.zeros((len(front), 1))], 1)
    points = cast(head_distance, origins, np.tile([0.0, 0.0, 1.0], (len(front), 1)), 4.0, 12.5)
    normals = gradient(head_distance, points, 0.15)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = points + normals * np.broadcast_to(lift, len(front))[:, None]
    points[np.abs(front[:, 0]) < 1e-9, 0] = 0.0
    return points
