"""Triangles and texels are spent where viewers look: on the face.

Points are drawn towards the middle of the face,

    r' = r / (1 + r / R),

so that a millimetre of the back of the head becomes a fraction of a millimetre of the face. Meshes are decimated in the
mapped space; the map is smooth and one to one, so nothing folds over. Texels are shared out in the same spirit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .canonical import CanonicalHead
from .mesh import Mesh

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Foveation:
    """The map: its centre (3,) and the radius R in metres at which lengths along the radius shrink to a quarter."""

    centre: npt.NDArray[np.float64]
    radius: float

    def apply(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Mapped points (N, 3)."""
        offsets = np.asarray(points, np.float64) - self.centre
        return offsets / (1 + np.linalg.norm(offsets, axis=1, keepdims=True) / self.radius)

    def undo(self, mapped: npt.ArrayLike) -> Array:
        """Points (N, 3) of mapped points: the inverse of :meth:`apply`."""
        offsets = np.asarray(mapped, np.float64)
        points = offsets / (1 - np.linalg.norm(offsets, axis=1, keepdims=True) / self.radius)
        return (points + self.centre).astype(np.float32)

    def density(self, mesh: Mesh) -> npt.NDArray[np.float64]:
        """Texels per metre (F,) that each triangle deserves: 1 amid the face, a quarter where it faces backwards.

        A picture shows shoulders with as many pixels as the face, so this falls off more slowly than triangles do.
        """
        a, b, c = (mesh.positions[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
        normals = np.cross(b - a, c - a)
        backwards = normals[:, 2] < -0.3 * np.linalg.norm(normals, axis=1)
        distance = np.linalg.norm((a + b + c) / 3 - self.centre, axis=1)
        return np.where(backwards, 0.25, 1.0) / (1 + distance / self.radius) ** 0.6


def face_foveation(head: CanonicalHead, radius: float = 0.15) -> Foveation:
    """The map about the middle of a head's face."""
    return Foveation(head.model.landmarks(head.points).mean(0).astype(np.float64), radius)
