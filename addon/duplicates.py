"""Avatars that were duplicated: giving one a look of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy

from .armature import PROPERTY
from .decoder import NEURON_GROUPS, WEIGHTS_IMAGES
from .images import weights_image
from .live import refresh, sharing, shown_image, weights_images


def make_independent(context: bpy.types.Context, rig: bpy.types.Object) -> None:
    """Let an avatar's look follow its own pose, whatever it was duplicated from and however.

    It gets weights, node groups and materials of its own, and, where a linked duplicate has not got them, an armature
    and meshes whose shape keys its own sliders drive. Textures stay shared: nothing changes them.

    Parameters
    ----------
    context : bpy.types.Context
    rig : bpy.types.Object
    """
    others = sharing(rig)
    if any(other.data == rig.data for other in others):
        rig.data = rig.data.copy()
    own = _OwnLook(_own_images(rig.data))
    for mesh in _meshes(rig):
        owners = [other for other in others if any(mesh.data == thing.data for thing in _meshes(other))]
        if owners:
            _turn_drivers(mesh.data.shape_keys, [rig], owners[0])
            mesh.data = mesh.data.copy()
        _turn_drivers(mesh.data.shape_keys, others, rig)
        for slot in mesh.material_slots:
            if slot.material is not None:
                slot.material = own.material(slot.material)
    stored = rig.data[PROPERTY]
    for name in NEURON_GROUPS:
        stored[name] = own.tree(stored[name])
    refresh(context.scene, context.evaluated_depsgraph_get())


def _own_images(armature: bpy.types.Armature) -> dict[bpy.types.Image, bpy.types.Image]:
    """New weights images by those that they replace, and remembered instead of them."""
    shown = shown_image(armature)
    if shown is None:
        # It shows no weights, so there are none to share.
        return {}
    shared = weights_images(armature, shown)
    own = {image: weights_image(image.name, tuple(image.size)) for image in shared}
    for name, image in zip(WEIGHTS_IMAGES, shared, strict=True):
        armature[PROPERTY][name] = own[image]
    # Where the user has deleted one, the other avatar may have made a new one for both.
    own.setdefault(shown, own[shared[0]])
    return own


def _meshes(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """Mesh objects that a rig moves."""
    return [
        thing
        for thing in bpy.data.objects
        if any(modifier.type == "ARMATURE" and modifier.object == rig for modifier in thing.modifiers)
    ]


def _turn_drivers(keys: bpy.types.Key | None, before: list[bpy.types.Object], after: bpy.types.Object) -> None:
    """Let shape keys that rigs drive be driven by another one."""
    curves = keys.animation_data.drivers if keys is not None and keys.animation_data is not None else ()
    for curve in curves:
        for variable in curve.driver.variables:
            for target in variable.targets:
                if target.id in before:
                    target.id = after


@dataclass(frozen=True)
class _OwnLook:
    """Copies of whatever reads shared weights; each is copied once.

    Attributes
    ----------
    images : dict
        Own images by the shared ones.
    copies : dict
        What was copied, or found to read no weights and so kept, and what stands for it.
    """

    images: dict[bpy.types.Image, bpy.types.Image]
    copies: dict[bpy.types.ID, bpy.types.ID] = field(default_factory=dict)

    def material(self, material: bpy.types.Material) -> bpy.types.Material:
        """What a mesh shows instead of a material."""
        if material not in self.copies:
            own = material
            if self._reads(material.node_tree):
                own = material.copy()
                self._replace(own.node_tree)
            self.copies[material] = self.copies[own] = own
        return self.copies[material]

    def tree(self, tree: bpy.types.NodeTree) -> bpy.types.NodeTree:
        """What is used instead of a node group."""
        if tree not in self.copies:
            own = tree
            if self._reads(tree):
                own = tree.copy()
                self._replace(own)
            self.copies[tree] = self.copies[own] = own
        return self.copies[tree]

    def _reads(self, tree: bpy.types.NodeTree | None) -> bool:
        return tree is not None and any(
            self._reads(node.node_tree)
            if node.type == "GROUP"
            else node.type == "TEX_IMAGE" and node.image in self.images
            for node in tree.nodes
        )

    def _replace(self, tree: bpy.types.NodeTree) -> None:
        for node in tree.nodes:
            if node.type == "GROUP" and node.node_tree is not None:
                own = self.tree(node.node_tree)
                if own != node.node_tree:
                    node.node_tree = own
            elif node.type == "TEX_IMAGE" and node.image in self.images:
                node.image = self.images[node.image]
