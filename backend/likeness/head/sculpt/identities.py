"""Simple ways in which heads differ, as displacement fields of one standard deviation."""

from __future__ import annotations

import numpy as np

from . import mouth
from .anatomy import EYE_CENTRE
from .body import Body
from .distance import Array
from .fields import Skin
from .weights import smoothstep

IDENTITY_NAMES = (
    "face width", "jaw width", "face length", "chin", "nose length", "nose width", "nose height", "eye distance",
    "mouth width", "lip thickness", "brow ridge", "cheekbones",
)  # fmt: skip


def identity_basis(body: Body) -> Array:
    """Displacements (I, V, 3) in centimetres, in the order of :data:`IDENTITY_NAMES`.

    Eyeballs and lids move as one rigid piece with the eye's middle, so that they stay in contact.
    """
    skin = Skin(body)
    basis = np.stack([_field(body.points, name) for name in IDENTITY_NAMES])
    basis[IDENTITY_NAMES.index("lip thickness")] = _lips(skin)
    share = _rigid_share(body)
    for side in (1, -1):
        centre = EYE_CENTRE[None] * [side, 1, 1]
        weight = (share * (body.points[:, 0] * side > 0))[:, None]
        for number, name in enumerate(IDENTITY_NAMES):
            basis[number] = basis[number] * (1 - weight) + _field(centre, name) * weight
    return basis


def _rigid_share(body: Body) -> Array:
    """One on eyeballs and lids, fading over the rings round them."""
    ring = body.rows("lid")
    share = np.where(ring >= 0, np.interp(ring, (0, 4), (0.0, 1.0)), 0.0)
    return np.where(body.of("eye_l", "eye_r"), 1.0, share)


def _field(points: Array, name: str) -> Array:
    """A smooth field at any points (N, 3) of the head; the lips' thickness is no such field, and is zero here."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    head = smoothstep(y, -14.0, -7.0)
    face = smoothstep(z, -1.0, 5.0) * head
    below = smoothstep(-y, 1.5, 9.0) * head

    def around(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
        local = (np.stack([np.abs(x), y, z], 1) - centre) / radii
        return face * np.exp(-(local**2).sum(1))

    chin = around((0, -7.2, 9.8), (2.6, 2.0, 3.0))
    brow = around((2.2, 5.0, 9.0), (3.2, 1.2, 2.5))
    cheek = around((4.5, 0.8, 6.6), (2.1, 1.6, 3.0))
    shifts = {
        "face width": (0.045 * x * head, zero, zero),
        "jaw width": (0.075 * x * below, zero, zero),
        "face length": (zero, -0.45 * below, zero),
        "chin": (zero, -0.18 * chin, 0.35 * chin),
        "nose length": (zero, -0.28 * around((0, -1.2, 11.0), (1.7, 1.6, 2.2)), zero),
        "nose width": (0.16 * x * around((0.8, -1.0, 10.2), (1.5, 1.4, 1.8)), zero, zero),
        "nose height": (zero, zero, 0.3 * around((0, -0.2, 11.2), (1.2, 2.4, 2.0))),
        "eye distance": (0.13 * np.tanh(x / 1.2) * around((3.1, 3.2, 8.0), (2.6, 2.4, 4.0)), zero, zero),
        "mouth width": (0.09 * x * around((1.8, -4.0, 9.5), (2.6, 1.6, 2.2)), zero, zero),
        "lip thickness": (zero, zero, zero),
        "brow ridge": (zero, -0.08 * brow, 0.22 * brow),
        "cheekbones": (0.05 * x * cheek, zero, 0.2 * cheek),
    }
    return np.stack(shifts[name], 1)


def _lips(skin: Skin) -> Array:
    ring = skin.lip_ring
    height = skin.points[:, 1] - mouth.SEAM_HEIGHT
    weight = np.interp(ring, (-1, 0, 1, 2, 3, 4, 5), (0, 0, 0.25, 0.7, 1, 0.6, 0))
    return np.stack([0 * height, 0.16 * weight * height, 0.08 * weight * (ring == 4)], 1)
