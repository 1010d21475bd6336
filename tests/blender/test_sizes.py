"""Materials are built for any number of layers, bases and features, and look as the run-time says."""

from __future__ import annotations

import bpy
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon.batch import render_job
from bl_ext.dev.likeness.addon.importing import create_avatar
from bl_ext.dev.likeness.addon.jobs import Job
from bl_ext.dev.likeness.addon.scene import set_up
from blender_pictures import assert_equal_pictures, load
from likeness.runtime.render import render

SIZE = 48


@pytest.mark.parametrize(
    ("layers", "bases", "features", "gutter"), [(1, 1, 4, 4), (2, 5, 12, 3), (12, 3, 8, 1), (2, 16, 4, 2)]
)
def test_a_material_of_any_size_is_the_run_times(tmp_path, layers, bases, features, gutter):
    avatar = tiny_avatar(
        layer_count=layers, basis_count=bases, feature_size=features, gutter=gutter, tile_size=24, rows=16, columns=16
    )
    imported = create_avatar(bpy.context, avatar, "Odd")
    set_up(bpy.context.scene, layers)
    pose, camera, path = tiny_poses()["all"], tiny_camera(SIZE, azimuth=0.3), tmp_path / "odd.png"
    render_job(bpy.context, imported, Job(pose, camera, "cycles", path))
    assert_equal_pictures(load(path), render(avatar, pose, camera))
