"""The left ear: a relief over its outline, a closed shell whose root is sunk in the head."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from .anatomy import head_distance
from .distance import Array, cast
from .part import Part, fan_faces, grid_faces, simple_part

COLUMNS = 28
FRONT = (0.17, 0.34, 0.5, 0.63, 0.74, 0.84, 0.93, 0.985)
"""Rings of the front, as parts of the outline's radius."""
BACK = ((1.0, -0.22), (0.9, -0.5), (0.6, -0.72), (0.34, -1.6))
"""Rings of the back: part of the radius, and height over the ear's plane."""
OUTLINE = (
    (0, 1.75), (30, 2.2), (60, 2.85), (85, 3.15), (110, 2.85), (140, 1.9), (180, 1.4),
    (215, 1.5), (245, 2.3), (268, 2.95), (290, 2.75), (315, 2.1), (360, 1.75),
)  # fmt: skip
"""Degrees (0 backwards, 90 up, 180 forwards) and radius of the rim, cm."""
ATTACHMENT = (1.3, -0.1)
"""Height and depth of the ear's middle on the side of the head."""
FLARE, TILT = 20.0, 10.0
"""Degrees by which the ear stands off the head, and leans back."""


def ear() -> Part:
    """The left ear."""
    turn = np.arange(COLUMNS) * 360.0 / COLUMNS
    knots = np.array(OUTLINE)
    rim = 0.95 * CubicSpline(knots[:, 0], knots[:, 1], bc_type="periodic")(turn)
    radians = np.radians(turn)
    circle = np.stack([np.cos(radians), np.sin(radians)], -1)
    rings = []
    for fraction in FRONT:
        plane = circle * (rim * fraction)[:, None]
        rings.append(np.concatenate([plane, _relief(plane, np.full(COLUMNS, fraction), turn)[:, None]], 1))
    for fraction, height in BACK:
        plane = circle * (rim * fraction)[:, None]
        rings.append(np.concatenate([plane, np.full((COLUMNS, 1), height)], 1))
    middle = np.array([[0.0, 0.0, float(_relief(np.zeros((1, 2)), np.zeros(1), np.zeros(1))[0])]])
    root = np.array([[0.0, 0.0, -1.8]])
    points = _placed(np.concatenate([*rings, middle, root]))
    index = np.arange(len(rings) * COLUMNS).reshape(-1, COLUMNS)
    faces = np.concatenate(
        [
            grid_faces(index[::-1], closed=True),
            fan_faces(index[0], index.size),
            fan_faces(index[-1, ::-1], index.size + 1),
        ]
    )
    spread = (np.arange(len(rings)) + 1.0)[:, None, None] / (len(rings) + 1)
    flat = np.concatenate([(spread * circle).reshape(-1, 2), [[0, 0], [1, 0]]])
    return simple_part("ear", points, faces, flat)


def _relief(plane: Array, fraction: Array, turn: Array) -> Array:
    """Height (N,) of the ear's front over its plane: helix, groove, antihelix, concha, tragus, lobe."""
    x, y = plane.T
    round_helix = _window(turn, -62, 175, 25)
    helix = 0.42 * round_helix * np.exp(-(((fraction - 0.93) / 0.07) ** 2))
    groove = -0.16 * _window(turn, -45, 130, 25) * np.exp(-(((fraction - 0.79) / 0.08) ** 2))
    antihelix = 0.3 * _window(turn, -70, 95, 30) * np.exp(-(((fraction - 0.62) / 0.1) ** 2))
    concha = -0.55 * np.exp(-(((x + 0.35) / 0.75) ** 2) - ((y + 0.35) / 0.95) ** 2)
    tragus = 0.38 * np.exp(-(((x + 1.15) / 0.33) ** 2) - ((y + 0.45) / 0.45) ** 2)
    antitragus = 0.25 * np.exp(-(((x - 0.1) / 0.4) ** 2) - ((y + 1.5) / 0.3) ** 2)
    lobe = 0.12 * np.exp(-(((x + 0.1) / 0.6) ** 2) - ((y + 2.3) / 0.5) ** 2)
    crus = 0.14 * np.exp(-(((x + 0.85) / 0.6) ** 2) - ((y - 0.35) / 0.22) ** 2)
    return helix + groove + antihelix + concha + tragus + antitragus + lobe + crus


def _window(turn: Array, start: float, end: float, soft: float) -> Array:
    """One between two angles in degrees, zero outside, with soft ends."""
    middle, half = (start + end) / 2, (end - start) / 2
    away = np.abs((turn - middle + 180) % 360 - 180)
    return 1 / (1 + np.exp((away - half) / (soft / 4)))


def _placed(local: Array) -> Array:
    """From the ear's plane (backwards, up, outwards) to the left side of the head."""
    flare, tilt = np.radians([FLARE, TILT])
    back = np.array([np.sin(flare), 0.0, -np.cos(flare)])
    out = np.array([np.cos(flare), 0.0, np.sin(flare)])
    up = np.array([0.0, 1.0, 0.0])
    back, up = np.cos(tilt) * back - np.sin(tilt) * up, np.sin(tilt) * back + np.cos(tilt) * up
    place = np.array([[0.0, ATTACHMENT[0], ATTACHMENT[1]]])
    side = cast(head_distance, place, np.array([[1.0, 0.0, 0.0]]), 3.0, 10.0)[0]
    # The front edge sinks just under the skin.
    return side + 1.2 * back + 0.24 * out + local[:, :1] * back + local[:, 1:2] * up + local[:, 2:] * out
