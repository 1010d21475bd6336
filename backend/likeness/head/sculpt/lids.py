"""Motions of the lids: turns about the eye's centre, so that they slide over the ball."""

from __future__ import annotations

import numpy as np

from . import eyes
from .anatomy import EYE_CENTRE, EYE_RADIUS, LID_RADIUS
from .body import Body
from .distance import Array

RING_SHARE = (0.0, 0.10, 0.36, 0.66, 0.90, 1.0, 1.0, 0.97, 0.9)
"""How much of the edge's turn each ring follows, from the orbit's rim to behind the lid."""


def lid_turn(body: Body, upper: float, lower: float, extra: float = 0.0) -> Array:
    """Displacements (V, 3) of the left lids.

    Parameters
    ----------
    upper, lower : float
        How far each lid goes, 1 to where they meet, negative to open wider.
    extra : float
        Room added under the moved lids, cm.
    """
    ring, column = body.rows("lid"), body.column
    chosen = np.flatnonzero((ring >= 0) & (body.points[:, 0] > 0))
    ring, column = ring[chosen], column[chosen]
    turn = (eyes.closed_latitude() - eyes.edge_latitude())[column]
    turn = turn * np.where(column <= eyes.COLUMNS // 2, upper, lower) * np.array(RING_SHARE)[ring]
    rest = body.points[chosen] - EYE_CENTRE
    angle = np.radians(turn)
    # Rising latitude turns +Z towards +Y.
    moved = rest.copy()
    moved[:, 1] = rest[:, 1] * np.cos(angle) + rest[:, 2] * np.sin(angle)
    moved[:, 2] = rest[:, 2] * np.cos(angle) - rest[:, 1] * np.sin(angle)
    length = np.linalg.norm(moved, axis=1)
    behind = ring > eyes.EDGE_RING
    least = np.where(behind, EYE_RADIUS + eyes.REST_GAP + extra, LID_RADIUS + extra) * (ring >= 3)
    moved *= np.maximum(1.0, least / length)[:, None]
    displacement = np.zeros_like(body.points)
    displacement[chosen] = moved - rest
    return displacement


def blink(body: Body) -> Array:
    """Displacements (V, 3) that close the left eye: both edges land on the same curve, point for point."""
    displacement = lid_turn(body, 1.0, 1.0, 0.02)
    ring = body.rows("lid")
    for edge, radius in ((eyes.EDGE_RING, LID_RADIUS + 0.02), (eyes.EDGE_RING + 1, EYE_RADIUS + eyes.REST_GAP + 0.02)):
        chosen = np.flatnonzero((ring == edge) & (body.points[:, 0] > 0))
        column = body.column[chosen]
        closed = eyes.on_ball(eyes.edge_longitude(), eyes.closed_latitude(), radius)[column]
        corner = column % (eyes.COLUMNS // 2) == 0
        displacement[chosen] = np.where(corner[:, None], 0.0, closed - body.points[chosen])
    return displacement


def sideways(body: Body, degrees: float) -> Array:
    """Displacements (V, 3) of the left lids that follow a glance towards the ear (positive) or the nose."""
    ring = body.rows("lid")
    chosen = np.flatnonzero((ring >= 0) & (body.points[:, 0] > 0))
    column, ring = body.column[chosen], ring[chosen]
    middle = np.sin(np.pi * (column % 16) / 16)
    angle = np.radians(degrees) * middle * np.array(RING_SHARE)[ring]
    rest = body.points[chosen] - EYE_CENTRE
    moved = rest.copy()
    moved[:, 0] = rest[:, 0] * np.cos(angle) + rest[:, 2] * np.sin(angle)
    moved[:, 2] = rest[:, 2] * np.cos(angle) - rest[:, 0] * np.sin(angle)
    displacement = np.zeros_like(body.points)
    displacement[chosen] = moved - rest
    return displacement
