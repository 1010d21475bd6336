"""Duplicates of an avatar share its look until they are made independent."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from avatars import tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon import live
from bl_ext.dev.likeness.addon.armature import PROPERTY
from bl_ext.dev.likeness.addon.batch import render_job
from bl_ext.dev.likeness.addon.decoder import WEIGHTS_IMAGES
from bl_ext.dev.likeness.addon.duplicates import make_independent
from bl_ext.dev.likeness.addon.importing import ImportedAvatar
from bl_ext.dev.likeness.addon.jobs import Job
from bl_ext.dev.likeness.addon.live import sharing, shown_image
from bl_ext.dev.likeness.addon.posing import set_pose
from bl_ext.dev.likeness.addon.scene import ENGINES, set_up
from blender_pictures import assert_equal_pictures, load
from blender_weights import assert_shows
from likeness.runtime.render import render


def duplicate(made, *, linked=False):
    """What Shift+D makes of an avatar, or Alt+D."""
    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in (made.armature, made.mesh))
    bpy.context.view_layer.objects.active = made.armature
    assert bpy.ops.object.duplicate(linked=linked) == {"FINISHED"}
    copies = {thing.type: thing for thing in bpy.context.selected_objects}
    return ImportedAvatar(copies["ARMATURE"], copies["MESH"])


def move(thing, collection):
    """Take an object from where it is."""
    for before in thing.users_collection:
        before.objects.unlink(thing)
    collection.objects.link(thing)


def pose_both(first, second):
    """Pose two rigs by names, and let the scene follow."""
    for made, name in (first, second):
        set_pose(made.armature, tiny_poses()[name])
    bpy.context.view_layer.update()


def key_values(made):
    """Weights of a mesh's shape keys, after drivers."""
    mesh = made.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    return [key.value for key in mesh.shape_keys.key_blocks]


def counted_writes(monkeypatch):
    """The list that every writing of weights is put into from now on."""
    written, write = [], live.write_weights

    def counted(image, rows):
        written.append(image.name)
        write(image, rows)

    monkeypatch.setattr(live, "write_weights", counted)
    return written


@pytest.fixture(params=[False, True], ids=["copied", "linked"])
def copy(request, imported):
    """A duplicate of the avatar."""
    return duplicate(imported, linked=request.param)


@pytest.mark.parametrize("engine", ENGINES.values())
def test_a_shared_look_follows_the_original(imported, avatar, copy, engine):
    bpy.context.scene.render.engine = engine
    for name in ("smile", "jaw"):
        pose_both((imported, name), (copy, "all"))
        assert_shows(imported.armature, avatar, tiny_poses()[name])
        assert shown_image(copy.armature.data) == shown_image(imported.armature.data)


