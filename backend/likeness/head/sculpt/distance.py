"""Distance functions of a few solids and smooth ways to join them (the forms are Inigo Quilez's, iquilezles.org)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Floats. NumPy's annotations take sums of float64 arrays and numbers for other types, so no type is given."""
DistanceFunction = Callable[[Array], Array]


def ellipsoid(
    points: Array,
    centre: Sequence[float],
    radii: Sequence[float],
    pitch: float = 0.0,
    yaw: float = 0.0,
    roll: float = 0.0,
) -> Array:
    """Approximate signed distance (N,) to an ellipsoid turned by angles in degrees about x, y and z."""
    local = points - np.asarray(centre)
    if pitch or yaw or roll:
        local = local @ rotation(pitch, yaw, roll)
    scale = np.asarray(radii, float)
    first = np.linalg.norm(local / scale, axis=-1)
    second = np.linalg.norm(local / scale**2, axis=-1)
    return first * (first - 1) / np.maximum(second, 1e-9)


def round_cone(
    points: Array, start: Sequence[float], end: Sequence[float], start_radius: float, end_radius: float
) -> Array:
    """Signed distance (N,) to a capsule whose radius runs linearly along its axis (exact for equal radii)."""
    base, axis = np.asarray(start, float), np.subtract(end, start)
    along = np.clip((points - base) @ axis / (axis @ axis), 0, 1)
    nearest = base + along[..., None] * axis
    return np.linalg.norm(points - nearest, axis=-1) - (start_radius + along * (end_radius - start_radius))


def union(a: Array, b: Array, blend: float) -> Array:
    """Smooth minimum of two distances; ``blend`` is the width of the fillet."""
    mix = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - mix**2 * blend * 0.25


def subtraction(a: Array, b: Array, blend: float) -> Array:
    """Solid ``a`` without solid ``b``, with a fillet of width ``blend``."""
    return -union(-a, b, blend)


def bump(points: Array, centre: Sequence[float], radii: Sequence[float], height: float) -> Array:
    """Gaussian (N,) to take off a distance, so that the surface rises by ``height`` at ``centre``."""
    local = (points - np.asarray(centre)) / np.asarray(radii, float)
    return height * np.exp(-(local**2).sum(-1))


def rotation(pitch: float, yaw: float, roll: float) -> Array:
    """Matrix (3, 3) that turns about x, then y, then z, by degrees."""
    (cx, cy, cz), (sx, sy, sz) = (f(np.radians([pitch, yaw, roll])) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def gradient(function: DistanceFunction, points: Array, step: float = 0.02) -> Array:
    """Central differences (N, 3) of a distance function."""
    offsets = np.eye(3) * step
    return np.stack([(function(points + o) - function(points - o)) / (2 * step) for o in offsets], -1)


def project(function: DistanceFunction, points: Array, steps: int = 8) -> Array:
    """Points (N, 3) moved onto the zero surface by Newton steps along the gradient."""
    for _ in range(steps):
        slope = gradient(function, points)
        length = np.maximum((slope**2).sum(-1, keepdims=True), 0.05)
        points = points - np.clip(function(points)[..., None], -0.5, 0.5) * slope / length
    return points


def cast(
    function: DistanceFunction, origins: Array, directions: Array, near: float, far: float, samples: int = 160
) -> Array:
    """Outermost points (N, 3) of the zero surface on rays that start inside and leave along unit ``directions``.

    The distance is sampled from ``far`` inwards, and the first change of sign is refined by bisection.
    """
    reach = np.linspace(far, near, samples)
    outer = np.full(len(origins), far)
    inner = np.full(len(origins), near)
    open_rays = np.ones(len(origins), bool)
    for step, distance in enumerate(reach):
        index = np.flatnonzero(open_rays)
        if not len(index):
            break
        inside = function(origins[index] + distance * directions[index]) < 0
        inner[index[inside]] = distance
        outer[index[inside]] = reach[max(step - 1, 0)]
        open_rays[index[inside]] = False
    for _ in range(24):
        middle = (inner + outer) / 2
        inside = function(origins + middle[:, None] * directions) < 0
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return origins + ((inner + outer) / 2)[:, None] * directions
