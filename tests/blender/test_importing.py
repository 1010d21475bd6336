"""What an import makes deforms as the run-time says, and can be taken back."""

from __future__ import annotations

from dataclasses import replace

import addon_utils
import bpy
import numpy as np
import pytest
from avatars import CORRECTIVES, tiny_avatar, tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon import importing
from bl_ext.dev.likeness.addon.axes import to_blender
from bl_ext.dev.likeness.addon.batch import render_job
from bl_ext.dev.likeness.addon.jobs import Job
from bl_ext.dev.likeness.addon.posing import evaluated_pose, reset_pose, set_pose
from blender_pictures import assert_equal_pictures, load
from likeness.asset.invariants import check_names, corrective_name
from likeness.rig import corrective_features
from likeness.runtime.deform import deform
from likeness.runtime.render import render


def evaluated(thing):
    return thing.evaluated_get(bpy.context.evaluated_depsgraph_get())


def contents():
    """How much there is of everything in the file."""
    kinds = (*importing.MADE, "actions", "texts", "cameras", "scenes", "shape_keys")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


def settings(scene):
    """Render settings that an import may change."""
    return (scene.view_settings.view_transform, scene.cycles.transparent_max_bounces, scene.cycles.samples)


def read(collection, name, width):
    values = np.empty(len(collection) * width, np.float32)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)


@pytest.mark.parametrize("name", tiny_poses())
def test_mesh_deforms_as_the_run_time(imported, avatar, name):
    pose = tiny_poses()[name]
    set_pose(imported.armature, pose)
    mesh = evaluated(imported.mesh).data
    positions, normals = read(mesh.vertices, "co", 3), read(mesh.vertex_normals, "vector", 3)
    welds = [np.unique(layer.weld, return_index=True)[1] for layer in avatar.layers]
    expected = deform(avatar, pose)
    np.testing.assert_allclose(
        positions,
        to_blender(np.concatenate([layer.positions[weld] for layer, weld in zip(expected, welds, strict=True)])),
        # Single precision at a quarter of a metre, with a few products.
        atol=1e-6,
    )
    np.testing.assert_allclose(
        normals,
        to_blender(np.concatenate([layer.normals[weld] for layer, weld in zip(expected, welds, strict=True)])),
        # Blender's arc cosine in single precision is good to a few 1e-5 where a corner is sharp.
        atol=1e-4,
    )


@pytest.mark.parametrize("name", tiny_poses())
def test_pose_is_read_as_it_was_set(imported, name):
    pose = tiny_poses()[name]
    set_pose(imported.armature, pose)
    found = evaluated_pose(evaluated(imported.armature))
    for field, value in vars(pose).items():
        np.testing.assert_allclose(getattr(found, field), value, atol=1e-6, err_msg=field)


def test_reset_is_the_neutral_pose(imported, avatar):
    set_pose(imported.armature, tiny_poses()["all"])
    reset_pose(imported.armature)
    found = evaluated_pose(evaluated(imported.armature))
    assert not any(np.any(value) for value in vars(found).values())


def test_layers_are_slots_inner_first(imported, avatar):
    mesh = imported.mesh.data
    counts = np.bincount(read(mesh.polygons, "material_index", 1)[:, 0].astype(int))
    np.testing.assert_array_equal(counts, [len(layer.faces) for layer in avatar.layers])
    assert np.all(np.diff(read(mesh.polygons, "material_index", 1)[:, 0]) >= 0)
    for material in mesh.materials:
        assert material.surface_render_method == "BLENDED"
        assert not material.use_transparency_overlap
        assert material.use_backface_culling


def test_seams_are_welded_but_keep_their_texture_coordinates(imported, avatar):
    mesh = imported.mesh.data
    assert len(mesh.vertices) == sum(layer.weld.max() + 1 for layer in avatar.layers)
    uv = np.concatenate([layer.uv[layer.faces.ravel()] for layer in avatar.layers])
    found = read(mesh.uv_layers[0].uv, "vector", 2)
    np.testing.assert_allclose(found, np.stack([uv[:, 0], 1 - uv[:, 1]], 1), atol=1e-7)
    assert not mesh.validate()


def test_drivers_need_no_python(imported, avatar):
    drivers = imported.mesh.data.shape_keys.animation_data.drivers
    assert len(drivers) == len(avatar.expression_names) + len(avatar.corrective_entries)
    for curve in drivers:
        assert curve.driver.is_simple_expression, curve.data_path
        assert curve.driver.is_valid


def test_correctives_follow_constraints_and_euler_angles(imported):
    """An artist may turn the jaw in other ways than by its quaternion."""
    jaw = imported.armature.pose.bones["jaw"]
    jaw.rotation_mode = "XYZ"
    jaw.rotation_euler = (0.4, 0, 0)
    key = evaluated(imported.mesh).data.shape_keys.key_blocks["corrective_jaw_12"]
    assert key.value == pytest.approx(-np.sin(0.4), abs=1e-6)
    jaw.rotation_euler = (0, 0, 0)
    constraint = jaw.constraints.new("LIMIT_ROTATION")
    constraint.use_limit_x = True
    constraint.min_x = constraint.max_x = 0.4
    constraint.owner_space = "LOCAL"
    key = evaluated(imported.mesh).data.shape_keys.key_blocks["corrective_jaw_12"]
    assert key.value == pytest.approx(-np.sin(0.4), abs=1e-6)