@pytest.mark.parametrize(("linked", "shown"), [(False, "all"), (True, "smile")])
def test_a_shared_look_follows_the_copy_where_the_original_is_put_away(imported, avatar, linked, shown):
    """Except the linked copy's, whose shape keys the original's sliders still drive."""
    copy = duplicate(imported, linked=linked)
    away = bpy.data.collections.new("Away")
    bpy.context.scene.collection.children.link(away)
    for thing in (imported.armature, imported.mesh):
        move(thing, away)
    bpy.context.view_layer.layer_collection.children["Away"].exclude = True
    pose_both((imported, "smile"), (copy, "all"))
    assert_shows(copy.armature, avatar, tiny_poses()[shown])
    np.testing.assert_allclose(key_values(copy)[1:4], tiny_poses()[shown].expression, atol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_a_shared_look_follows_the_copy_in_a_render_without_the_original(imported, avatar, tmp_path, name):
    copy = duplicate(imported)
    pose_both((imported, "smile"), (copy, "rest"))
    for thing in (imported.armature, imported.mesh):
        thing.hide_render = True
    set_up(bpy.context.scene, len(avatar.layers))
    pose, camera, path = tiny_poses()["all"], tiny_camera(48, azimuth=0.3), tmp_path / "copy.png"
    render_job(bpy.context, copy, Job(pose, camera, name, path))
    assert_equal_pictures(load(path), render(avatar, pose, camera))


@pytest.mark.parametrize("engine", ENGINES.values())
def test_a_shared_look_is_written_once(imported, copy, engine, monkeypatch):
    bpy.context.scene.render.engine = engine
    bpy.context.view_layer.update()
    written = counted_writes(monkeypatch)
    pose_both((imported, "smile"), (copy, "all"))
    for _ in range(3):
        copy.mesh.update_tag()
        bpy.context.view_layer.update()
    assert len(written) == 1


def test_a_look_that_two_scenes_share_comes_to_rest(imported, monkeypatch):
    """Each scene, shown in a window of its own, is told of what the other's handler has changed."""
    copy = duplicate(imported)
    first, second = bpy.context.scene, bpy.data.scenes.new("Second")
    for thing in (copy.armature, copy.mesh):
        move(thing, second.collection)
    layers = [scene.view_layers[0] for scene in (first, second)]
    for scene, layer in zip((first, second), layers, strict=True):
        scene.render.engine = "CYCLES"
        layer.update()
    written = counted_writes(monkeypatch)
    for made, name in ((imported, "smile"), (copy, "all")):
        set_pose(made.armature, tiny_poses()[name])
    for _ in range(4):
        for layer in layers:
            layer.update()
    assert len(written) == 1


@pytest.mark.parametrize("engine", ENGINES.values())
@pytest.mark.parametrize("pressed", ["original", "copy"])
def test_an_independent_avatar_follows_its_own_pose(imported, avatar, copy, engine, pressed):
    scene = bpy.context.scene
    scene.render.engine = engine
    bpy.context.view_layer.objects.active = (imported if pressed == "original" else copy).armature
    assert bpy.ops.likeness.make_independent() == {"FINISHED"}
    assert not bpy.ops.likeness.make_independent.poll()
    assert not sharing(imported.armature)
    for first, second in (("smile", "all"), ("all", "stretch"), ("jaw", "rest")):
        pose_both((imported, first), (copy, second))
        for made, name in ((imported, first), (copy, second)):
            pose = tiny_poses()[name]
            assert_shows(made.armature, avatar, pose)
            # The basis, the expressions, and then what correctives make of the joints.
            np.testing.assert_allclose(key_values(made)[1 : 1 + len(pose.expression)], pose.expression, atol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_an_independent_avatar_looks_as_the_run_time_says(imported, avatar, copy, tmp_path, name):
    make_independent(bpy.context, copy.armature)
    set_pose(imported.armature, tiny_poses()["smile"])
    for thing in (imported.armature, imported.mesh):
        thing.hide_render = True
    set_up(bpy.context.scene, len(avatar.layers))
    pose, camera, path = tiny_poses()["all"], tiny_camera(48, azimuth=0.3), tmp_path / "copy.png"
    render_job(bpy.context, copy, Job(pose, camera, name, path))
    assert_equal_pictures(load(path), render(avatar, pose, camera))


def test_independence_leaves_the_other_avatar_alone_and_shares_textures(imported, copy):
    materials, trees = list(imported.mesh.data.materials), set(bpy.data.node_groups)
    textures = len(bpy.data.images)
    make_independent(bpy.context, copy.armature)
    assert list(imported.mesh.data.materials) == materials
    assert not set(copy.mesh.data.materials) & set(materials)
    assert len(bpy.data.images) == textures + 2
    # One for each layer, and those that evaluate hidden and mixing neurons; what samples textures is as it was.
    assert len(set(bpy.data.node_groups) - trees) == len(materials) + 3


def test_independence_is_one_step_to_undo(imported, avatar):
    copy = duplicate(imported)
    pose_both((imported, "smile"), (copy, "all"))
    bpy.ops.ed.undo_push(message="Posed")
    # As by the button, which leaves a step to undo.
    assert bpy.ops.likeness.make_independent("EXEC_DEFAULT", True) == {"FINISHED"}
    assert bpy.ops.ed.undo() == {"FINISHED"}
    first, second = (bpy.data.objects[name] for name in ("Tiny", "Tiny.001"))
    assert sharing(first) == [second]
    assert_shows(first, avatar, tiny_poses()["smile"])
    assert bpy.ops.ed.redo() == {"FINISHED"}
    first, second = (bpy.data.objects[name] for name in ("Tiny", "Tiny.001"))
    assert not sharing(first)
    assert_shows(first, avatar, tiny_poses()["smile"])
    assert_shows(second, avatar, tiny_poses()["all"])


def test_a_saved_independent_avatar_stays_independent(imported, avatar, copy, tmp_path):
    make_independent(bpy.context, copy.armature)
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    for name, pose in (("Tiny", "smile"), ("Tiny.001", "all")):
        set_pose(bpy.data.objects[name], tiny_poses()[pose])
    bpy.context.view_layer.update()
    assert_shows(bpy.data.objects["Tiny"], avatar, tiny_poses()["smile"])
    assert_shows(bpy.data.objects["Tiny.001"], avatar, tiny_poses()["all"])


def test_of_three_linked_avatars_each_can_be_made_independent(imported, avatar):
    second, third = (duplicate(imported, linked=True) for _ in range(2))
    for made in (imported, second):
        make_independent(bpy.context, made.armature)
    for made, name in ((imported, "smile"), (second, "all"), (third, "stretch")):
        set_pose(made.armature, tiny_poses()[name])
    bpy.context.view_layer.update()
    for made, name in ((imported, "smile"), (second, "all"), (third, "stretch")):
        assert not sharing(made.armature)
        assert_shows(made.armature, avatar, tiny_poses()[name])
        np.testing.assert_allclose(key_values(made)[1:4], tiny_poses()[name].expression, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES.values())
@pytest.mark.parametrize("poses", [("smile", "all"), ("smile", "all", "jaw")], ids=len)
def test_of_two_weights_images_the_hidden_one_may_be_deleted(imported, avatar, copy, engine, poses):
    bpy.context.scene.render.engine = engine
    shown, stored = shown_image(copy.armature.data), copy.armature.data[PROPERTY]
    hidden = next(stored[name] for name in WEIGHTS_IMAGES if stored[name] != shown)
    bpy.data.images.remove(hidden)
    # In Cycles each change is written to the other image.
    for name in poses:
        pose_both((imported, name), (copy, name))
        assert_shows(copy.armature, avatar, tiny_poses()[name])
    bpy.context.view_layer.objects.active = copy.armature
    assert bpy.ops.likeness.make_independent() == {"FINISHED"}
    pose_both((imported, "smile"), (copy, "all"))
    for made, name in ((imported, "smile"), (copy, "all")):
        assert_shows(made.armature, avatar, tiny_poses()[name])


def test_only_an_avatar_that_shares_its_look_can_be_made_independent(imported):
    assert not bpy.ops.likeness.make_independent.poll()
    copy = duplicate(imported)
    assert bpy.ops.likeness.make_independent.poll()
    bpy.ops.object.mode_set(mode="POSE")
    assert bpy.ops.likeness.make_independent.poll()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.likeness.make_independent.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    for thing in (copy.armature, copy.mesh):
        bpy.data.objects.remove(thing)
    bpy.context.view_layer.objects.active = imported.armature
    assert not bpy.ops.likeness.make_independent.poll()
