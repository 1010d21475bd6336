"""Points and normals of the layers' surfaces at the texels of their tiles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from ..raster.interface import Rasteriser
from ..raster.vertex_normals import vertex_normals
from .baked_texels import baked_texels
from .proxies import Proxies


@dataclass(frozen=True)
class TexelSurface:
    """The surface at texel centres; texels between charts have none.

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
    """Find each texel's point and smooth normal.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors.
    rasteriser : Rasteriser
    """
    texels = baked_texels(proxies, rasteriser)
    size, device = proxies.tile_size, proxies.positions.device
    positions, normals = torch.zeros(2, proxies.layer_count, size, size, 3, device=device)
    places = texels.layers, texels.rows, texels.columns
    positions[places] = texels.interpolated(proxies, proxies.positions)
    smooth = vertex_normals(proxies.positions, proxies.faces)
    normals[places] = normalize(texels.interpolated(proxies, smooth), dim=1)
    return TexelSurface(texels.coverage(proxies), positions, normals)
