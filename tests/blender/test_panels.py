"""Sliders are grouped by the part of the face that they move."""

from __future__ import annotations

import bpy
import pytest
from bl_ext.dev.likeness.addon.operators import active_rig
from bl_ext.dev.likeness.addon.posing import set_pose
from bl_ext.dev.likeness.addon.regions import by_region, label_of, region_of


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("browInnerUp_L", "Brows"),
        ("eyeBlink_R", "Eyes"),
        ("jawOpen", "Jaw"),
        ("mouthSmile_L", "Mouth"),
        ("tongueOut", "Mouth"),
        ("cheekPuff", "Cheeks"),
        ("cheekSquint_L", "Cheeks"),
        ("noseSneer_R", "Nose"),
        ("expression_07", "Other"),
    ],
)
def test_region_of_a_name(name, region):
    assert region_of(name) == region


def test_every_name_is_in_one_region():
    names = ["jawOpen", "thing", "browDown_L", "other thing"]
    assert sorted(name for members in by_region(names).values() for name in members) == sorted(names)
    assert list(by_region(names)) == ["Brows", "Jaw", "Other"]


@pytest.mark.parametrize(
    ("name", "label"), [("mouthSmile_L", "Mouth Smile L"), ("smile", "Smile"), ("expression_07", "Expression 07")]
)
def test_label_of_a_name(name, label):
    assert label_of(name) == label


def test_the_avatar_that_is_meant(imported):
    context = bpy.context
    assert active_rig(context) == imported.armature
    context.view_layer.objects.active = imported.mesh
    assert active_rig(context) == imported.armature
    bpy.ops.mesh.primitive_cube_add()
    assert active_rig(context) == imported.armature
    assert bpy.ops.likeness.reset_pose.poll()


def test_key_all_keys_what_a_pose_holds(imported):
    from avatars import tiny_poses

    pose = tiny_poses()["all"]
    set_pose(imported.armature, pose)
    bpy.context.scene.frame_set(12)
    set_pose(imported.armature, pose)
    assert bpy.ops.likeness.key_all() == {"FINISHED"}
    (layer,) = imported.armature.animation_data.action.layers
    curves = layer.strips[0].channelbags[0].fcurves
    assert len(curves) == len(pose.expression) + 5 * 4 + 3
    assert {curve.keyframe_points[0].co.x for curve in curves} == {12.0}


def test_without_an_avatar_buttons_are_off():
    assert active_rig(bpy.context) is None
    for name in ("reset_pose", "key_all", "set_up_scene"):
        assert not getattr(bpy.ops.likeness, name).poll()
