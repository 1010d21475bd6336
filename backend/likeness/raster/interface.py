"""One rasteriser contract, whatever runs behind it: Warp on CPU or CUDA, or nvdiffrast where it is installed.

Conventions
-----------
* Vertices are in camera space (x right, y up, z towards the viewer; visible points have z < 0), metres.
* Picture row 0 is the top, pixel centres lie at +0.5; pixel (column i, row j) sees along
  ((i + 0.5 - cx) / fx, (cy - j - 0.5) / fy, -1), as :meth:`likeness.camera.Camera.ray_directions` says.
* Triangles are counter-clockwise from outside; those that face away are culled. Each layer keeps its own nearest
  front-facing hit; layers never hide one another.
* Visibility carries no gradient. Barycentrics are rebuilt from the triangle's corners by :func:`barycentrics`, which is
  perspective-correct and differentiable with respect to the vertices.
"""

from __future__ import annotations

from typing import Protocol

import torch

from ..camera import Camera


class Rasteriser(Protocol):
    """Finds, per layer and pixel, the nearest front-facing triangle."""

    def __call__(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        face_layers: torch.Tensor,
        layer_count: int,
        camera: Camera,
    ) -> torch.Tensor:
        """Rasterise nested layers in one call.

        Parameters
        ----------
        vertices : (V, 3) float32
            Camera-space positions; gradients are ignored.
        faces : (F, 3) int32
            Corner indices over all layers.
        face_layers : (F,) int32
            Layer of each triangle, 0..layer_count-1.
        layer_count : int
            L.
        camera : Camera
            Only its size and intrinsics are used.

        Returns
        -------
        (L, H, W) int32
            Index of the triangle seen, -1 for none.
        """
        ...


def barycentrics(corners: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Perspective-correct barycentric weights of rays from the origin through triangles.

    The weight of a corner is proportional to the volume that the ray spans with the opposite edge, so the result is
    exact, and differentiable with respect to corners and directions alike.

    Parameters
    ----------
    corners : (N, 3, 3) float32
        Camera-space triangle corners.
    directions : (N, 3) float32
        Ray directions, any length.

    Returns
    -------
    (N, 3) float32
        Weights that sum to one; negative where the ray misses the triangle.
    """
    first, second, third = corners.unbind(1)
    volumes = torch.stack(
        [
            (directions * torch.linalg.cross(second, third)).sum(-1),
            (directions * torch.linalg.cross(third, first)).sum(-1),
            (directions * torch.linalg.cross(first, second)).sum(-1),
        ],
        -1,
    )
    return volumes / volumes.sum(-1, keepdim=True)
