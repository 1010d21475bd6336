"""Sliders are grouped by the part of the face that they move."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bl_ext.dev.likeness.addon.importing import create_avatar
from bl_ext.dev.likeness.addon.operators import active_rig
from bl_ext.dev.likeness.addon.panels import rig_of_armature
from bl_ext.dev.likeness.addon.posing import evaluated_pose, key_pose, set_pose
from bl_ext.dev.likeness.addon.regions import by_region, label_of, region_of
from mathutils import Euler


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


def test_pinned_properties_are_those_of_the_avatar_that_has_the_armature(imported, avatar):
    other = create_avatar(bpy.context, avatar, "Other")
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    for active in (imported.armature, other.armature, cube, None):
        with bpy.context.temp_override(object=active, armature=imported.armature.data):
            assert rig_of_armature(bpy.context) == imported.armature
    armature = imported.armature.data
    bpy.data.objects.remove(imported.armature)
    with bpy.context.temp_override(object=cube, armature=armature):
        assert rig_of_armature(bpy.context) is None


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


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "AXIS_ANGLE", "QUATERNION"])
def test_key_all_keeps_what_an_artist_posed_in_every_rotation_mode(imported, mode):
    jaw = imported.armature.pose.bones["jaw"]
    jaw.rotation_mode = mode
    jaw.matrix_basis = Euler((0.3, -0.05, 0.02)).to_matrix().to_4x4()
    shown = jaw.matrix_basis.copy()
    bpy.ops.likeness.key_all()
    assert bpy.ops.likeness.reset_pose() == {"FINISHED"}
    assert not any(jaw.matrix_basis.to_euler())
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)
    np.testing.assert_allclose(jaw.matrix_basis, shown, atol=1e-6)


def test_posing_and_reset_leave_rotation_modes_alone(imported):
    from avatars import tiny_poses

    rig = imported.armature
    modes = dict(zip(("root", "neck", "jaw"), ("QUATERNION", "AXIS_ANGLE", "YXZ"), strict=True))
    for name, mode in modes.items():
        rig.pose.bones[name].rotation_mode = mode
    pose = tiny_poses()["all"]
    set_pose(rig, pose)
    found = evaluated_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    for field, value in vars(pose).items():
        np.testing.assert_allclose(getattr(found, field), value, atol=1e-6, err_msg=field)
    bpy.ops.likeness.reset_pose()
    found = evaluated_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    assert not any(np.any(value) for value in vars(found).values())
    assert {name: rig.pose.bones[name].rotation_mode for name in modes} == modes


def test_a_keyed_pose_has_curves_of_one_rotation_mode_per_joint(imported):
    """Those of another mode would move nothing, and come back when somebody changes the mode."""
    from avatars import tiny_poses

    imported.armature.pose.bones["jaw"].rotation_mode = "XYZ"
    for frame, name in enumerate(("rest", "jaw", "all"), 1):
        key_pose(imported.armature, tiny_poses()[name], frame)
    (layer,) = imported.armature.animation_data.action.layers
    paths = {curve.data_path for curve in layer.strips[0].channelbags[0].fcurves}
    assert {path for path in paths if "jaw" in path} == {'pose.bones["jaw"].rotation_euler'}
    assert {path for path in paths if "neck" in path} == {'pose.bones["neck"].rotation_quaternion'}


def test_without_an_avatar_buttons_are_off():
    assert active_rig(bpy.context) is None
    for name in ("reset_pose", "key_all", "set_up_scene"):
        assert not getattr(bpy.ops.likeness, name).poll()
