"""From meshes in canonical space to proxies: rest positions and attributes, all layers in one set of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .atlas import Atlas
from .canonical import Attributes, CanonicalHead
from .deformer import Deformer
from .extraction import extract_level
from .geometry_preset import GeometryPreset
from .grid import Grid
from .head_layers import HeadLayer
from .mesh import Mesh
from .nesting import Nesting
from .presets import Preset
from .proxies import Proxies, concatenate_layers

Array = npt.NDArray[np.float32]

SOLID_OPACITY = 0.95
"""First opacity of what is taken to be the opaque surface."""


@dataclass(frozen=True)
class LayerMesh:
    """One layer before it has textures.

    Attributes
    ----------
    mesh : Mesh
        In canonical space.
    rest : (V, 3) float32
        Its vertices at rest.
    heights : (V,) float32
        Where they lie in the field that has the surface at zero, metres: a level set's own level, less what it sinks.
    attributes : Attributes
        What moves them.
    bare : (V,) float32
        How much the head model alone should be seen there, 0..1.
    solid : (V,) float32
        How much the layer is the opaque surface there, 0..1, whatever opacity its layer starts with.
    """

    mesh: Mesh
    rest: Array
    heights: Array
    attributes: Attributes
    bare: Array
    solid: Array


@dataclass(frozen=True)
class AssembledLayers:
    """Layers with empty textures.

    Attributes
    ----------
    proxies : Proxies
    canonical : (V, 3) float32
        Their vertices in canonical space.
    heights : (V,) float32
        Where they lie in the field that has the surface at zero, metres.
    bare : (V,) float32
        How much a shell should stay clear there, 0..1: the head mesh is seen better without it. Zero on other layers.
    solid : (V,) float32
        How much a layer is the opaque surface there, 0..1.
    """

    proxies: Proxies
    canonical: Array
    heights: Array
    bare: Array
    solid: Array

    def opacity_prior(self, alphas: tuple[float, ...]) -> Array:
        """First opacity (V,) at each vertex, given each layer's: a tenth of it where a shell should stay clear."""
        of_vertex = np.zeros(len(self.bare), np.float32)
        of_vertex[self.proxies.faces] = np.asarray(alphas, np.float32)[self.proxies.face_layers][:, None]
        loose = of_vertex * (1 - 0.9 * self.bare)
        return loose + self.solid * (SOLID_OPACITY - loose)


def level_set(
    head: CanonicalHead,
    deformer: Deformer,
    values: Array,
    grid: Grid,
    level: float,
    geometry: GeometryPreset,
    nested: Nesting | None,
    reduced: Callable[[Mesh], Mesh] = lambda mesh: mesh,
) -> LayerMesh:
    """A level set as a layer that moves as the deformer says.

    Parameters
    ----------
    head : CanonicalHead
    deformer : Deformer
    values : (X, Y, Z) float32
        The field in canonical space.
    grid : Grid
        Its grid.
    level : float
        Metres.
    geometry : GeometryPreset
        Tells which layers are the core and the cover.
    nested : Nesting, optional
        Sinks these; without it every layer is where its level is.
    reduced : callable
        What becomes of the mesh before anything is looked up at its vertices.
    """
    field = values if nested is None else nested.sunk(values, level, geometry)
    mesh = reduced(extract_level(field, grid, level))
    heights = np.full(len(mesh.positions), level, np.float32)
    solid = np.zeros(len(mesh.positions), np.float32)
    if nested is not None:
        heights -= grid.sample(field - values, mesh.positions)
        solid = nested.solid(mesh.positions, level, geometry)
    attributes, bare = deformer.looked_up(mesh.positions)
    return LayerMesh(mesh, head.to_rest(mesh.positions, attributes), heights, attributes, bare, solid)


def head_mesh(head: CanonicalHead, drawn: HeadLayer) -> LayerMesh:
    """The head mesh as a layer that moves as the head model says."""
    nothing = np.zeros(len(drawn.vertices), np.float32)
    return LayerMesh(drawn.mesh, head.rest[drawn.vertices], nothing, drawn.attributes, nothing, nothing)


def assembled(
    head: CanonicalHead, layers: list[LayerMesh], atlases: list[Atlas], preset: Preset, tile_size: int
) -> AssembledLayers:
    """Join layers, inner to outer, with textures of ``tile_size`` texels that are all zero."""
    moved = [np.abs(layer.attributes.corrective_basis).max((0, 1)) for layer in layers]
    entries = np.flatnonzero(np.max([np.abs(head.attributes.corrective_basis).max((0, 1)), *moved], 0) > 0)
    parts = [
        {
            "positions": layer.rest,
            "faces": layer.mesh.faces,
            "uv": atlas.uv,
            "faces_uv": atlas.faces_uv,
            "expression_basis": layer.attributes.expression_basis,
            "corrective_basis": layer.attributes.corrective_basis[..., entries],
            "skin_weights": layer.attributes.skin_weights,
        }
        for layer, atlas in zip(layers, atlases, strict=True)
    ]
    channels = preset.layout.channels
    proxies = concatenate_layers(
        parts,
        corrective_entries=entries,
        joints=head.joints,
        levels=np.array(preset.geometry.levels),
        textures=np.zeros((len(layers), tile_size, tile_size, channels), np.float32),
        basis_count=preset.basis_count,
        feature_size=preset.feature_size,
    )
    # Where no head mesh lies behind them, shells are all that shows the face.
    clear = [level > 0 and preset.geometry.head_mesh for level in preset.geometry.levels]
    bare = [layer.bare * stays for layer, stays in zip(layers, clear, strict=True)]
    canonical = np.concatenate([layer.mesh.positions for layer in layers])
    heights = np.concatenate([layer.heights for layer in layers])
    solid = np.concatenate([layer.solid for layer in layers])
    return AssembledLayers(proxies, canonical, heights, np.concatenate(bare), solid)
