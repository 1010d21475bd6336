"""Head turns as the camera sees them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from likeness.evaluate.turns import head_turns, outside_training
from likeness.rig import rotation_matrices


def filmed(root=(), neck=(), camera=None, training=None) -> Any:
    """A capture that has nothing but turns, radians."""
    count = max(len(root), len(neck))
    joints = np.zeros((count, 4, 3), np.float32)
    if len(neck):
        joints[:, 0] = neck
    cameras = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    if camera is not None:
        cameras[:, :3, :3] = rotation_matrices(camera)
    rotation = np.array(root, np.float32) if len(root) else np.zeros((count, 3), np.float32)
    return SimpleNamespace(
        root_rotation=rotation,
        joint_rotations=joints,
        camera_to_world=cameras,
        training=training or tuple(range(count)),
    )


def test_a_face_straight_into_the_camera_is_not_turned():
    assert head_turns(filmed(root=[(0, 0, 0)])) == pytest.approx(np.zeros((1, 2)))


def test_turns_of_root_and_neck_add_up_and_a_turned_camera_takes_away():
    turn = np.radians(20)
    both = filmed(root=[(0, turn, 0)], neck=[(0, turn / 2, 0)])
    assert head_turns(both)[0, 0] == pytest.approx(30, abs=1e-3)
    followed = filmed(root=[(0, turn, 0)], camera=np.array([0, turn, 0]))
    assert head_turns(followed)[0] == pytest.approx(np.zeros(2), abs=1e-3)


def test_a_nod_shows_the_top_of_the_head():
    assert head_turns(filmed(neck=[(np.radians(15), 0, 0)]))[0] == pytest.approx([0, 15], abs=1e-3)


def test_what_training_did_not_reach_is_outside():
    yaws = np.radians([-10, 20, 5, 25, -12])
    capture = filmed(root=[(0, yaw, 0) for yaw in yaws], training=(0, 1))
    assert outside_training(capture).tolist() == [False, False, False, True, True]
