"""Eyelids as rings round the left eye, and the eyeball."""

from __future__ import annotations

import numpy as np

from .anatomy import EYE_CENTRE, EYE_RADIUS, IRIS_ANGLE, LID_RADIUS, head_distance
from .distance import Array, cast
from .part import Part, fan_faces, grid_faces, simple_part

COLUMNS = 32
"""Points of a ring: 0 is the outer corner, 1..15 the upper lid, 16 the inner corner, 17..31 the lower lid."""
FRACTIONS = (0.0, 0.38, 0.56, 0.75, 0.9)
"""Where the rings of lid skin lie between the orbit's rim and the lid's edge."""
CREASE_RING, CREASE_DEPTH = 2, 0.14
"""The ring of the fold in the upper lid, and its depth in cm."""
EDGE_RING = len(FRACTIONS)
"""The ring of the lids' front edge, where lashes grow; the next one is the rear edge, on the ball."""
RINGS = EDGE_RING + 4
REST_GAP = 0.06
"""Distance of the lids' rear edge from the ball, cm."""
CORNERS = (70.0, -60.0)
"""Longitude of the outer and inner corner, degrees from straight ahead towards the ear."""
OUTER_LATITUDE, INNER_LATITUDE = 4.0, -7.0
"""Latitude of the corners, degrees: the outer one is a little higher."""
CLOSED_LATITUDE = -9.0
"""By how much the line where closed lids meet sags below its corners, degrees."""


def on_ball(longitude: Array, latitude: Array, radius: Array | float) -> Array:
    """Points (N, 3) round the left eye from degrees; the poles lie to its sides, so that lids turn in latitude."""
    a, g = np.radians(longitude), np.radians(latitude)
    offset = np.stack([np.sin(a), np.cos(a) * np.sin(g), np.cos(a) * np.cos(g)], -1)
    return EYE_CENTRE + offset * np.asarray(radius)[..., None]


def edge_longitude() -> Array:
    """Longitudes (32,) of the lids' edge; upper and lower lid share them, so that closed lids meet point to point."""
    along = np.linspace(0, 1, COLUMNS // 2 + 1)
    half = CORNERS[0] + (CORNERS[1] - CORNERS[0]) * (along - 0.05 * np.sin(2 * np.pi * along))
    return np.concatenate([half, half[-2:0:-1]])


def edge_latitude() -> Array:
    """Latitudes (32,) of the open lids' edge, degrees."""
    outer, inner = OUTER_LATITUDE, INNER_LATITUDE
    along = (CORNERS[0] - edge_longitude()) / (CORNERS[0] - CORNERS[1])
    corner_line = outer + (inner - outer) * along
    upper = 21.0 * np.sin(np.pi * along**0.95) ** 0.75
    lower = -21.0 * np.sin(np.pi * along**0.85) ** 0.85
    return corner_line + np.where(np.arange(COLUMNS) <= COLUMNS // 2, upper, lower)


def closed_latitude() -> Array:
    """Latitudes (32,) of the closed lids' edge: the corners stay, the line between them sags."""
    along = (CORNERS[0] - edge_longitude()) / (CORNERS[0] - CORNERS[1])
    return OUTER_LATITUDE + (INNER_LATITUDE - OUTER_LATITUDE) * along + CLOSED_LATITUDE * np.sin(np.pi * along) ** 0.8


def lid_rings() -> Array:
    """Positions (rings, 32, 3) of the left eye's lids, from the orbit's rim over the edge to behind the lid."""
    longitude, latitude = edge_longitude(), edge_latitude()
    upper = np.sin(2 * np.pi * np.arange(COLUMNS) / COLUMNS) > 0.01
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    front = np.stack([3.2 + 2.25 * np.cos(angle), 3.05 + np.where(upper, 1.6, 1.75) * np.sin(angle)], 1)
    rim = _from_front(front)
    edge = on_ball(longitude, latitude, LID_RADIUS)
    edge_skin = _from_front(edge[:, :2])
    rings = [rim]
    for fraction in FRACTIONS[1:]:
        ring = _from_front(rim[:, :2] * (1 - fraction) + edge[:, :2] * fraction)
        # At the inner corner the edge lies deeper than the skin around it.
        ring[:, 2] += np.clip(edge - edge_skin, -1, 0.2)[:, 2] * fraction**3
        if len(rings) == CREASE_RING:
            ring[:, 2] -= np.where(upper, CREASE_DEPTH, 0.0) * np.abs(np.sin(angle)) ** 0.5
        rings.append(ring)
    away = np.where(upper, 1.0, -1.0) * np.sin(np.pi * (np.arange(COLUMNS) % 16) / 16) ** 0.5
    rings.append(edge)
    rings.append(on_ball(longitude, latitude - 1.5 * away, EYE_RADIUS + REST_GAP))
    rings.append(on_ball(longitude, latitude + 12 * away, EYE_RADIUS + REST_GAP))
    rings.append(on_ball(longitude * 1.1, latitude + 30 * away, EYE_RADIUS + REST_GAP))
    return np.stack(rings)


def _from_front(front: Array) -> Array:
    """Points (N, 3) of the skin at front-view places (N, 2)."""
    origins = np.concatenate([front, np.zeros((len(front), 1))], 1)
    return cast(head_distance, origins, np.tile([0.0, 0.0, 1.0], (len(front), 1)), 2.0, 12.0)


def eyeball() -> Part:
    """The left eyeball, its pole in the pupil, rings closest where iris and pupil end."""
    columns = 20
    angles = np.radians([9, 17, IRIS_ANGLE, 32, 42, 55, 72, 95, 125, 155])
    turn = 2 * np.pi * np.arange(columns) / columns
    sine = np.sin(angles)[:, None]
    ring = np.stack([sine * np.cos(turn), sine * np.sin(turn), np.cos(angles)[:, None] + 0 * turn], -1)
    points = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]]) * EYE_RADIUS + EYE_CENTRE
    index = np.arange(len(angles) * columns).reshape(len(angles), columns)
    faces = np.concatenate(
        [
            grid_faces(index[::-1], closed=True),
            fan_faces(index[0], index.size),
            fan_faces(index[-1, ::-1], index.size + 1),
        ]
    )
    # The chart is the ball seen from the front, rolled out; its back pole is spread round the rim.
    radius = angles[:, None] / np.pi
    flat = np.concatenate(
        [np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1).reshape(-1, 2), [[0, 0], [1.0, 0]]]
    )
    return simple_part("eye", points, faces, flat)
