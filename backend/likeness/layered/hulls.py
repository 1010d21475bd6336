"""Layers without learning: level sets of the head's and the mattes' distance field, with first textures."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from ..capture.model import Capture
from ..raster.warp_rasteriser import WarpRasteriser
from .assembly import AssembledLayers, assembled, head_mesh, level_set
from .atlas import cut_charts, pack_charts
from .baked_texels import baked_texels, dilated
from .canonical import CanonicalHead
from .deformer import Deformer
from .extraction import decimated
from .first_look import first_textures
from .foveation import face_foveation
from .frames import TrainingFrames
from .grid import Grid
from .head_layers import head_layer
from .hull_field import HullField, carved_field, in_main_memory
from .nesting import nesting
from .outline_fit import fitted_outline
from .presets import Preset
from .proxies import Proxies


def hull_field(frames: TrainingFrames, capture: Capture, preset: Preset, seed: int = 0) -> HullField:
    """The distance field of a captured person, its outline fitted to the training frames' mattes."""
    carved = carved_field(frames, capture, preset.geometry)
    return fitted_outline(carved, frames, preset, WarpRasteriser(), steps=preset.geometry.outline_steps, seed=seed)


def hull_proxies(frames: TrainingFrames, capture: Capture, preset: Preset, seed: int = 0) -> Proxies:
    """Layers from the distance field alone, textures projected from training pictures: fine-tuning's plain start."""
    frames = in_main_memory(frames)
    field = hull_field(frames, capture, preset, seed)
    grid = field.grid.with_cell(preset.geometry.extraction_cell)
    values = field.grid.resampled(field.values, grid)
    layers = shaped_layers(field.head, field.deformer, values, grid, preset)
    return first_looked(layers, frames, preset, seed)


def first_looked(layers: AssembledLayers, frames: TrainingFrames, preset: Preset, seed: int) -> Proxies:
    """Layers with first textures, as torch tensors."""
    proxies = layers.proxies.torch()
    opacity = torch.as_tensor(layers.opacity_prior(preset.geometry.opacities))
    texels = baked_texels(proxies, WarpRasteriser())
    values = first_textures(proxies, texels, frames, opacity=opacity, seed=seed)
    proxies.textures[texels.layers, texels.rows, texels.columns] = values
    proxies.textures.copy_(dilated(proxies.textures, texels.coverage(proxies)))
    return proxies


def shaped_layers(
    head: CanonicalHead, deformer: Deformer, values: np.ndarray, grid: Grid, preset: Preset
) -> AssembledLayers:
    """All layers with empty textures: level sets reduced and charted, and the head mesh between them.

    Parameters
    ----------
    head : CanonicalHead
    deformer : Deformer
    values : (X, Y, Z) float32
        The field in canonical space.
    grid : Grid
        Its grid.
    preset : Preset
    """
    geometry, foveation, nested = preset.geometry, face_foveation(head), nesting(head, grid)
    layers, atlases = [], []
    for level in geometry.levels:
        if level == 0.0:
            drawn = head_layer(head, geometry.head_faces)
            layers.append(head_mesh(head, drawn))
            atlases.append(pack_charts(drawn.mesh, drawn.charts, drawn.density, preset.tile_size))
            continue
        budget = geometry.core_faces if level == geometry.core_level else geometry.shell_faces
        reduced = partial(decimated, face_count=budget, foveation=foveation)
        layer = level_set(head, deformer, values, grid, level, geometry, nested, reduced)
        layers.append(layer)
        atlases.append(pack_charts(layer.mesh, cut_charts(layer.mesh), foveation.density(layer.mesh), preset.tile_size))
    return assembled(head, layers, atlases, preset, preset.tile_size)
