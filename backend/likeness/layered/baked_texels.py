"""Where texels lie on their layer's surface: layers rasterised in texture space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import KDTree

from ..camera import Camera
from ..raster.interface import Rasteriser, barycentrics
from .proxies import Proxies


@dataclass(frozen=True)
class BakedTexels:
    """N texels of all layers that lie on a triangle.

    Attributes
    ----------
    layers, rows, columns : (N,) int64
        Which texel.
    triangles : (N,) int64
        The triangle under it, an index into the proxies' faces.
    weights : (N, 3) float32
        Barycentric weights of the triangle's corners at the sampled place.
    """

    layers: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    triangles: torch.Tensor
    weights: torch.Tensor

    def interpolated(self, proxies: Proxies, values: torch.Tensor) -> torch.Tensor:
        """Vertex values (V, C) at the texels (N, C)."""
        corners = proxies.faces[self.triangles].long()
        return (values[corners] * self.weights[..., None]).sum(1)


def baked_texels(proxies: Proxies, rasteriser: Rasteriser, offset: tuple[float, float] = (0.0, 0.0)) -> BakedTexels:
    """The texels whose centres lie on a triangle of their layer.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors.
    rasteriser : Rasteriser
    offset : tuple of float
        Where in a texel to sample, texels from its centre towards right and down.
    """
    size = proxies.tile_size
    places = proxies.uv * size
    # A camera that looks at the plane z = -1 with unit focal length sees texture space as its picture.
    vertices = torch.cat([places * places.new_tensor([1.0, -1.0]), torch.full_like(places[:, :1], -1.0)], 1)
    camera = Camera(size, size, 1.0, 1.0, -offset[0], -offset[1], np.eye(4, dtype=np.float32))
    # xatlas may mirror charts, and the rasteriser culls: offer every triangle both ways round.
    faces = torch.cat([proxies.faces_uv, proxies.faces_uv.flip(1)])
    layers_of_faces = proxies.face_layers.repeat(2)
    seen = rasteriser(vertices, faces, layers_of_faces, proxies.layer_count, camera)
    layers, rows, columns = (seen >= 0).nonzero(as_tuple=True)
    triangles = seen[layers, rows, columns].long() % len(proxies.faces)
    directions = torch.stack(
        [columns + 0.5 + offset[0], -(rows + 0.5 + offset[1]), torch.full_like(rows, -1)], 1
    ).float()
    weights = barycentrics(vertices[proxies.faces_uv[triangles].long()].double(), directions.double()).float()
    return BakedTexels(layers, rows, columns, triangles, weights)


def dilated(textures: torch.Tensor, texels: BakedTexels) -> torch.Tensor:
    """Textures (L, S, S, C) in which every texel off the surface has the value of the nearest one on it."""
    size = textures.shape[1]
    result = textures.clone()
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), -1).reshape(-1, 2)
    for layer in range(len(textures)):
        own = texels.layers == layer
        if not own.any():
            continue
        places = torch.stack([texels.rows[own], texels.columns[own]], 1).cpu().numpy()
        _, nearest = KDTree(places).query(grid)
        source = torch.as_tensor(places[nearest], device=textures.device)
        result[layer] = textures[layer, source[:, 0], source[:, 1]].view(size, size, -1)
    return result
