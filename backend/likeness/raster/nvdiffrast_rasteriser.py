"""The rasteriser contract through nvdiffrast, for those who have installed it (not on PyPI; its own licence).

nvdiffrast works in clip space with rows from y = -1 up, does not cull, and gives each image of a batch its own range of
triangles. So clip y points down here, triangles that face away are dropped beforehand, triangles are sorted by
layer, and the layers become one batch.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch

from ..camera import Camera
from .warp_rasteriser import NEAR

FAR = 100.0
"""Distance of the far plane, metres; clip space needs one."""


def clip_positions(vertices: torch.Tensor, camera: Camera, near: float = NEAR, far: float = FAR) -> torch.Tensor:
    """Homogeneous clip positions (V, 4) of camera-space vertices (V, 3), y pointing down the picture.

    After division by w, x and y run from -1 at the picture's left and top edges to 1 at the right and bottom, and z
    from -1 at the near plane to 1 at the far.
    """
    x, y, z = vertices.unbind(-1)
    depth = -z
    return torch.stack(
        [
            2 * (camera.cx * depth + camera.fx * x) / camera.width - depth,
            2 * (camera.cy * depth - camera.fy * y) / camera.height - depth,
            ((far + near) * depth - 2 * far * near) / (far - near),
            depth,
        ],
        -1,
    )


def facing(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Which triangles (F,) of camera-space vertices turn their counter-clockwise side to the eye."""
    first, second, third = vertices[faces.long()].unbind(1)
    return (torch.linalg.cross(second - first, third - first) * first).sum(-1) < 0


def ranges_by_layer(layers: torch.Tensor, layer_count: int) -> torch.Tensor:
    """Start and length (L, 2) int32, on the CPU as nvdiffrast wants them, of each layer in an ascending list."""
    counts = torch.bincount(layers.long(), minlength=layer_count).cpu()
    return torch.stack([counts.cumsum(0) - counts, counts], 1).int()


class NvdiffrastRasteriser:
    """A :class:`likeness.raster.interface.Rasteriser` on CUDA.

    Parameters
    ----------
    device : torch.device
        A CUDA device.

    Raises
    ------
    ImportError
        If nvdiffrast is not installed.
    """

    def __init__(self, device: torch.device):
        self._library: Any = importlib.import_module("nvdiffrast.torch")
        self._context: Any = self._library.RasterizeCudaContext(device=device)

    @torch.no_grad()
    def __call__(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        face_layers: torch.Tensor,
        layer_count: int,
        camera: Camera,
    ) -> torch.Tensor:
        """Triangle seen per layer and pixel (L, H, W) int32, -1 for none; see the interface."""
        visible = facing(vertices, faces).nonzero()[:, 0]
        order = visible[torch.argsort(face_layers[visible], stable=True)]
        size = (layer_count, camera.height, camera.width)
        if len(order) == 0:
            return torch.full(size, -1, dtype=torch.int32, device=vertices.device)
        hits, _ = self._library.rasterize(
            self._context,
            clip_positions(vertices.float(), camera).contiguous(),
            faces[order].int().contiguous(),
            resolution=[camera.height, camera.width],
            ranges=ranges_by_layer(face_layers[order], layer_count),
            grad_db=False,
        )
        # The last channel counts triangles from one; zero is the background.
        numbers = hits[..., 3].long() - 1
        return torch.where(numbers >= 0, order[numbers.clamp(min=0)], -1).int()
