"""First textures: what training pictures show where each texel projects, so that fine-tuning starts from a likeness."""

from __future__ import annotations

import torch
from scipy.spatial import KDTree
from torch.nn.functional import grid_sample, normalize

from ..raster.vertex_normals import vertex_normals
from .baked_texels import BakedTexels
from .deformation import TorchPose, camera_vertices, posed_vertices
from .frames import TrainingFrames, spread
from .proxies import Proxies

_FEATURE_WAVELENGTH = 0.12
_BASIS_SPREAD = 0.03
_VIEWS = 12


def projected_colours(
    proxies: Proxies, texels: BakedTexels, frames: TrainingFrames, indices: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean colour and mean matte of some frames where texels project, weighted by how squarely each frame sees them.

    Texels that no frame sees take the colour of the nearest one, in space, that is seen.

    Returns
    -------
    colours : (N, 3) float32
        sRGB-encoded, 0..1.
    mattes : (N,) float32
        One where nothing is known.
    """
    count = len(texels.layers)
    colour_sum, matte_sum, weight_sum = torch.zeros(count, 3), torch.zeros(count), torch.zeros(count)
    colour_weight = torch.zeros(count)
    for index in indices:
        camera, filmed = frames.cameras[index], frames.film(index)
        vertices = camera_vertices(posed_vertices(proxies, TorchPose.of_frame(frames, index)), camera)
        normals = normalize(texels.interpolated(proxies, vertex_normals(vertices, proxies.faces)), dim=1)
        points = texels.interpolated(proxies, vertices)
        towards_viewer = -(normals * normalize(points, dim=1)).sum(1)
        depth = (-points[:, 2]).clamp(min=1e-3)
        u = camera.cx + camera.fx * points[:, 0] / depth
        v = camera.cy - camera.fy * points[:, 1] / depth
        inside = (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height) & (points[:, 2] < 0)
        weight = torch.where(inside, towards_viewer.clamp(min=0).square(), torch.zeros_like(u))
        grid = torch.stack([u / camera.width, v / camera.height], 1)[None, None] * 2 - 1
        picture = torch.cat([filmed.picture, filmed.matte[..., None]], 2).permute(2, 0, 1)[None]
        sample = grid_sample(picture.float() / 255, grid, align_corners=False, padding_mode="border")[0, :, 0].T
        # Background must not bleed into colours, but says that the texel is not opaque.
        colour_sum += sample[:, :3] * (weight * sample[:, 3])[:, None]
        colour_weight += weight * sample[:, 3]
        matte_sum += sample[:, 3] * weight
        weight_sum += weight
    seen = colour_weight > 0.05
    colours = colour_sum / colour_weight.clamp(min=1e-6)[:, None]
    if seen.any() and not seen.all():
        points = texels.interpolated(proxies, proxies.positions).numpy()
        _, nearest = KDTree(points[seen.numpy()]).query(points[~seen.numpy()])
        colours[~seen] = colours[seen][torch.as_tensor(nearest)]
    mattes = torch.where(weight_sum > 0.05, matte_sum / weight_sum.clamp(min=1e-6), torch.ones(count))
    return colours.clamp(0, 1), mattes


def first_textures(
    proxies: Proxies,
    texels: BakedTexels,
    frames: TrainingFrames,
    *,
    opacity: torch.Tensor,
    seed: int,
) -> torch.Tensor:
    """Values (N, C) of texels in the proxies' layout.

    Bases are the projected colour with a little noise each, so that training can tell them apart; opacities are the
    given ones, less where mattes say that nothing is there; features are smooth waves over space, so that
    neighbours look alike until training says otherwise.

    Parameters
    ----------
    opacity : (V,) float32
        First opacity at each vertex.
    seed : int
        Of the noise.
    """
    layout = proxies.layout
    generator = torch.Generator().manual_seed(seed)
    colours, mattes = projected_colours(proxies, texels, frames, spread(frames.training, _VIEWS))
    values = torch.empty(len(colours), layout.channels)
    noise = _BASIS_SPREAD * torch.randn(layout.basis_count * 3, generator=generator)
    values[:, layout.colour] = colours.repeat(1, layout.basis_count) + noise
    values[:, layout.alpha] = texels.interpolated(proxies, opacity[:, None]) * mattes[:, None]
    waves = torch.randn(3, layout.feature_size, generator=generator) * (2 * torch.pi / _FEATURE_WAVELENGTH / 3**0.5)
    phases = 2 * torch.pi * torch.rand(layout.feature_size, generator=generator)
    positions = texels.interpolated(proxies, proxies.positions)
    values[:, layout.features] = 0.5 + 0.35 * torch.sin(positions @ waves + phases)
    return values.clamp(0, 1)
