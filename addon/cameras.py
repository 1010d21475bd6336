"""Blender cameras with a picture's exact intrinsics."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.likeness.camera import Camera
from .axes import TO_BLENDER

NEAR, FAR = 0.01, 100.0


def set_camera(scene: bpy.types.Scene, camera: Camera) -> bpy.types.Object:
    """Make the scene's camera and picture size those of ``camera``; adds a camera if the scene has none.

    Parameters
    ----------
    scene : bpy.types.Scene
    camera : likeness.camera.Camera
        World axes are the run-time's (Y up).

    Returns
    -------
    bpy.types.Object
        The camera.
    """
    viewer = scene.camera
    if viewer is None:
        viewer = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(viewer)
        scene.camera = viewer
    _set_picture(scene.render, camera)
    lens = viewer.data
    lens.type = "PERSP"
    lens.sensor_fit = "HORIZONTAL"
    lens.lens = camera.fx * lens.sensor_width / camera.width
    # Shifts are in units of the picture's width; a pixel's height counts by the pixels' aspect.
    aspect = camera.fx / camera.fy
    lens.shift_x = (camera.width / 2 - camera.cx) / camera.width
    lens.shift_y = (camera.cy - camera.height / 2) * aspect / camera.width
    lens.clip_start, lens.clip_end = NEAR, FAR
    turn = np.eye(4)
    turn[:3, :3] = TO_BLENDER
    viewer.rotation_mode = "QUATERNION"
    viewer.matrix_world = Matrix((turn @ camera.camera_to_world.astype(np.float64)).tolist())
    return viewer


def key_camera(viewer: bpy.types.Object, frame: float) -> None:
    """Key where a camera is and how it sees."""
    for path in ("location", "rotation_quaternion"):
        viewer.keyframe_insert(path, frame=frame)
    for path in ("lens", "shift_x", "shift_y"):
        viewer.data.keyframe_insert(path, frame=frame)


def _set_picture(render: bpy.types.RenderSettings, camera: Camera) -> None:
    render.resolution_x, render.resolution_y, render.resolution_percentage = camera.width, camera.height, 100
    # Blender accepts aspects from one upwards only.
    render.pixel_aspect_x = max(1.0, camera.fy / camera.fx)
    render.pixel_aspect_y = max(1.0, camera.fx / camera.fy)
