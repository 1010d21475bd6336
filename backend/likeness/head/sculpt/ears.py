"""The left ear: a relief over its outline, a closed shell whose root is sunk in the head."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

from .anatomy import head_distance
from .distance import Array, cast
from .part import Part, fan_faces, grid_faces, simple_part

COLUMNS = 32
FRONT = (0.14, 0.28, 0.41, 0.53, 0.63, 0.72, 0.8, 0.88, 0.95, 0.995)
"""Rings of the front, as parts of the outline's radius: closest at the rim, where helix and groove lie."""
BACK = ((1.0, -0.22), (0.9, -0.5), (0.6, -0.72), (0.34, -1.6))
"""Rings of the back: part of the radius, and height over the ear's plane."""
OUTLINE = (
    (0, 1.95), (30, 2.4), (60, 2.85), (85, 3.05), (110, 2.7), (140, 1.9), (180, 1.4), (215, 1.5), (242, 2.1),
    (262, 2.85), (278, 2.8), (298, 2.3), (320, 1.95), (340, 1.85), (360, 1.95),
)  # fmt: skip
"""Degrees (0 backwards, 90 up, 180 forwards) and radius of the rim, cm: widest at the top, tapering to the lobe."""
ATTACHMENT = (1.3, -0.1)
"""Height and depth of the ear's middle on the side of the head."""
FLARE, TILT = 22.0, 10.0
"""Degrees by which the ear stands off the head, and leans back."""

ANTIHELIX = ((0.35, -1.4), (0.72, -0.8), (0.82, -0.1), (0.7, 0.5), (0.42, 1.05))
SUPERIOR_CRUS = ((0.42, 1.05), (0.3, 1.5), (0.2, 1.9))
INFERIOR_CRUS = ((0.42, 1.05), (-0.05, 0.95), (-0.6, 0.98))
HELIX_CRUS = ((-1.35, 0.55), (-0.9, 0.12), (-0.35, -0.05))
"""Middles of the ridges inside the rim: backwards and up from the ear's middle, cm (proportions of an adult's ear)."""


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
        rings.append(np.concatenate([plane, _relief(plane, rim * (1 - fraction), turn)[:, None]], 1))
    for fraction, height in BACK:
        plane = circle * (rim * fraction)[:, None]
        rings.append(np.concatenate([plane, np.full((COLUMNS, 1), height)], 1))
    middle = np.array([[0.0, 0.0, float(_relief(np.zeros((1, 2)), np.full(1, 2.0), np.zeros(1))[0])]])
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


def _relief(plane: Array, from_rim: Array, turn: Array) -> Array:
    """Height (N,) of the ear's front over its plane (N, 2), given the distance from the rim (N,) and the angle."""
    round_helix = _window(turn, -48, 178, 30)
    helix = 0.5 * round_helix * np.exp(-(((from_rim - 0.14) / 0.2) ** 2))
    groove = -0.3 * _window(turn, -38, 150, 30) * np.exp(-(((from_rim - 0.52) / 0.22) ** 2))
    ridges = 0.42 * _ridge(plane, ANTIHELIX, 0.27)
    ridges = np.maximum(ridges, 0.3 * _ridge(plane, SUPERIOR_CRUS, 0.24))
    ridges = np.maximum(ridges, 0.34 * _ridge(plane, INFERIOR_CRUS, 0.2))
    ridges = np.maximum(ridges, 0.36 * _ridge(plane, HELIX_CRUS, 0.22))
    concha = -1.25 * _mound(plane, (-0.25, -0.55), (0.66, 0.66)) - 0.75 * _mound(plane, (-0.1, 0.45), (0.62, 0.34))
    fossa = -0.3 * _mound(plane, (-0.2, 1.45), (0.35, 0.28))
    tragus = 0.7 * _mound(plane, (-1.02, -0.55), (0.28, 0.4))
    antitragus = 0.32 * _mound(plane, (0.12, -1.42), (0.36, 0.24))
    notch = -0.25 * _mound(plane, (-0.5, -1.35), (0.24, 0.24))
    lobe = 0.16 * _mound(plane, (0.0, -2.15), (0.6, 0.45))
    # In front the ear runs out into the cheek.
    root = -0.8 * _window(turn, 160, 268, 30) * np.exp(-((from_rim / 0.36) ** 2))
    return helix + groove + ridges + concha + fossa + tragus + antitragus + notch + lobe + root


def _ridge(plane: Array, middle: tuple[tuple[float, float], ...], width: float) -> Array:
    """One (N,) on a curve in the ear's plane, falling off like a Gaussian of some width."""
    knots = np.array(middle)
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    dense = CubicSpline(run, knots)(np.linspace(0, run[-1], 60))
    return np.exp(-((KDTree(dense).query(plane)[0] / width) ** 2))


def _mound(plane: Array, centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    return np.exp(-(((plane - centre) / np.array(radii)) ** 2).sum(1))


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