def test_an_expression_may_have_any_name_that_a_file_allows(avatar):
    names = ("jaw R[1,2]", 'neck "R"', "value\\")
    check_names(names)
    made = importing.create_avatar(bpy.context, replace(avatar, expression_names=names), "Odd")
    pose = tiny_poses()["all"]
    set_pose(made.armature, pose)
    keys = evaluated(made.mesh).data.shape_keys.key_blocks
    np.testing.assert_allclose([keys[name].value for name in names], pose.expression, atol=1e-6)
    assert [key.name for key in keys] == ["Basis", *names, *(corrective_name(entry) for entry in CORRECTIVES)]
    expected = corrective_features(pose.joint_rotations)[list(CORRECTIVES)]
    np.testing.assert_allclose([keys[corrective_name(entry)].value for entry in CORRECTIVES], expected, atol=1e-6)


def test_sliders_have_the_avatars_ranges(imported, avatar):
    face = imported.armature.pose.bones["face"]
    for name, (low, high) in zip(avatar.expression_names, avatar.expression_range, strict=True):
        described = face.id_properties_ui(name).as_dict()
        assert (described["soft_min"], described["soft_max"]) == pytest.approx((low, high))
        assert described["description"]
        # Beyond a slider's end is allowed.
        assert described["min"] < low
        assert described["max"] > high


def test_bones_stand_where_joints_are(imported, avatar):
    bones = imported.armature.data.bones
    for name, place in zip(("root", "neck", "jaw", "eye_l", "eye_r"), avatar.joints, strict=True):
        np.testing.assert_allclose(bones[name].head_local, to_blender(place), atol=1e-6)
    assert bones["jaw"].parent == bones["neck"]
    assert bones["body"].parent is None
    assert not bones["face"].use_deform


def test_operator_and_api_make_the_same(avatar, avatar_file):
    assert bpy.ops.import_scene.likeness(filepath=str(avatar_file)) == {"FINISHED"}
    by_operator = contents(), read(bpy.context.scene.objects["Tiny Layers"].data.vertices, "co", 3)
    bpy.ops.wm.read_homefile(use_empty=True)
    made = importing.create_avatar(bpy.context, avatar, "Tiny")
    assert contents() == by_operator[0]
    np.testing.assert_array_equal(read(made.mesh.data.vertices, "co", 3), by_operator[1])


def test_several_files_can_be_dropped(avatar_file):
    folder = str(avatar_file.parent)
    assert bpy.ops.import_scene.likeness(directory=folder, files=[{"name": "Tiny.glb"}, {"name": "Tiny.glb"}]) == {
        "FINISHED"
    }
    assert len([thing for thing in bpy.data.objects if thing.type == "ARMATURE"]) == 2


@pytest.mark.parametrize("damage", ["cut", "not an avatar", "missing"])
def test_a_bad_file_leaves_everything_as_it_was(avatar_file, tmp_path, damage):
    path = tmp_path / "bad.glb"
    if damage == "cut":
        path.write_bytes(avatar_file.read_bytes()[:-1000])
    elif damage == "not an avatar":
        path.write_bytes(b"glTF but not really")
    before = contents(), settings(bpy.context.scene)
    with pytest.raises(RuntimeError, match=r"bad\.glb"):
        bpy.ops.import_scene.likeness(filepath=str(path))
    assert (contents(), settings(bpy.context.scene)) == before


def test_a_failure_half_way_leaves_everything_as_it_was(avatar, monkeypatch):
    def fail(*_arguments):
        raise MemoryError

    monkeypatch.setattr(importing, "drive_shape_keys", fail)
    bpy.ops.mesh.primitive_cube_add()
    active = bpy.context.view_layer.objects.active
    before = contents()
    with pytest.raises(MemoryError):
        importing.create_avatar(bpy.context, avatar, "Tiny")
    assert contents() == before
    assert bpy.context.view_layer.objects.active == active
    assert bpy.context.selected_objects == [active]


def test_render_settings_are_set_up_only_in_an_empty_scene(avatar_file):
    importing.import_file(bpy.context, avatar_file)
    assert bpy.context.scene.view_settings.view_transform == "Standard"
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    before = settings(bpy.context.scene)
    importing.import_file(bpy.context, avatar_file)
    assert settings(bpy.context.scene) == before
    assert bpy.ops.likeness.set_up_scene() == {"FINISHED"}
    assert bpy.context.scene.view_settings.view_transform == "Standard"
    assert bpy.context.scene.cycles.min_transparent_bounces >= 6
    assert not bpy.ops.likeness.set_up_scene.poll()


@pytest.fixture
def no_cycles():
    """Blender with Cycles' add-on disabled."""
    addon_utils.disable("cycles")
    yield
    addon_utils.enable("cycles")


def test_an_avatar_can_be_imported_and_set_up_without_cycles(no_cycles, avatar, avatar_file, tmp_path):
    scene = bpy.context.scene
    assert not hasattr(scene, "cycles")
    assert bpy.ops.import_scene.likeness(filepath=str(avatar_file), set_up_scene="NEVER") == {"FINISHED"}
    assert bpy.ops.likeness.set_up_scene() == {"FINISHED"}
    assert not bpy.ops.likeness.set_up_scene.poll()
    made = importing.ImportedAvatar(scene.objects["Tiny"], scene.objects["Tiny Layers"])
    pose, camera, path = tiny_poses()["all"], tiny_camera(48), tmp_path / "picture.png"
    render_job(bpy.context, made, Job(pose, camera, "eevee", path))
    assert_equal_pictures(load(path), render(avatar, pose, camera))


def test_import_needs_object_mode(avatar_file):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.import_scene.likeness.poll()


def test_other_sizes_of_decoder_can_be_built():
    """Nothing is wired to the usual numbers of layers, bases and texels."""
    avatar = tiny_avatar(layer_count=5, basis_count=7, tile_size=40, gutter=2, rows=8, columns=8)
    made = importing.create_avatar(bpy.context, avatar, "Odd")
    assert len(made.mesh.data.materials) == 5
