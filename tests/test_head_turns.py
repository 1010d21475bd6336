"""Head turns as the camera sees them."""

import numpy as np
import pytest
from likeness.head_turns import head_turns, turned_neck
from likeness.rig import rotation_matrices


def turns(root=(0, 0, 0), neck=(0, 0, 0), camera=(0, 0, 0)) -> np.ndarray:
    """Of one frame; axis-angle, radians."""
    camera_to_world = np.eye(4, dtype=np.float32)
    camera_to_world[:3, :3] = rotation_matrices(camera)
    return head_turns(np.array([root], np.float32), np.array([neck], np.float32), camera_to_world[None])[0]


def test_a_face_straight_into_the_camera_is_not_turned():
    assert turns() == pytest.approx(np.zeros(2))


def test_turns_of_root_and_neck_add_up_and_a_turned_camera_takes_away():
    turn = np.radians(20)
    assert turns(root=(0, turn, 0), neck=(0, turn / 2, 0))[0] == pytest.approx(30, abs=1e-3)
    assert turns(root=(0, turn, 0), camera=(0, turn, 0)) == pytest.approx(np.zeros(2), abs=1e-3)


def test_a_nod_shows_the_top_of_the_head():
    assert turns(neck=(np.radians(15), 0, 0)) == pytest.approx([0, 15], abs=1e-3)


def test_a_head_is_turned_as_the_camera_sees_it():
    camera, root, neck = (0.1, -0.2, 0.05), (0.05, 0.3, -0.1), (0.1, 0.0, 0.2)
    camera_to_world = np.eye(4, dtype=np.float32)
    camera_to_world[:3, :3] = rotation_matrices(camera)
    further = turned_neck(np.array(root, np.float32), np.array(neck, np.float32), camera_to_world, (20, 0))
    # About the camera's vertical: the face's direction keeps its height.
    assert turns(root, further, camera) - turns(root, neck, camera) == pytest.approx([20, 0], abs=1e-2)
    still = np.zeros(3, np.float32)
    nodded = turned_neck(still, still, np.eye(4, dtype=np.float32), (0, 12))
    assert turns(neck=nodded) == pytest.approx([0, 12], abs=1e-3)
