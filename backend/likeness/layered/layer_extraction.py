"""Layers for stage 1: extracted quickly, without decimation or texture charts, to be replaced as the surface moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .assembly import LayerMesh, assembled, head_mesh, level_set
from .atlas import Atlas
from .canonical import bare_vertices
from .core_opening import open_core
from .field import Manifold
from .head_layers import head_layer
from .hull_field import HullField
from .nesting import Nesting, nesting
from .presets import Preset
from .proxies import Proxies

_SKIN_SAMPLES = 3000
_NEIGHBOURS = 16


@dataclass(frozen=True)
class TrainingLayers:
    """Layers as stage 1 rasterises them.

    Attributes
    ----------
    proxies : Proxies
        Torch tensors; texture coordinates and textures mean nothing.
    canonical : (V, 3) float32
        Vertices in canonical space.
    heights : (V,) float32
        Where vertices of level sets lie in the manifold, metres.
    opacity : (V,) float32
        What opacity is expected at each vertex.
    fixed : (L,) bool
        Layers that are meshes of their own and no level sets: the head mesh.
    skin : (S, 3) float32
        Points of the face's skin in canonical space, where the field must stay zero.
    field : HullField
        Whose deformer knows skin weights anywhere.
    head : LayerMesh
        The head mesh, which stays as it is.
    neighbours : (V, 16) int32
        The skin vertices nearest to each vertex; empty where hits are not refined.
    nesting : Nesting or None
        What layers sank by.
    """

    proxies: Proxies
    canonical: torch.Tensor
    heights: torch.Tensor
    opacity: torch.Tensor
    fixed: torch.Tensor
    skin: torch.Tensor
    field: HullField
    head: LayerMesh
    neighbours: torch.Tensor
    nesting: Nesting | None


def training_layers(
    field: HullField,
    manifold: Manifold,
    preset: Preset,
    previous: TrainingLayers | None = None,
    *,
    nested: bool = False,
) -> TrainingLayers:
    """Extract all layers of the manifold as it is now.

    Parameters
    ----------
    field : HullField
    manifold : Manifold
    preset : Preset
    previous : TrainingLayers, optional
        Layers of the same head, asked for in the same way; what does not change is taken from them.
    nested : bool
        Whether core and cover sink, and the core is open under the head mesh, as those of a finished avatar.
    """
    geometry, head = preset.geometry, field.head
    grid = field.grid.with_cell(geometry.stage_one.cell)
    values = manifold.volume(grid)
    drawn = head_mesh(head, head_layer(head, geometry.head_faces)) if previous is None else previous.head
    sinking = None
    if nested:
        sinking = nesting(head, grid) if previous is None else previous.nesting
    layers = [
        drawn if level == 0.0 else level_set(head, field.deformer, values, grid, level, geometry, sinking)
        for level in geometry.levels
    ]
    no_atlases = [Atlas(np.zeros((1, 2), np.float32), np.zeros_like(layer.mesh.faces)) for layer in layers]
    result = assembled(head, layers, no_atlases, preset, tile_size=1)
    proxies = result.proxies.torch()
    return TrainingLayers(
        open_core(proxies) if nested else proxies,
        torch.as_tensor(result.canonical),
        torch.as_tensor(result.heights),
        torch.as_tensor(result.opacity_prior(geometry.opacities)),
        torch.tensor([level == 0.0 for level in geometry.levels]),
        torch.as_tensor(_skin_points(field)),
        field,
        drawn,
        _neighbours(field, result.canonical, geometry.stage_one.refinement_steps > 0),
        sinking,
    )


def _neighbours(field: HullField, points: np.ndarray, wanted: bool) -> torch.Tensor:
    if not wanted:
        return torch.zeros(0, _NEIGHBOURS, dtype=torch.int32)
    return torch.as_tensor(field.deformer.nearest(points, _NEIGHBOURS))


def _skin_points(field: HullField) -> np.ndarray:
    """Vertices (S, 3) of the face below the hair line, where the head model knows the surface."""
    candidates = field.head.points[bare_vertices(field.head)]
    return candidates[:: max(1, len(candidates) // _SKIN_SAMPLES)]
