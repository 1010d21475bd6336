"""Posing in torch gives what likeness.rig and the NumPy run-time give, and has gradients everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from avatars import tiny_avatar, tiny_camera, tiny_poses
from likeness import rig
from likeness.layered.deformation import (
    PoseCorrections,
    TorchPose,
    camera_vertices,
    corrective_features,
    posed_vertices,
    skinning_transforms,
)
from likeness.layered.playback import proxies_of_avatar
from likeness.runtime.deform import deform

POSES = tiny_poses()


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


@pytest.fixture(scope="module")
def proxies(avatar):
    return proxies_of_avatar(avatar).torch()


@pytest.mark.parametrize("name", POSES)
def test_skinning_transforms_are_the_rigs(avatar, name):
    ours = skinning_transforms(TorchPose.of(POSES[name]), torch.as_tensor(avatar.joints))
    np.testing.assert_allclose(ours.numpy(), rig.skinning_transforms(POSES[name], avatar.joints), atol=1e-6)


@pytest.mark.parametrize("name", POSES)
def test_corrective_features_are_the_rigs(name):
    ours = corrective_features(torch.as_tensor(POSES[name].joint_rotations))
    np.testing.assert_allclose(ours.numpy(), rig.corrective_features(POSES[name].joint_rotations), atol=1e-6)


@pytest.mark.parametrize("name", POSES)
def test_vertices_are_the_runtimes(avatar, proxies, name):
    ours = posed_vertices(proxies, TorchPose.of(POSES[name])).numpy()
    start = 0
    for layer, deformed in zip(avatar.layers, deform(avatar, POSES[name]), strict=True):
        np.testing.assert_allclose(ours[start + layer.weld], deformed.positions, atol=1e-6)
        start += layer.weld.max() + 1
    assert start == len(ours)


def test_camera_space_is_the_cameras(proxies):
    camera = tiny_camera(azimuth=0.4, elevation=-0.2)
    shift = torch.tensor([0.001, 0.002, -0.003])
    ours = camera_vertices(proxies.positions, camera, shift)
    np.testing.assert_allclose(ours.numpy(), camera.to_camera(proxies.positions.numpy()) + shift.numpy(), atol=1e-6)


def test_a_pose_at_rest_has_the_gradients_of_a_small_turn():
    """The axis-angle map is singular at zero only in its formula: its derivative there is the cross product."""
    joints = torch.zeros(len(rig.JOINTS), 3)
    rotation = torch.zeros(3, requires_grad=True)
    pose = TorchPose(torch.zeros(1), rotation, torch.zeros(3), torch.zeros(4, 3))
    moved = skinning_transforms(pose, joints)[0, :, :3] @ torch.tensor([0.0, 0.0, 1.0])
    moved[0].backward()
    assert rotation.grad is not None
    np.testing.assert_allclose(rotation.grad.numpy(), [0.0, 1.0, 0.0], atol=1e-6)


def test_corrections_start_at_nothing_and_touch_only_their_frame():
    corrections = PoseCorrections(3, 2)
    pose = TorchPose(torch.ones(2), torch.ones(3), torch.ones(3), torch.ones(4, 3))
    with torch.no_grad():
        corrections.neck_rotation[1] += 0.5
        corrections.expression[1] -= 0.25
    for index in (0, 2):
        same = corrections.corrected(pose, index)
        torch.testing.assert_close(same.joint_rotations, pose.joint_rotations)
        torch.testing.assert_close(same.expression, pose.expression)
    corrected = corrections.corrected(pose, 1)
    torch.testing.assert_close(corrected.joint_rotations[:, 0], torch.tensor([1.5, 1.0, 1.0, 1.0]))
    torch.testing.assert_close(corrected.expression, torch.tensor([0.75, 0.75]))
