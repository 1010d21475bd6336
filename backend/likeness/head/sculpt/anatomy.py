"""The head's form as a signed distance function, from the proportions of an adult.

Eyes lie halfway between crown and chin; brow to nose base and nose base to chin are equal thirds.
"""

from __future__ import annotations

import numpy as np

from .distance import Array, bump, ellipsoid, round_cone, subtraction, union

EYE_CENTRE = np.array([3.1, 3.0, 7.25])
"""Centre of the left eyeball; the pupils are 6.2 cm apart."""
EYE_RADIUS = 1.45
"""Larger than life (1.2), so that the lids' corners still lie on the ball."""
IRIS_ANGLE = 24.0
"""Degrees between the optical axis and the iris' rim."""
LID_RADIUS = 1.66
"""Distance from the eye's centre to the outside of a lid's edge."""
JAW_CENTRE = np.array([0.0, -0.4, 1.9])
"""Middle of the axis through both temporomandibular joints."""
RIM_HEIGHT = -17.0
"""Height at which the shoulders are cut."""


def head_distance(points: Array) -> Array:
    """Signed distance (N,) of points (N, 3) to the skin, without ears, and with closed eyes and mouth."""
    # A rounded |x| makes one description serve both sides without a crease along the midline.
    half = points.copy()
    half[..., 0] = np.sqrt(points[..., 0] ** 2 + 0.04**2)
    skin = _skull(points, half)
    skin = union(skin, _jaw(half), 1.5)
    skin = union(skin, _neck(points, half), 1.3)
    skin = _orbits(skin, half)
    skin = _nose(skin, points, half)
    return _surface_detail(skin, points, half)


def _skull(points: Array, half: Array) -> Array:
    skull = ellipsoid(points, (0, 5.4, -1.3), (7.45, 9.1, 8.8))
    skull = union(skull, ellipsoid(points, (0, 6.3, 1.6), (6.6, 7.2, 7.5)), 2.0)
    skull = union(skull, ellipsoid(points, (0, 3.4, -4.0), (6.8, 6.4, 5.8)), 2.0)
    middle = ellipsoid(points, (0, 0.2, 2.6), (6.3, 7.6, 6.4))
    face = union(skull, middle, 2.0)
    muzzle = ellipsoid(points, (0, -3.4, 5.6), (3.9, 3.7, 4.5))
    face = union(face, muzzle, 2.0)
    cheekbone = ellipsoid(half, (4.2, 0.7, 6.2), (2.0, 1.3, 2.0), yaw=35)
    face = union(face, cheekbone, 2.0)
    arch = round_cone(half, (5.0, 0.9, 5.2), (6.1, 1.0, 0.5), 0.8, 0.7)
    face = union(face, arch, 1.8)
    cheek = ellipsoid(half, (3.4, -2.0, 5.9), (2.5, 3.2, 2.5), yaw=20)
    return union(face, cheek, 2.2)


def _jaw(half: Array) -> Array:
    chin = ellipsoid(half, (0, -6.95, 7.9), (1.7, 1.6, 2.0))
    body = round_cone(half, (3.8, -4.7, 1.9), (1.1, -7.0, 7.9), 1.1, 1.35)
    ramus = round_cone(half, (3.8, -4.7, 1.9), (5.2, 0.3, 0.8), 1.1, 1.0)
    masseter = ellipsoid(half, (4.05, -2.5, 3.0), (1.45, 3.5, 2.4))
    floor = ellipsoid(half, (0, -5.4, 4.4), (4.0, 3.0, 4.4), pitch=8)
    jaw = union(body, chin, 2.0)
    jaw = union(jaw, union(ramus, masseter, 2.2), 2.4)
    return union(jaw, floor, 1.8)


