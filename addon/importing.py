"""Making an avatar's objects from what its file holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from .armature import create_armature
from .decoder import store_decoder
from .decoder_graph import DecoderShape, build_decoder, build_layer
from .drivers import drive_shape_keys
from .images import texture_image, weights_image
from .live import refresh
from .materials import layer_material
from .mesh import create_mesh


@dataclass(frozen=True)
class ImportedAvatar:
    """What an import made.

    Attributes
    ----------
    armature : bpy.types.Object
        Carries the expression, the joints and the decoder.
    mesh : bpy.types.Object
        All layers.
    """

    armature: bpy.types.Object
    mesh: bpy.types.Object


def create_avatar(context: bpy.types.Context, avatar: Any, name: str) -> ImportedAvatar:
    """Make a collection with an avatar's armature and mesh, and select the armature.

    Parameters
    ----------
    context : bpy.types.Context
    avatar : LayeredAvatar
    name : str
        Name of the collection and of what is made; Blender adds a number where it is taken.
    """
    weights = weights_image(f"{name} Weights", DecoderShape.of(avatar).weights_size)
    groups = build_decoder(name, DecoderShape.of(avatar), weights)
    materials = []
    for index, layer in enumerate(avatar.layers):
        label = f"{name} Layer {index + 1}"
        features = texture_image(f"{label} Features", layer.features, encoded=False)
        bases = texture_image(f"{label} Bases", layer.bases, encoded=True)
        materials.append(layer_material(label, build_layer(label, groups, features, bases)))
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    rig = create_armature(context, name, avatar, collection)
    mesh = create_mesh(name, avatar, materials)
    collection.objects.link(mesh)
    mesh.parent = rig
    modifier = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    drive_shape_keys(mesh, rig, avatar)
    store_decoder(rig.data, avatar, weights)
    refresh(context.evaluated_depsgraph_get())
    return ImportedAvatar(rig, mesh)
