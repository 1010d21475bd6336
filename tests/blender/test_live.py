"""Decoder weights follow the rig: sliders, timeline, undo, saved files, several avatars."""

from __future__ import annotations

import sys

import bpy
import numpy as np
import pytest
from avatars import tiny_avatar, tiny_poses
from bl_ext.dev.likeness.addon import importing, live
from bl_ext.dev.likeness.addon.decoder import load_decoder
from bl_ext.dev.likeness.addon.live import shown_image
from bl_ext.dev.likeness.addon.posing import key_pose, set_pose
from blender_weights import assert_shows
from likeness.rig import Pose


@pytest.mark.parametrize("engine", ["BLENDER_EEVEE", "CYCLES"])
def test_weights_follow_a_pose(imported, avatar, engine):
    bpy.context.scene.render.engine = engine
    for pose in tiny_poses().values():
        set_pose(imported.armature, pose)
        bpy.context.view_layer.update()
        assert_shows(imported.armature, avatar, pose)


def test_weights_follow_a_single_slider(imported, avatar):
    imported.armature.pose.bones["face"]["smile"] = 0.75
    imported.armature.update_tag()
    bpy.context.view_layer.update()
    assert_shows(imported.armature, avatar, Pose(np.array([0.75, 0, 0], np.float32)))


def test_weights_follow_the_timeline(imported, avatar):
    poses = tiny_poses()
    key_pose(imported.armature, poses["rest"], 1)
    key_pose(imported.armature, poses["all"], 11)
    for frame, name in ((11, "all"), (1, "rest")):
        bpy.context.scene.frame_set(frame)
        assert_shows(imported.armature, avatar, poses[name])


def test_weights_follow_undo_and_redo(imported, avatar):
    poses = tiny_poses()
    for name in ("smile", "all"):
        set_pose(imported.armature, poses[name])
        bpy.context.view_layer.update()
        bpy.ops.ed.undo_push(message=name)
    for step, name in ((bpy.ops.ed.undo, "smile"), (bpy.ops.ed.redo, "all")):
        assert step() == {"FINISHED"}
        # What pointed to the avatar before may not be used any more.
        assert_shows(bpy.data.objects["Tiny"], avatar, poses[name])


def test_cycles_gets_another_image_every_time(imported):
    """It keeps the pixels of an image that it knows when data is persistent."""
    bpy.context.scene.render.engine = "CYCLES"
    images = []
    for name in ("smile", "all", "jaw"):
        set_pose(imported.armature, tiny_poses()[name])
        bpy.context.view_layer.update()
        images.append(shown_image(imported.armature.data).name)
    assert images[0] == images[2] != images[1]


def test_nothing_is_written_when_nothing_moved(imported, monkeypatch):
    bpy.context.view_layer.update()
    written = []
    monkeypatch.setattr(live, "write_weights", lambda image, rows: written.append(image))
    bpy.context.scene.frame_set(5)
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.view_layer.update()
    assert not written
    set_pose(imported.armature, tiny_poses()["smile"])
    bpy.context.view_layer.update()
    assert len(written) == 1


def test_a_saved_file_plays_without_the_avatars_file(imported, avatar, tmp_path):
    poses = tiny_poses()
    set_pose(imported.armature, poses["smile"])
    bpy.context.view_layer.update()
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    rig = bpy.data.objects["Tiny"]
    assert_shows(rig, avatar, poses["smile"])
    assert not any(image.is_dirty for image in bpy.data.images)
    set_pose(rig, poses["all"])
    bpy.context.view_layer.update()
    assert_shows(rig, avatar, poses["all"])


def test_a_saved_file_shows_its_pose_where_the_extension_is_missing(imported, avatar, tmp_path, extension):
    set_pose(imported.armature, tiny_poses()["all"])
    bpy.context.view_layer.update()
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    extension.unregister()
    try:
        bpy.ops.wm.open_mainfile(filepath=path)
        assert_shows(bpy.data.objects["Tiny"], avatar, tiny_poses()["all"])
    finally:
        extension.register()


def test_two_avatars_do_not_mix(imported, avatar):
    other = tiny_avatar(seed=8, basis_count=3)
    second = importing.create_avatar(bpy.context, other, "Tiny")
    set_pose(imported.armature, tiny_poses()["smile"])
    set_pose(second.armature, tiny_poses()["all"])
    bpy.context.view_layer.update()
    assert_shows(imported.armature, avatar, tiny_poses()["smile"])
    assert_shows(second.armature, other, tiny_poses()["all"])


def test_a_deleted_avatar_does_no_harm(imported, capfd):
    for thing in (imported.armature, imported.mesh):
        bpy.data.objects.remove(thing)
    bpy.context.scene.frame_set(7)
    bpy.data.orphans_purge()
    bpy.context.scene.frame_set(8)
    # Blender prints what goes wrong in a handler, and goes on.
    told = capfd.readouterr()
    assert "Error" not in told.out + told.err


def test_stored_decoder_is_the_avatars(imported, avatar):
    decoder, shape = load_decoder(imported.armature.data)
    assert (shape.basis_count, shape.feature_size) == (avatar.basis_count, avatar.feature_size)
    for name in ("weights", "biases", "slopes"):
        for found, expected in zip(getattr(decoder, name), getattr(avatar.decoder, name), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_extension_can_be_disabled_after_another_has_emptied_a_list_of_handlers(extension):
    bpy.app.handlers.depsgraph_update_post.clear()
    extension.unregister()
    try:
        every = (bpy.app.handlers.frame_change_post, bpy.app.handlers.load_post, bpy.app.handlers.undo_post)
        assert not any(handler.__module__ == live.__name__ for handlers in every for handler in handlers)
        assert not hasattr(bpy.types, "LIKENESS_PT_sidebar")
    finally:
        extension.register()


def test_handlers_come_and_go(extension):
    def ours():
        every = bpy.app.handlers
        kinds = (
            every.frame_change_post,
            every.depsgraph_update_post,
            every.load_post,
            every.undo_post,
            every.redo_post,
        )
        return [sum(handler.__module__ == live.__name__ for handler in kind) for kind in kinds]

    for _ in range(2):
        assert ours() == [1] * 5
        extension.unregister()
        assert ours() == [0] * 5
        assert not hasattr(bpy.types, "LIKENESS_PT_sidebar")
        extension.register()
    assert ours() == [1] * 5
    assert "bl_ext.dev.likeness" in sys.modules
