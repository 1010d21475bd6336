"""Layers without learning: level sets of the head's and the mattes' distance field, with first textures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..capture.model import Capture
from ..raster.warp_rasteriser import WarpRasteriser
from .assembly import AssembledLayers, assembled, head_mesh, shell
from .atlas import cut_charts, pack_charts
from .baked_texels import baked_texels, dilated
from .canonical import CanonicalHead, canonical_head
from .deformer import Deformer
from .distance import canonical_box, head_distance, matte_hull, surface_distance
from .extraction import decimated, extract_level
from .first_look import first_textures
from .foveation import face_foveation
from .frames import TrainingFrames
from .geometry_preset import GeometryPreset
from .grid import Grid
from .head_layers import head_layer
from .presets import Preset
from .proxies import Proxies

HULL_CELL = 0.006
"""Grid cell of the matte hull, metres: mattes are smooth, and every node is projected into many pictures."""

_VIEWS = 12


@dataclass(frozen=True)
class HullField:
    """What is known before learning: the canonical head, how points move, and a distance field of the whole person.

    Attributes
    ----------
    head : CanonicalHead
    deformer : Deformer
    grid : Grid
    values : (X, Y, Z) float32
        Signed distance, negative inside, metres.
    """

    head: CanonicalHead
    deformer: Deformer
    grid: Grid
    values: np.ndarray


def hull_field(frames: TrainingFrames, capture: Capture, preset: GeometryPreset) -> HullField:
    """Build the distance field of a captured person."""
    head = canonical_head(capture.head, capture.identity)
    low, high = canonical_box(frames, capture, head, margin=max(preset.shell_levels) + 2 * preset.cell)
    grid = Grid.over(low, high, preset.cell)
    deformer = Deformer(head, low, high)
    hull_grid = grid.with_cell(HULL_CELL)
    hull = matte_hull(frames, capture, head, deformer, grid=hull_grid, count=preset.hull_frames)
    return HullField(head, deformer, grid, surface_distance(head, head_distance(head, grid), hull, hull_grid))


def hull_proxies(frames: TrainingFrames, capture: Capture, preset: Preset, seed: int = 0) -> Proxies:
    """Layers from the distance field alone, textures projected from training pictures: fine-tuning's plain start."""
    field = hull_field(frames, capture, preset.geometry)
    grid = field.grid.with_cell(preset.geometry.extraction_cell)
    values = field.grid.resampled(field.values, grid)
    proxies = shaped_layers(field.head, field.deformer, values, grid, preset).proxies.torch()
    texels = baked_texels(proxies, WarpRasteriser())
    values = first_textures(proxies, texels, frames, preset.geometry.initial_alpha, views=_VIEWS, seed=seed)
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
    geometry, foveation = preset.geometry, face_foveation(head)
    layers, atlases = [], []
    for level in geometry.levels:
        if level == 0.0:
            drawn = head_layer(head, geometry.head_faces)
            layers.append(head_mesh(head, drawn))
            atlases.append(pack_charts(drawn.mesh, drawn.charts, drawn.density, preset.tile_size))
            continue
        budget = geometry.core_faces if level == geometry.core_level else geometry.shell_faces
        mesh = decimated(extract_level(values, grid, level), budget, foveation)
        layers.append(shell(head, deformer, mesh))
        atlases.append(pack_charts(mesh, cut_charts(mesh), foveation.density(mesh), preset.tile_size))
    return assembled(head, layers, atlases, preset, preset.tile_size)
