"""Stage 2: freeze what stage 1 has learnt into layers with textures."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..capture.model import Capture
from ..raster.warp_rasteriser import WarpRasteriser
from .baked_texels import BakedTexels, baked_texels, dilated
from .compositing import linear_to_srgb, srgb_to_linear
from .field import project_to_level
from .frames import TrainingFrames
from .hull_field import in_main_memory
from .hulls import first_looked, shaped_layers
from .presets import Preset
from .proxies import Proxies
from .stage_one import StageOne

_JITTER = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
_CHUNK = 65536


@torch.no_grad()
def bake(learned: StageOne, frames: TrainingFrames, capture: Capture, preset: Preset) -> Proxies:
    """Layers of the learned surface, textured with the learned radiance.

    Each texel is the mean of four samples: the surface under it, taken to the level set exactly, seen by the radiance
    field. Texels off the surface continue the nearest one on it.
    """
    field, manifold = learned.field, learned.manifold
    grid = field.grid.with_cell(preset.geometry.extraction_cell)
    layers = shaped_layers(field.head, field.deformer.with_torso(learned.torso), manifold.volume(grid), grid, preset)
    if not preset.geometry.stage_one.keep_look:
        return first_looked(layers, in_main_memory(frames), preset, seed=0)
    proxies = layers.proxies.torch()
    canonical, layout = torch.as_tensor(layers.canonical), proxies.layout
    heights = torch.as_tensor(layers.heights)[:, None]
    prior = torch.as_tensor(layers.opacity_prior(preset.geometry.opacities))[:, None]

    def look(texels: BakedTexels) -> torch.Tensor:
        points = texels.interpolated(proxies, canonical)
        levels = texels.interpolated(proxies, heights)[:, 0]
        on_level = proxies.levels[texels.layers] != 0
        points[on_level] = project_to_level(manifold, points[on_level], levels[on_level], steps=2)
        opacity = texels.interpolated(proxies, prior)[:, 0]
        parts = zip(points.split(_CHUNK), opacity.split(_CHUNK), strict=True)
        sampled = torch.cat([learned.radiance(place, expected) for place, expected in parts])
        split = (layout.colour.stop, 1, layout.feature_size)
        colour, alpha, features = sampled.split(split, 1)
        return torch.cat([srgb_to_linear(colour), alpha.expand(-1, layout.alpha_count), features], 1)

    fill_textures(proxies, look)
    return proxies


def fill_textures(proxies: Proxies, look: Callable[[BakedTexels], torch.Tensor]) -> None:
    """Fill the proxies' textures from a look at surface points.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors; textures are overwritten.
    look : callable
        Values (N, C) of places on the surface, in the layout of textures but with colours in linear light.
    """
    size, layout = proxies.tile_size, proxies.layout
    total = torch.zeros(proxies.layer_count * size * size, layout.channels)
    count = torch.zeros(len(total))
    rasteriser = WarpRasteriser()
    for offset in _JITTER:
        texels = baked_texels(proxies, rasteriser, offset)
        place = (texels.layers * size + texels.rows) * size + texels.columns
        total.index_add_(0, place, look(texels))
        count.index_add_(0, place, torch.ones(len(place)))
    covered = count > 0
    mean = total[covered] / count[covered, None]
    textures = proxies.textures.view(-1, layout.channels)
    textures[covered, : layout.colour.stop] = linear_to_srgb(mean[:, layout.colour])
    textures[covered, layout.colour.stop :] = mean[:, layout.colour.stop :]
    proxies.textures.copy_(dilated(proxies.textures, covered.view(proxies.textures.shape[:3])))
