"""The avatar's armature: six joints, and a control that carries the expression."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from rna_prop_ui import rna_idprop_ui_create

from ..backend.likeness.asset.layered import LayeredAvatar
from ..backend.likeness.rig import AVATAR_JOINTS, JOINTS, PARENTS
from .axes import to_blender
from .handles import FACE, dress

PROPERTY = "likeness"
"""Custom property of an avatar's armature data: everything that the add-on has to remember."""

LIMIT = 10.0
"""What may be typed beyond a slider's ends."""

BONE_LENGTH = 0.05


def create_armature(
    context: bpy.types.Context, name: str, avatar: LayeredAvatar, collection: bpy.types.Collection
) -> bpy.types.Object:
    """The armature object, in rest, with its expression sliders.

    Every bone points up and is rolled so that its own axes are the run-time's (X to the subject's left, Y up, Z out of
    the face): a bone's quaternion and location are then the joint's rotation and translation, number for number.

    Parameters
    ----------
    context : bpy.types.Context
    name : str
    avatar : LayeredAvatar
    collection : bpy.types.Collection
        Where the object goes.
    """
    armature = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, armature)
    collection.objects.link(rig)
    _add_bones(context, rig, avatar)
    _add_sliders(rig.pose.bones[FACE], avatar)
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
        # What a pose does not hold cannot be moved by accident.
        bone.lock_scale = (True, True, True)
        bone.lock_location = (bone.name != "root",) * 3
    bones = rig.pose.bones
    bones[FACE].lock_rotation = (True, True, True)
    bones[FACE].lock_rotation_w = True
    dress(rig, avatar)
    return rig


def _add_bones(context: bpy.types.Context, rig: bpy.types.Object, avatar: LayeredAvatar) -> None:
    """Bones can be made only in edit mode."""
    places = to_blender(avatar.joints)
    context.view_layer.objects.active = rig
    with context.temp_override(active_object=rig, object=rig, selected_objects=[rig]):
        bpy.ops.object.mode_set(mode="EDIT")
        bones = rig.data.edit_bones
        for joint, parent, place in zip(JOINTS, PARENTS, places, strict=True):
            bone = _add_bone(bones, joint, place)
            if parent >= 0:
                bone.parent = bones[JOINTS[parent]]
        _add_bone(bones, AVATAR_JOINTS[-1], places[0])
        face = _add_bone(bones, FACE, places[JOINTS.index("jaw")])
        face.parent = bones["neck"]
        face.use_deform = False
        bpy.ops.object.mode_set(mode="OBJECT")


def _add_bone(bones: Any, name: str, place: np.ndarray) -> bpy.types.EditBone:
    bone = bones.new(name)
    bone.head = place
    bone.tail = place + np.array([0, 0, BONE_LENGTH], np.float32)
    bone.align_roll((0, -1, 0))
    return bone


def _add_sliders(face: bpy.types.PoseBone, avatar: LayeredAvatar) -> None:
    for name, (low, high) in zip(avatar.expression_names, avatar.expression_range, strict=True):
        rna_idprop_ui_create(
            face,
            name,
            default=0.0,
            min=-LIMIT,
            max=LIMIT,
            soft_min=float(low),
            soft_max=float(high),
            description=f"Weight of the expression {name}",
            overridable=True,
        )
