"""Drawing one textured mesh: what each pixel sees, where in the texture that is, and the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..camera import Camera
from .interface import Rasteriser, barycentrics
from .texture import sample_textures

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """A mesh's fixed parts.

    Attributes
    ----------
    faces : (F, 3) int32
        Triangles, counter-clockwise from outside.
    uv : (T, 2) float32
        Texture coordinates, v **downwards** from the texture's top row (see :mod:`likeness.raster.texture`).
    faces_uv : (F, 3) int64
        Texture corners of each triangle.
    """

    faces: torch.Tensor
    uv: torch.Tensor
    faces_uv: torch.Tensor


@dataclass(frozen=True)
class Hits:
    """What a camera's pixels see of a mesh; N pixels see something.

    Attributes
    ----------
    pixels : (N,) int64
        Row * width + column, ascending.
    faces : (N,) int64
    barycentrics : (N, 3) float32
        Perspective-correct weights of the triangle's corners.
    """

    pixels: torch.Tensor
    faces: torch.Tensor
    barycentrics: torch.Tensor


@torch.no_grad()
def surface_hits(rasterise: Rasteriser, positions: Array, faces: torch.Tensor, camera: Camera) -> Hits:
    """Nearest front-facing hit of each pixel's ray.

    Parameters
    ----------
    rasterise : Rasteriser
    positions : (V, 3) float32
        World space, metres.
    faces : (F, 3) int32
    camera : Camera
    """
    device = faces.device
    vertices = torch.from_numpy(camera.to_camera(positions)).to(device)
    layers = torch.zeros(len(faces), dtype=torch.int32, device=device)
    seen = rasterise(vertices, faces, layers, 1, camera).view(-1)
    pixels = (seen >= 0).nonzero()[:, 0]
    triangles = seen[pixels].long()
    directions = torch.from_numpy(camera.ray_directions()).to(device).view(-1, 3)[pixels]
    return Hits(pixels, triangles, barycentrics(vertices[faces[triangles].long()], directions))


def texture_coordinates(surface: Surface, hits: Hits) -> torch.Tensor:
    """Texture coordinates (N, 2) of hits, v downwards."""
    return (surface.uv[surface.faces_uv[hits.faces].long()] * hits.barycentrics[..., None]).sum(1)


@torch.no_grad()
def render_mesh(
    rasterise: Rasteriser,
    surface: Surface,
    positions: Array,
    texture: torch.Tensor,
    camera: Camera,
    supersampling: int = 2,
) -> Array:
    """A picture of an opaque, unlit mesh.

    Parameters
    ----------
    rasterise : Rasteriser
    surface : Surface
    positions : (V, 3) float32
        World space, metres.
    texture : (T, T, 3) float32
        sRGB-encoded, 0..1.
    camera : Camera
    supersampling : int
        Each pixel is the mean of the square of this number of samples, in linear light.

    Returns
    -------
    (H, W, 4) float32
        Linear light, premultiplied by alpha; alpha is the share of samples that hit.
    """
    fine = camera.resized(camera.width * supersampling, camera.height * supersampling)
    hits = surface_hits(rasterise, positions, surface.faces, fine)
    layers = torch.zeros(len(hits.faces), dtype=torch.int32, device=texture.device)
    colours = sample_textures(texture[None], layers, texture_coordinates(surface, hits), srgb_channels=3)
    samples = torch.zeros(fine.height * fine.width, 4, device=texture.device)
    samples[hits.pixels] = torch.nn.functional.pad(colours, (0, 1), value=1.0)
    picture = samples.view(camera.height, supersampling, camera.width, supersampling, 4).mean((1, 3))
    return picture.cpu().numpy()
