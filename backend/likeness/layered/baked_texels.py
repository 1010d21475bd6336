"""Where texels lie on their layer's surface: layers rasterised in texture space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

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

    def coverage(self, proxies: Proxies) -> torch.Tensor:
        """Which texels (L, S, S) of the proxies' textures are among these, bool."""
        covered = torch.zeros(proxies.textures.shape[:3], dtype=torch.bool)
        covered[self.layers, self.rows, self.columns] = True
        return covered

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


def dilated(textures: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """Textures (L, S, S, C) in which texels that are not covered (L, S, S) have the value of the nearest that is."""
    result = textures.clone()
    for layer, known in enumerate(covered.cpu().numpy()):
        if known.any():
            rows, columns = np.asarray(distance_transform_edt(~known, return_distances=False, return_indices=True))
            result[layer] = textures[layer, torch.as_tensor(rows).long(), torch.as_tensor(columns).long()]
    return result
