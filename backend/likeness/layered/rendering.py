"""The differentiable renderer: deform, rasterise, interpolate, sample, decode, composite.

It follows the run-time to the letter (design, "The run-time, exactly"), so what is learnt through it looks the same in
Blender. Gradients reach textures, decoder and, through barycentrics and texture coordinates, the vertices; visibility
and normals carry none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from ..camera import Camera
from ..raster.interface import Rasteriser, barycentrics
from ..raster.vertex_normals import vertex_normals
from .decoder import SpatialWeights, basis_weights
from .proxies import Proxies, TextureLayout

Sampler = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Texture values (N, C), colours in linear light, at texture coordinates (N, 2) of layers (N,)."""


@dataclass(frozen=True)
class Hits:
    """Where rays meet layers; N hits of P rays, at most one per ray and layer.

    Attributes
    ----------
    layers, rays : (N,) int64
        Layer of each hit, and its ray's place among the P.
    uv : (N, 2) float32
    normals, directions : (N, 3) float32
        Unit, camera space.
    ray_count, layer_count : int
        P and L.
    """

    layers: torch.Tensor
    rays: torch.Tensor
    uv: torch.Tensor
    normals: torch.Tensor
    directions: torch.Tensor
    ray_count: int
    layer_count: int


def visible_triangles(proxies: Proxies, vertices: torch.Tensor, camera: Camera, rasteriser: Rasteriser) -> torch.Tensor:
    """Triangle that each layer shows in each pixel, (L, H*W) int32, -1 for none; rows of pixels from the top."""
    seen = rasteriser(vertices.detach(), proxies.faces, proxies.face_layers, proxies.layer_count, camera)
    return seen.view(proxies.layer_count, -1)


def smooth_normals(proxies: Proxies, vertices: torch.Tensor) -> torch.Tensor:
    """Unit vertex normals (V, 3) of posed vertices, without gradients."""
    with torch.no_grad():
        return vertex_normals(vertices, proxies.faces)


def find_hits(
    proxies: Proxies,
    vertices: torch.Tensor,
    normals: torch.Tensor,
    triangles: torch.Tensor,
    directions: torch.Tensor,
) -> Hits:
    """Interpolate what the decoder needs at every hit.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors.
    vertices, normals : (V, 3) float32
        Camera space.
    triangles : (L, P) int32
        Triangle seen by each ray, -1 for none.
    directions : (P, 3) float32
        Rays from the camera, camera space, any length.
    """
    layers, rays = (triangles >= 0).nonzero(as_tuple=True)
    hit = triangles[layers, rays].long()
    corners = proxies.faces[hit].long()
    rays_directions = directions[rays]
    weights = barycentrics(vertices[corners], rays_directions)[..., None]
    uv = (proxies.uv[proxies.faces_uv[hit].long()] * weights).sum(1)
    smooth = normalize((normals[corners] * weights.detach()).sum(1), dim=1)
    return Hits(layers, rays, uv, smooth, normalize(rays_directions, dim=1), len(directions), len(triangles))


def shade(
    hits: Hits, sampler: Sampler, layout: TextureLayout, spatial: SpatialWeights
) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour (L, P, 3), linear and not premultiplied, and opacity (L, P) of each layer along each ray."""
    values = sampler(hits.uv, hits.layers)
    return blended(hits, values, basis_shares(hits, values, layout, spatial), layout)


def basis_shares(hits: Hits, values: torch.Tensor, layout: TextureLayout, spatial: SpatialWeights) -> torch.Tensor:
    """Weights (N, B) of the bases at hits with texture values (N, C)."""
    return basis_weights(torch.cat([values[:, layout.features], hits.normals, hits.directions], 1), spatial)


def blended(
    hits: Hits, values: torch.Tensor, shares: torch.Tensor, layout: TextureLayout
) -> tuple[torch.Tensor, torch.Tensor]:
    """What :func:`shade` gives, of texture values (N, C) and weights (N, B) of their bases."""
    colours = torch.bmm(shares[:, None], values[:, layout.colour].reshape(-1, layout.basis_count, 3))[:, 0]
    alphas = values[:, layout.alpha]
    if layout.alpha_count > 1:
        alphas = (shares * alphas).sum(1, keepdim=True)
    place = hits.layers * hits.ray_count + hits.rays
    empty = torch.zeros(hits.layer_count * hits.ray_count, 4, device=values.device)
    stacked = empty.index_copy(0, place, torch.cat([colours, alphas], 1)).view(hits.layer_count, hits.ray_count, 4)
    return stacked[..., :3], stacked[..., 3]


def ray_directions(camera: Camera, device: torch.device | str = "cpu") -> torch.Tensor:
    """Camera-space directions (H*W, 3) through pixel centres, rows from the top."""
    return torch.as_tensor(camera.ray_directions().reshape(-1, 3), device=device)
