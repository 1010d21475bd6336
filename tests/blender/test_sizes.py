"""Materials are built for any number of layers, bases and features, and look as the run-time says."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from bl_ext.dev.likeness.addon.batch import render_job
from bl_ext.dev.likeness.addon.importing import create_avatar
from bl_ext.dev.likeness.addon.jobs import Job
from bl_ext.dev.likeness.addon.scene import set_up
from likeness.runtime.colour import linear_to_srgb, srgb_to_linear
from likeness.runtime.render import render

SIZE = 48


def on_white(picture):
    return 255 * linear_to_srgb(np.clip(picture[..., :3] + 1 - picture[..., 3:], 0, 1))


def load(path):
    """A PNG as linear, premultiplied light, first row on top."""
    image = bpy.data.images.load(str(path))
    image.alpha_mode = "CHANNEL_PACKED"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    picture = pixels.reshape(image.size[1], image.size[0], 4)[::-1]
    return np.concatenate([srgb_to_linear(picture[..., :3]) * picture[..., 3:], picture[..., 3:]], -1)


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
    found, expected = load(path), render(avatar, pose, camera)
    difference = np.abs(on_white(found) - on_white(expected))[(found[..., 3] > 0) | (expected[..., 3] > 0)]
    # A picture's own rounding costs a quarter of a step on average; silhouettes may differ by a pixel.
    assert difference.mean() < 0.75
    assert np.percentile(difference, 98) < 1.5
