"""Where each texel of the layers' tiles lies on its mesh."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from ..camera import Camera
from ..raster.interface import Rasteriser, barycentrics
from ..raster.vertex_normals import vertex_normals
from .proxies import Proxies
from .rendering import ray_directions

_IDENTITY = torch.eye(4).numpy()


@dataclass(frozen=True)
class TexelSurface:
    """Points of the surface at texel centres; texels between charts have none.

    Attributes
    ----------
    covered : (L, S, S) bool
        Whether a texel's centre lies in a chart.
    positions, normals : (L, S, S, 3) float32
        At rest, metres; zero where not covered.
    """

    covered: torch.Tensor
    positions: torch.Tensor
    normals: torch.Tensor


def texel_surface(proxies: Proxies, rasteriser: Rasteriser) -> TexelSurface:
    """Find each texel's point by rasterising the layers in texture space.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors.
    rasteriser : Rasteriser
    """
    size, device = proxies.tile_size, proxies.positions.device
    # A picture of the unit square at distance one: pixel (column, row) is texel (column, row).
    camera = Camera(size, size, float(size), float(size), 0.0, 0.0, _IDENTITY)
    flat = torch.stack([proxies.uv[:, 0], -proxies.uv[:, 1], -torch.ones_like(proxies.uv[:, 0])], 1)
    # Charts may be mirrored, and the rasteriser culls what faces away: offer each triangle both ways round.
    count = len(proxies.faces)
    both = torch.cat([proxies.faces_uv, proxies.faces_uv.flip(1)])
    layers = torch.cat([proxies.face_layers, proxies.face_layers])
    seen = rasteriser(flat, both, layers, proxies.layer_count, camera).view(-1)
    places = (seen >= 0).nonzero()[:, 0]
    triangles = (seen[places] % count).long()
    rays = ray_directions(camera, device)[places % (size * size)]
    weights = barycentrics(flat[proxies.faces_uv[triangles].long()], rays)[..., None]
    corners = proxies.faces[triangles].long()
    normals = vertex_normals(proxies.positions, proxies.faces)
    positions = torch.zeros(len(seen), 3, device=device)
    directions = torch.zeros(len(seen), 3, device=device)
    positions[places] = (proxies.positions[corners] * weights).sum(1)
    directions[places] = normalize((normals[corners] * weights).sum(1), dim=1)
    shape = (proxies.layer_count, size, size)
    return TexelSurface((seen >= 0).view(shape), positions.view(*shape, 3), directions.view(*shape, 3))
