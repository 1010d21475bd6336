"""A pose that was told wrong is found again from the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from likeness.evaluate.fitting import fitted
from likeness.evaluate.metrics import psnr
from likeness.evaluate.pictures import Truth, over
from likeness.layered.playback import Player

SIZE = 96


@pytest.fixture(scope="module")
def player() -> Player:
    return Player(tiny_avatar())


@pytest.fixture(scope="module")
def target(player) -> Truth:
    """The tiny head as it is in its pose called smile; the middle of it counts as face."""
    picture = player.render(tiny_poses()["smile"], tiny_camera(SIZE))
    face = np.zeros((SIZE, SIZE), bool)
    face[30:66, 34:62] = True
    return Truth(over(picture), picture[..., 3], face)


def drawn(player, pose, camera, target) -> float:
    return psnr(over(player.render(pose, camera)), target.picture, target.face)


def test_a_turn_and_a_shift_are_found_again(player, target):
    pose, camera = tiny_poses()["smile"], tiny_camera(SIZE)
    wrong = replace(
        pose, root_rotation=np.array([0.004, -0.005, 0.003]), root_translation=np.array([0.0008, -0.0006, 0.0])
    )
    before = drawn(player, wrong, camera, target)
    after = drawn(player, *fitted(player, wrong, camera, target), target)
    # The wrong pose moves features by half a pixel; a step at the end moves them by a hundredth.
    assert after > before + 6


def test_the_right_pose_stays_nearly_where_it_is(player, target):
    pose, camera = tiny_poses()["smile"], tiny_camera(SIZE)
    found, moved = fitted(player, pose, camera, target)
    # Random places inside the pixels pull it about; a thousandth of a radian is a tenth of a pixel.
    assert np.abs(found.root_rotation - pose.root_rotation).max() < 1e-3
    np.testing.assert_array_equal(found.expression, pose.expression)
    np.testing.assert_array_equal(found.joint_rotations[1:], pose.joint_rotations[1:])
    assert np.abs(moved.camera_to_world - camera.camera_to_world).max() < 2e-3


def test_without_a_face_nothing_moves(player, target):
    pose, camera = tiny_poses()["smile"], tiny_camera(SIZE)
    unseen = replace(target, face=np.zeros_like(target.face))
    assert fitted(player, pose, camera, unseen) == (pose, camera)


def test_the_same_seed_gives_the_same_fit(player, target):
    pose, camera = tiny_poses()["smile"], tiny_camera(SIZE)
    first, second = (fitted(player, pose, camera, target)[0] for _ in range(2))
    np.testing.assert_array_equal(first.root_rotation, second.root_rotation)
