"""One camera convention for everything: readers convert into it, renderers convert out of it.

World: metres, +Y up. Camera space is OpenGL's: x right, y up, z towards the viewer, so visible points have negative z.
Pixels: x right, y down, centre of the first pixel at (0.5, 0.5), so that

    u = cx + fx * x / -z        v = cy - fy * y / -z

with ``fx`` and ``fy`` positive. NumPy only, because Blender imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes
    ----------
    width, height : int
        Picture size, pixels.
    fx, fy : float
        Focal lengths, pixels, positive.
    cx, cy : float
        Principal point, pixels, from the picture's top left corner.
    camera_to_world : (4, 4) float32
        Rigid transform from camera space to world space.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: Array

    @property
    def world_to_camera(self) -> Array:
        """(4, 4) inverse of :attr:`camera_to_world`."""
        rotation, position = self.camera_to_world[:3, :3], self.camera_to_world[:3, 3]
        inverse = np.eye(4, dtype=np.float32)
        inverse[:3, :3] = rotation.T
        inverse[:3, 3] = -rotation.T @ position
        return inverse

    def to_camera(self, points: npt.ArrayLike) -> Array:
        """World points (..., 3) in camera space."""
        matrix = self.world_to_camera
        return (np.asarray(points, np.float32) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)

    def project(self, points: npt.ArrayLike) -> Array:
        """Pixel positions (..., 2) of world points (..., 3)."""
        x, y, z = np.moveaxis(self.to_camera(points), -1, 0)
        return np.stack([self.cx - self.fx * x / z, self.cy + self.fy * y / z], -1).astype(np.float32)

    def ray_directions(self) -> Array:
        """Directions (height, width, 3) in camera space through pixel centres, with z = -1, not normalised."""
        x = (np.arange(self.width, dtype=np.float32) + 0.5 - self.cx) / self.fx
        y = (self.cy - np.arange(self.height, dtype=np.float32) - 0.5) / self.fy
        grid = np.meshgrid(x, y)
        return np.stack([*grid, -np.ones_like(grid[0])], -1).astype(np.float32)

    def resized(self, width: int, height: int) -> Camera:
        """The same view as a picture of another size."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, width=width, height=height, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy
        )
