"""Making an avatar's objects from what its file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.likeness.asset import read_layered_avatar
from ..backend.likeness.asset.layered import LayeredAvatar
from .armature import create_armature
from .decoder import store_decoder
from .decoder_graph import DecoderShape, build_decoder, build_layer
from .drivers import drive_shape_keys
from .images import solid_color, texture_image, weights_image
from .live import refresh
from .materials import layer_material
from .mesh import create_mesh
from .nearest import add_nearest_only
from .scene import is_empty, set_up

MADE = ("objects", "collections", "armatures", "meshes", "materials", "node_groups", "images")
"""Kinds of data-blocks that an import makes."""


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


def import_file(context: bpy.types.Context, path: Path, *, set_up_scene: bool | None = None) -> ImportedAvatar:
    """Import an avatar's .glb file.

    Parameters
    ----------
    context : bpy.types.Context
    path : Path
    set_up_scene : bool, optional
        Whether to change render settings for the avatar's sake; by default only if nothing else is in the scene.

    Raises
    ------
    LikenessError
        If the file is no avatar. Nothing was made then.
    """
    avatar = read_layered_avatar(Path(path))
    wanted = is_empty(context.scene) if set_up_scene is None else set_up_scene
    made = create_avatar(context, avatar, Path(path).stem)
    if wanted:
        set_up(context.scene, len(avatar.layers))
    return made


def create_avatar(context: bpy.types.Context, avatar: LayeredAvatar, name: str) -> ImportedAvatar:
    """Make a collection with an avatar's armature and mesh, and select the armature.

    If anything goes wrong, what was made until then is removed again.

    Parameters
    ----------
    context : bpy.types.Context
    avatar : LayeredAvatar
    name : str
        Name of the collection and of what is made; Blender adds a number where it is taken.
    """
    with _all_or_nothing(context):
        made = _create(context, avatar, name)
    _select(context, made.armature)
    refresh(context.scene, context.evaluated_depsgraph_get())
    return made


def _create(context: bpy.types.Context, avatar: LayeredAvatar, name: str) -> ImportedAvatar:
    shape = DecoderShape.of(avatar)
    weights = tuple(weights_image(f"{name} {label}", shape.weights_size) for label in ("Weights", "Other Weights"))
    groups = build_decoder(name, shape, weights[0])
    materials, opacity = [], 1.0
    for index, layer in enumerate(avatar.layers):
        label = f"{name} Layer {index + 1}"
        features = texture_image(f"{label} Features", layer.features, encoded=False)
        bases = texture_image(f"{label} Bases", layer.bases, encoded=True)
        look = build_layer(label, groups, features, bases)
        # In Solid mode no layer hides one that lies within: what textures hold where nobody ever looked may be opaque.
        red, green, blue, alpha = solid_color(bases)
        opacity = min(opacity, alpha)
        materials.append(layer_material(label, look, len(avatar.layers) - 1 - index, (red, green, blue, opacity)))
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    rig = create_armature(context, name, avatar, collection)
    mesh = create_mesh(f"{name} Layers", avatar, materials)
    collection.objects.link(mesh)
    mesh.parent = rig
    mesh.modifiers.new("Armature", "ARMATURE").object = rig
    add_nearest_only(mesh, [layer.level for layer in avatar.layers])
    drive_shape_keys(mesh, rig, avatar)
    store_decoder(rig.data, avatar, groups, weights)
    return ImportedAvatar(rig, mesh)


def _select(context: bpy.types.Context, rig: bpy.types.Object) -> None:
    for thing in context.view_layer.objects.selected:
        thing.select_set(False)
    rig.select_set(True)
    context.view_layer.objects.active = rig


@contextmanager
def _all_or_nothing(context: bpy.types.Context) -> Iterator[None]:
    """Remove, if the block raises, every data-block that it made, and make active what was."""
    active = context.view_layer.objects.active
    before = {block.session_uid for kind in MADE for block in getattr(bpy.data, kind)}
    try:
        yield
    except BaseException:
        made = [block for kind in MADE for block in getattr(bpy.data, kind) if block.session_uid not in before]
        bpy.data.batch_remove(made)
        context.view_layer.objects.active = active
        raise
