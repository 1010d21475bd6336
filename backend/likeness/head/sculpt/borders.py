"""Lines on the skin that triangles should follow: the brows' outline and the hairline."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .anatomy import head_distance
from .distance import Array, cast

BROW_ENDS = (0.95, 5.05)
"""Distance of the brow's two ends from the midline, cm."""
BROW_COLUMNS = 11

_BROW_MIDDLE = PchipInterpolator((0.95, 1.5, 3.6, 5.05), (4.72, 4.92, 5.45, 4.9))
_BROW_HALF_WIDTH = PchipInterpolator((0.95, 1.4, 2.5, 3.6, 5.05), (0.27, 0.36, 0.33, 0.25, 0.15))
_HAIRLINE = PchipInterpolator(
    (-30, 0, 25, 40, 52, 62, 70, 77, 86, 108, 124, 136, 152, 180, 200),
    (10.4, 10.2, 10.4, 9.4, 7.4, 6.2, 3.4, 1.9, 4.9, 4.6, 1.0, -2.2, -4.4, -5.0, -4.8),
)


def above_hairline(points: Array) -> np.ndarray:
    """Which points (N, 3) near the skin lie where hair grows."""
    return points[:, 1] > _HAIRLINE(_azimuth(points))


def brow_points() -> tuple[Array, np.ndarray]:
    """Points (N, 3) of the left brow's lower edge, middle and upper edge, and which of the three rows each is in."""
    side = np.linspace(*BROW_ENDS, BROW_COLUMNS)
    # At the thin tail three rows would crowd.
    counts = (BROW_COLUMNS, BROW_COLUMNS - 4, BROW_COLUMNS)
    rows = [
        np.stack([side, _BROW_MIDDLE(side) + share * _BROW_HALF_WIDTH(side), 0 * side], 1)[:count]
        for share, count in zip((-1, 0, 1), counts, strict=True)
    ]
    places = np.concatenate(rows)
    return cast(head_distance, places, np.tile([0.0, 0.0, 1.0], (len(places), 1)), 3.0, 12.0), np.repeat(
        range(3), counts
    )


def hairline_points() -> Array:
    """Points on the left hairline, from the forehead over the ear to the nape, without those on the midline."""
    azimuth = np.linspace(0, 180, 721)
    radians = np.radians(azimuth)
    origins = np.stack([0 * radians, _HAIRLINE(azimuth), 0 * radians], 1)
    line = cast(head_distance, origins, np.stack([np.sin(radians), 0 * radians, np.cos(radians)], 1), 1.0, 14.0)
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, run[-1], round(run[-1] / 0.85) + 1)[1:-1]
    return np.stack([np.interp(at, run, line[:, axis]) for axis in range(3)], 1)


def _azimuth(points: Array) -> Array:
    return np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2]))