def _neck(points: Array, half: Array) -> Array:
    narrowed = points * [1.04, 1.0, 1.0]
    neck = round_cone(narrowed, (0, -2.0, -2.2), (0, -17.0, -2.6), 5.0, 5.5)
    sternomastoid = round_cone(half, (4.7, -1.0, -1.8), (1.2, -16.0, 2.8), 1.0, 0.75)
    neck = union(neck, sternomastoid, 1.6)
    trapezius = union(
        round_cone(half, (2.2, -7.0, -5.2), (5.2, -13.4, -4.2), 1.7, 1.8),
        round_cone(half, (5.2, -13.4, -4.2), (15.5, -18.3, -3.0), 1.8, 2.6),
        2.5,
    )
    neck = union(neck, trapezius, 2.6)
    chest = ellipsoid(points, (0, -21.5, -2.0), (16.0, 6.2, 7.0))
    neck = union(neck, chest, 3.0)
    clavicle = round_cone(half, (1.1, -16.4, 3.2), (9.0, -16.0, -0.8), 0.65, 0.5)
    return union(neck, clavicle, 1.8)


def _orbits(skin: Array, half: Array) -> Array:
    brow = union(
        round_cone(half, (1.0, 4.7, 8.4), (3.4, 5.2, 7.9), 0.6, 0.6),
        round_cone(half, (3.4, 5.2, 7.9), (5.0, 4.4, 6.2), 0.6, 0.5),
        0.8,
    )
    skin = union(skin, brow, 1.6)
    socket = ellipsoid(half, (3.0, 3.0, 9.6), (2.0, 1.3, 1.6), yaw=18)
    skin = subtraction(skin, socket, 1.3)
    lids = np.linalg.norm(half - EYE_CENTRE, axis=-1) - LID_RADIUS
    return union(skin, lids, 1.0)


def _nose(skin: Array, points: Array, half: Array) -> Array:
    root = ellipsoid(points, (0, 0.6, 8.9), (1.25, 3.1, 1.35), pitch=-14)
    nose = union(
        round_cone(points, (0, 4.3, 8.7), (0, 1.6, 10.0), 0.58, 0.55),
        round_cone(points, (0, 1.6, 10.0), (0, -0.6, 11.2), 0.55, 0.68),
        0.6,
    )
    nose = union(nose, root, 0.9)
    tip = ellipsoid(points, (0, -0.7, 11.05), (0.85, 0.75, 0.85))
    nose = union(nose, tip, 0.7)
    ala = ellipsoid(half, (1.05, -1.05, 10.0), (0.55, 0.68, 0.95), yaw=-22)
    nose = union(nose, ala, 0.75)
    columella = round_cone(points, (0, -1.35, 11.15), (0, -1.5, 9.9), 0.32, 0.36)
    nose = union(nose, columella, 0.3)
    skin = union(skin, nose, 0.65)
    nostril = ellipsoid(half, (0.6, -1.8, 10.55), (0.27, 0.62, 0.55), yaw=-14)
    return subtraction(skin, nostril, 0.18)


def _surface_detail(skin: Array, points: Array, half: Array) -> Array:
    relief = -bump(half, (6.2, 5.2, 4.6), (1.4, 2.0, 2.0), 0.25)  # temple
    relief -= bump(half, (1.72, -0.75, 9.7), (0.3, 0.75, 0.7), 0.16)  # crease round the nose's wing
    relief -= bump(half, (2.35, -2.3, 9.5), (0.35, 0.9, 1.0), 0.05)  # fold from nose to mouth
    relief -= bump(half, (2.75, -4.05, 9.0), (0.35, 0.4, 1.0), 0.1)  # corner of the mouth
    relief -= bump(half, (1.75, 2.9, 8.8), (0.7, 0.55, 0.8), 0.45)  # inner corner of the eye
    relief -= bump(points, (0, -2.5, 10.4), (0.28, 0.8, 1.0), 0.12)  # philtrum
    relief += bump(half, (0.42, -2.5, 10.4), (0.22, 0.7, 1.0), 0.06)
    relief -= bump(points, (0, -5.75, 10.0), (1.5, 0.5, 1.2), 0.22)  # fold between lip and chin
    relief += bump(points, (0, -12.0, 4.0), (0.9, 1.3, 1.5), 0.22)  # larynx
    relief -= bump(points, (0, -16.2, 3.6), (0.9, 1.0, 1.5), 0.5)  # notch above the breastbone
    return skin - relief
