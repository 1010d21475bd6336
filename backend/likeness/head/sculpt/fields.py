"""Displacement fields on the skin: local pushes with soft limits, kept off the lids and out of the mouth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..zbuffer import vertex_normals
from . import mouth
from .body import Body
from .distance import Array
from .weights import lower_lip_share, smoothstep

LID_FADE = (1.0, 0.8, 0.5, 0.2, 0.05, 0.0, 0.0, 0.0, 0.0)
"""How much of a push each ring of the lids follows: none at the edge, which must stay on the ball."""
LIP_FADE = (1.0,) * 7 + (0.7, 0.3, 0.1, 0.0, 0.0)
"""The same for the rings of the mouth: nothing in its depth."""


class Skin:
    """What fields need to know about a head: its skin's points, normals, and limits.

    Parameters
    ----------
    body : Body
    """

    def __init__(self, body: Body):
        self.body = body
        self.points = body.points
        self.normals = vertex_normals(body.points, body.faces)
        lid, lip = body.rows("lid"), body.rows("lip")
        self.allowed = body.of("skin").astype(float)
        self.allowed *= np.where(lid >= 0, np.array(LID_FADE)[lid], 1.0)
        self.allowed *= np.where(lip >= 0, np.array(LIP_FADE)[lip], 1.0)
        outside = smoothstep(-self.points[:, 1], -mouth.SEAM_HEIGHT - 0.9, -mouth.SEAM_HEIGHT + 0.9)
        own = np.where(lip >= 0, np.interp(lip, (0, 3), (0.0, 1.0)), 0.0)
        self.lower = outside * (1 - own) + lower_lip_share(body) * own
        self.lip_ring = lip

    def near(self, centre: Sequence[float], radii: Sequence[float]) -> Array:
        """Gaussian weights (V,) round a place on the left, one at its middle."""
        local = (self.points - np.asarray(centre)) / np.asarray(radii, float)
        # Cut off where it falls below half a hundredth, so that what is far away does not move at all.
        bell = np.exp(-(local**2).sum(1))
        return self.allowed * np.maximum(bell - 0.005, 0) / 0.995

    def push(
        self, centre: Sequence[float], radii: Sequence[float], shift: Sequence[float], glide: float = 0.0
    ) -> Array:
        """Displacements (V, 3): a shift round a place; ``glide`` takes that share of its part along the normal off."""
        return self.glided(self.near(centre, radii)[:, None] * np.asarray(shift, float), glide)

    def swell(self, centre: Sequence[float], radii: Sequence[float], height: float) -> Array:
        """Displacements (V, 3) along the normals round a place."""
        return self.near(centre, radii)[:, None] * height * self.normals

    def glided(self, displacement: Array, share: float) -> Array:
        """Displacements without a share of what leaves the surface: skin slides over bone."""
        along = np.einsum("vc,vc->v", displacement, self.normals)
        return displacement - share * along[:, None] * self.normals

    def left(self, soft: float = 0.7) -> Array:
        """Weights (V,) of the left side; with those of the right they add up to one."""
        return 0.5 * (1 + np.tanh(self.points[:, 0] / soft))

    def mirrored(self, displacement: Array) -> Array:
        """The same displacements (V, 3) on the other side."""
        return displacement[self.body.twin] * [-1, 1, 1]
