"""Layers without learning: level sets of the head's and the mattes' distance field, with first textures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..capture.model import Capture
from ..raster.warp_rasteriser import WarpRasteriser
from ..rig import CORRECTIVE_COUNT
from .atlas import Atlas, cut_charts, pack_charts
from .baked_texels import baked_texels, dilated
from .canonical import Attributes, CanonicalHead, canonical_head
from .deformer import Deformer
from .distance import canonical_box, head_distance, matte_hull, surface_distance
from .extraction import decimated, extract_level
from .first_look import first_textures
from .foveation import face_foveation
from .frames import TrainingFrames
from .geometry_preset import GeometryPreset
from .grid import Grid
from .head_layers import head_layer
from .mesh import Mesh
from .presets import Preset
from .proxies import Proxies, concatenate_layers

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
    meshes = {level: extract_level(field.values, field.grid, level) for level in preset.geometry.levels if level}
    proxies = layer_proxies(field.head, field.deformer, meshes, preset).torch()
    texels = baked_texels(proxies, WarpRasteriser())
    values = first_textures(proxies, texels, frames, preset.geometry.initial_alpha, views=_VIEWS, seed=seed)
    proxies.textures[texels.layers, texels.rows, texels.columns] = values
    proxies.textures.copy_(dilated(proxies.textures, texels))
    return proxies


def layer_proxies(head: CanonicalHead, deformer: Deformer, meshes: dict[float, Mesh], preset: Preset) -> Proxies:
    """All layers as proxies with empty textures: level sets reduced and charted, and the head mesh between them.

    Parameters
    ----------
    head : CanonicalHead
    deformer : Deformer
    meshes : dict of float to Mesh
        Level sets in canonical space, by level.
    preset : Preset
    """
    geometry, foveation = preset.geometry, face_foveation(head)
    layers = []
    for level in geometry.levels:
        if level == 0.0:
            drawn = head_layer(head, geometry.head_faces)
            atlas = pack_charts(drawn.mesh, drawn.charts, drawn.density, preset.tile_size)
            layers.append(_layer(drawn.mesh, atlas, head.rest[drawn.vertices], drawn.attributes))
            continue
        budget = geometry.core_faces if level == geometry.core_level else geometry.shell_faces
        mesh = decimated(meshes[level], budget, foveation)
        atlas = pack_charts(mesh, cut_charts(mesh), foveation.density(mesh), preset.tile_size)
        attributes = deformer.attributes(mesh.positions)
        layers.append(_layer(mesh, atlas, head.to_rest(mesh.positions, attributes), attributes))
    entries = [entry for entry in range(CORRECTIVE_COUNT) if np.any(head.attributes.corrective_basis[..., entry])]
    for layer in layers:
        layer["corrective_basis"] = layer["corrective_basis"][..., entries]
    channels = 3 * preset.basis_count + 1 + preset.feature_size
    return concatenate_layers(
        layers,
        corrective_entries=np.array(entries, np.int32),
        joints=head.joints,
        levels=np.array(geometry.levels, np.float32),
        textures=np.zeros((len(layers), preset.tile_size, preset.tile_size, channels), np.float32),
        basis_count=preset.basis_count,
        feature_size=preset.feature_size,
    )


def _layer(mesh: Mesh, atlas: Atlas, rest: np.ndarray, attributes: Attributes) -> dict[str, np.ndarray]:
    return {
        "positions": rest,
        "faces": mesh.faces,
        "uv": atlas.uv,
        "faces_uv": atlas.faces_uv,
        "expression_basis": attributes.expression_basis,
        "corrective_basis": attributes.corrective_basis,
        "skin_weights": attributes.skin_weights,
    }
