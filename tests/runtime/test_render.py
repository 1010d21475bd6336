"""Pictures whose values follow from the rules of the run-time alone."""

from dataclasses import replace

import numpy as np
import pytest
from avatars import encode_png, tiny_avatar, tiny_camera, tiny_poses
from likeness.camera import Camera
from likeness.rig import Pose, rotation_matrices
from likeness.runtime.colour import srgb_to_linear
from likeness.runtime.composite import over, premultiplied
from likeness.runtime.render import render, render_layers, unpack_all_textures

AVATAR = tiny_avatar()
POSES = tiny_poses()
CENTRE = (32, 32)


def painted(*texels: tuple[int, int, int, int]):
    """The avatar with one flat colour per layer, the same in all bases."""
    side = AVATAR.tile_size + 2 * AVATAR.gutter
    layers = [
        replace(layer, bases=encode_png(np.tile(np.array(texel, np.uint8), (2 * side, 2 * side, 1))))
        for layer, texel in zip(AVATAR.layers, texels, strict=True)
    ]
    return replace(AVATAR, layers=tuple(layers))


def test_layers_lie_over_each_other_in_linear_light():
    texels = [(200, 40, 10, 255), (20, 180, 60, 128), (30, 60, 220, 64)]
    picture = render(painted(*texels), POSES["rest"], tiny_camera(64))
    expected = np.zeros(4)
    for texel in texels:
        colour, alpha = srgb_to_linear(np.array(texel[:3]) / 255), texel[3] / 255
        expected = np.array([*(alpha * colour), alpha]) + (1 - alpha) * expected
    np.testing.assert_allclose(picture[CENTRE], expected, atol=1e-6)


def test_no_layer_is_forced_to_be_opaque():
    picture = render(painted(*[(255, 255, 255, 51)] * 3), POSES["rest"], tiny_camera(64))
    np.testing.assert_allclose(picture[CENTRE], [1 - 0.8**3] * 4, atol=1e-6)


def test_the_background_shows_through_and_around():
    background = np.array([0.1, 0.2, 0.3, 1.0], np.float32)
    picture = render(painted(*[(0, 0, 0, 51)] * 3), POSES["rest"], tiny_camera(64), background)
    np.testing.assert_allclose(picture[0, 0], background)
    np.testing.assert_allclose(picture[CENTRE], [0.1 * 0.512, 0.2 * 0.512, 0.3 * 0.512, 1], atol=1e-6)


def test_the_background_may_be_a_picture():
    background = np.random.default_rng(1).random((64, 64, 4)).astype(np.float32)
    clear = render(painted(*[(9, 9, 9, 0)] * 3), POSES["rest"], tiny_camera(64), background)
    np.testing.assert_array_equal(clear, background)


def test_a_picture_is_float32_linear_premultiplied():
    picture = render(AVATAR, POSES["all"], tiny_camera(64))
    assert picture.dtype == np.float32 and picture.shape == (64, 64, 4)
    assert (picture[..., :3] <= picture[..., 3:] + 1e-6).all()
    assert (picture[0, 0] == 0).all()


def test_what_the_camera_sees_is_all_that_matters():
    """Turning the head's root, or walking around it the other way, gives the same picture: all is in camera space."""
    body_free = replace(
        AVATAR,
        layers=tuple(
            replace(layer, skin_weights=np.tile(np.eye(6, dtype=np.float32)[1], (len(layer.positions), 1)))
            for layer in AVATAR.layers
        ),
    )
    turn = rotation_matrices([0.0, 0.6, 0.0])
    pivot = AVATAR.joints[0]
    turned = replace(POSES["rest"], root_rotation=np.array([0.0, 0.6, 0.0], np.float32))
    camera = tiny_camera(96)
    matrix = camera.camera_to_world.copy()
    matrix[:3, :3] = turn.T @ matrix[:3, :3]
    matrix[:3, 3] = turn.T @ (matrix[:3, 3] - pivot) + pivot
    first = render(body_free, turned, camera)
    second = render(body_free, POSES["rest"], replace(camera, camera_to_world=matrix))
    # The same rays but for rounding; it may move a ray across an edge at a few pixels of the outline.
    assert np.mean(np.abs(first - second).max(-1) > 1e-3) < 5e-3
    assert np.abs(render(body_free, POSES["rest"], camera) - first).mean() > 1e-2


def test_the_subjects_left_ear_is_on_the_right_of_the_picture():
    alpha = render(AVATAR, POSES["rest"], tiny_camera(128))[..., 3] > 0
    columns = np.flatnonzero(alpha.any(0))
    assert columns[-1] - 64 > 64 - columns[0] + 3


def test_layers_are_given_inner_to_outer():
    layers = render_layers(AVATAR, POSES["rest"], tiny_camera(64))
    covered = (layers[..., 3] > 0).sum((1, 2))
    assert covered[0] < covered[1] < covered[2]
    picture = np.zeros((64, 64, 4), np.float32)
    for layer in layers:
        picture = over(premultiplied(layer), picture)
    np.testing.assert_array_equal(picture, render(AVATAR, POSES["rest"], tiny_camera(64)))


def test_textures_may_be_unpacked_once():
    textures = unpack_all_textures(AVATAR)
    for pose in POSES.values():
        np.testing.assert_array_equal(
            render(AVATAR, pose, tiny_camera(32), textures=textures), render(AVATAR, pose, tiny_camera(32))
        )


@pytest.mark.parametrize("pose", [name for name in POSES if name != "rest"])
def test_every_pose_looks_different_from_rest(pose):
    difference = np.abs(render(AVATAR, POSES[pose], tiny_camera(64)) - render(AVATAR, POSES["rest"], tiny_camera(64)))
    assert difference.mean() > 2e-3


def test_a_picture_is_the_same_at_twice_the_size_where_nothing_changes_fast():
    """Pixel centres, not corners: halving a picture of twice the size moves nothing."""
    small, large = (render(AVATAR, POSES["rest"], tiny_camera(size)) for size in (64, 128))
    halved = large.reshape(64, 2, 64, 2, 4).mean((1, 3))
    inside = np.s_[22:42, 22:42]
    assert np.abs(small[inside] - halved[inside]).max() < 0.02


def test_a_wide_picture_is_the_middle_of_a_square_one():
    square = tiny_camera(64)
    wide = Camera(64, 32, square.fx, square.fy, 32.0, 16.0, square.camera_to_world)
    np.testing.assert_allclose(
        render(AVATAR, POSES["rest"], wide), render(AVATAR, POSES["rest"], square)[16:48], atol=1e-5
    )


def test_an_unknown_expression_count_is_refused():
    with pytest.raises(ValueError, match="expressions"):
        render(AVATAR, Pose(np.zeros(1, np.float32)), tiny_camera(8))
