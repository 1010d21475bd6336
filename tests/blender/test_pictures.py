"""Both engines' pictures are the run-time's, in stills and in animations."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon import importing
from bl_ext.dev.likeness.addon.batch import render_job
from bl_ext.dev.likeness.addon.cameras import set_camera
from bl_ext.dev.likeness.addon.jobs import Job
from bl_ext.dev.likeness.addon.nearest import NEAREST_ONLY
from bl_ext.dev.likeness.addon.posing import key_pose
from bl_ext.dev.likeness.addon.scene import ENGINES, sample_pixel_centres, set_up
from blender_pictures import assert_equal_pictures, errors, load
from bpy_extras.object_utils import world_to_camera_view
from likeness.camera import Camera
from likeness.runtime.render import render
from mathutils import Vector

SIZE = 64
VIEWS = {"rest": tiny_camera(SIZE, azimuth=0.5, elevation=0.2), "all": tiny_camera(SIZE, azimuth=-0.7)}
"""A pose seen from each side."""


@pytest.mark.parametrize("engine", ENGINES)
def test_stills_are_the_run_times(imported, avatar, tmp_path, engine):
    set_up(bpy.context.scene, len(avatar.layers))
    for name, camera in VIEWS.items():
        pose, path = tiny_poses()[name], tmp_path / f"{name}.png"
        render_job(bpy.context, imported, Job(pose, camera, engine, path))
        assert_equal_pictures(load(path), render(avatar, pose, camera))


@pytest.mark.parametrize(("engine", "persistent"), [("eevee", False), ("cycles", False), ("cycles", True)])
def test_animations_are_the_run_times(imported, avatar, tmp_path, engine, persistent):
    scene, camera = bpy.context.scene, VIEWS["rest"]
    set_up(scene, len(avatar.layers))
    sample_pixel_centres(scene)
    scene.render.engine, scene.render.use_persistent_data = ENGINES[engine], persistent
    set_camera(scene, camera)
    poses = [tiny_poses()[name] for name in ("rest", "smile", "all")]
    for frame, pose in enumerate(poses, 1):
        key_pose(imported.armature, pose, frame)
    scene.frame_start, scene.frame_end = 1, len(poses)
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.render.filepath = f"{tmp_path}/"
    bpy.ops.render.render(animation=True)
    for frame, pose in enumerate(poses, 1):
        assert_equal_pictures(load(tmp_path / f"{frame:04d}.png"), render(avatar, pose, camera))


def test_sixteen_bases_fit_into_cycles(tmp_path):
    """A full decoder is near the end of Cycles' stack; beyond it, a picture comes out magenta or black."""
    avatar = tiny_avatar(layer_count=1, basis_count=16, tile_size=16, rows=8, columns=10)
    made = importing.create_avatar(bpy.context, avatar, "Full")
    set_up(bpy.context.scene, 1)
    path = tmp_path / "full.png"
    render_job(bpy.context, made, Job(tiny_poses()["rest"], tiny_camera(32), "cycles", path))
    assert_equal_pictures(load(path), render(avatar, tiny_poses()["rest"], tiny_camera(32)))


def test_sharp_textures_do_not_bleed(tmp_path):
    """Transparent texels with loud colours beside opaque ones, seen small: neither engine may blend them wrongly."""
    avatar = tiny_avatar(layer_count=2, hard_edges=True)
    made = importing.create_avatar(bpy.context, avatar, "Sharp")
    set_up(bpy.context.scene, 2)
    camera = tiny_camera(48, distance=0.9)
    expected = render(avatar, tiny_poses()["smile"], camera)
    for engine in ENGINES:
        path = tmp_path / f"{engine}.png"
        render_job(bpy.context, made, Job(tiny_poses()["smile"], camera, engine, path))
        assert_equal_pictures(load(path), expected)


@pytest.mark.parametrize(("fx", "fy"), [(150.0, 150.0), (150.0, 120.0), (120.0, 150.0)])
def test_camera_has_the_pictures_intrinsics(fx, fy):
    camera = Camera(160, 90, fx, fy, 70.5, 52.25, tiny_camera(64, azimuth=0.4, elevation=0.3).camera_to_world)
    scene = bpy.context.scene
    viewer = set_camera(scene, camera)
    bpy.context.view_layer.update()
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (20, 3)).astype(np.float32)
    for point, expected in zip(points, camera.project(points), strict=True):
        x, y, z = point.tolist()
        share = world_to_camera_view(scene, viewer, Vector((x, -z, y)))
        # Single precision of a picture 160 pixels wide.
        np.testing.assert_allclose((share.x * 160, (1 - share.y) * 90), expected, atol=1e-4)


def test_cycles_can_draw_only_the_nearest_surface_of_a_layer(tmp_path):
    """A translucent ball of the outer layer before the head: Eevee shows one surface, and so must Cycles if told to."""
    avatar = _with_ball(tiny_avatar(layer_count=2))
    made = importing.create_avatar(bpy.context, avatar, "Ball")
    set_up(bpy.context.scene, 2)
    pose, camera = tiny_poses()["rest"], tiny_camera(SIZE)
    expected = render(avatar, pose, camera)
    render_job(bpy.context, made, Job(pose, camera, "cycles", tmp_path / "nearest.png"))
    made.mesh[NEAREST_ONLY] = False
    made.mesh.update_tag()
    bpy.context.scene.render.filepath = str(tmp_path / "all.png")
    bpy.ops.render.render(write_still=True)
    nearest, everything = (errors(load(tmp_path / f"{name}.png"), expected) for name in ("nearest", "all"))
    assert np.percentile(nearest, 98) < 1
    # The ball covers a twentieth of the head or more; without the switch all of it is wrong.
    assert np.percentile(everything, 95) > 6


def _with_ball(avatar):
    """The avatar with a small copy of its outermost layer, as a part of that layer, floating before the face."""
    layer = avatar.layers[-1]
    ball = layer.positions * 0.35 + np.array([0.01, 0.02, 0.14], np.float32)

    def twice(values, axis=0):
        return np.concatenate([values, values], axis)

    # Level zero would be the head mesh, which is exempt.
    doubled = replace(
        layer,
        level=layer.level + 0.006,
        positions=np.concatenate([layer.positions, ball]),
        faces=np.concatenate([layer.faces, layer.faces + len(layer.positions)]),
        uv=twice(layer.uv),
        weld=np.concatenate([layer.weld, layer.weld + layer.weld.max() + 1]).astype(layer.weld.dtype),
        expression_targets=twice(layer.expression_targets, 1),
        corrective_targets=twice(layer.corrective_targets, 1),
        skin_weights=twice(layer.skin_weights),
    )
    return replace(avatar, layers=(*avatar.layers[:-1], doubled))
