"""The avatar's mesh: all layers in one object, so that slots are drawn in order and shape keys are driven once."""

from __future__ import annotations

import bpy
import numpy as np
import numpy.typing as npt

from ..backend.likeness.asset.invariants import target_names
from ..backend.likeness.asset.layered import LayeredAvatar
from ..backend.likeness.rig import AVATAR_JOINTS
from .axes import to_blender

SHAPE_KEY_RANGE = 10.0
"""Blender clamps driven values, too, to a key's range; this is far beyond any weight and its greatest limit."""


def create_mesh(name: str, avatar: LayeredAvatar, materials: list[bpy.types.Material]) -> bpy.types.Object:
    """The mesh object with its material slots, texture coordinates, shape keys and vertex groups.

    Vertices that textures' seams had split are welded, so that Blender smooths across seams as the run-time does.

    Parameters
    ----------
    name : str
    avatar : LayeredAvatar
    materials : list of bpy.types.Material
        One per layer, inner first.
    """
    firsts = [np.unique(layer.weld, return_index=True)[1] for layer in avatar.layers]
    starts = np.cumsum([0, *(len(first) for first in firsts)])[:-1]

    def welded(values: list[npt.NDArray], axis: int = 0) -> npt.NDArray:
        parts = [np.take(value, first, axis) for value, first in zip(values, firsts, strict=True)]
        return np.concatenate(parts, axis)

    faces = np.concatenate(
        [layer.weld[layer.faces] + start for layer, start in zip(avatar.layers, starts, strict=True)]
    )
    loop_uv = np.concatenate([layer.uv[layer.faces.ravel()] for layer in avatar.layers])
    layer_of_face = np.repeat(np.arange(len(avatar.layers)), [len(layer.faces) for layer in avatar.layers])
    rest = to_blender(welded([layer.positions for layer in avatar.layers]))

    mesh = bpy.data.meshes.new(name)
    _fill(mesh, rest, faces, loop_uv, layer_of_face)
    for material in materials:
        mesh.materials.append(material)
    target = bpy.data.objects.new(name, mesh)
    displacements = [
        *welded([layer.expression_targets for layer in avatar.layers], 1),
        *welded([layer.corrective_targets for layer in avatar.layers], 1),
    ]
    _add_shape_keys(target, rest, dict(zip(target_names(avatar), displacements, strict=True)))
    _add_vertex_groups(target, welded([layer.skin_weights for layer in avatar.layers]))
    return target


def _fill(
    mesh: bpy.types.Mesh,
    positions: npt.NDArray,
    faces: npt.NDArray,
    loop_uv: npt.NDArray,
    layer_of_face: npt.NDArray,
) -> None:
    mesh.vertices.add(len(positions))
    mesh.vertices.foreach_set("co", positions.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel().astype(np.int32))
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.polygons.foreach_set("material_index", layer_of_face.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    # The file counts rows from the top of a picture, Blender from the bottom.
    coordinates = np.stack([loop_uv[:, 0], 1 - loop_uv[:, 1]], 1).astype(np.float32)
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", coordinates.ravel())
    mesh.update(calc_edges=True)


def _add_shape_keys(target: bpy.types.Object, rest: npt.NDArray, displacements: dict[str, npt.NDArray]) -> None:
    target.shape_key_add(name="Basis", from_mix=False)
    for name, displacement in displacements.items():
        key = target.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", (rest + to_blender(displacement)).astype(np.float32).ravel())
        key.slider_min, key.slider_max = -SHAPE_KEY_RANGE, SHAPE_KEY_RANGE
        key.value = 0.0


def _add_vertex_groups(target: bpy.types.Object, weights: npt.NDArray) -> None:
    for joint, column in zip(AVATAR_JOINTS, weights.T, strict=True):
        group = target.vertex_groups.new(name=joint)
        # One call per distinct weight would be slow only for smooth weights, and those are what there is.
        for index in np.flatnonzero(column):
            group.add([int(index)], float(column[index]), "REPLACE")
