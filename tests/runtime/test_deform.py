from dataclasses import replace

import numpy as np
import pytest
from avatars import CORRECTIVES, JOINTS, tiny_avatar, tiny_poses
from likeness.rig import AVATAR_JOINTS, PARENTS, Pose, rotation_matrices
from likeness.runtime.deform import deform

AVATAR = tiny_avatar()
POSES = tiny_poses()
# Positions below 0.25 m in float32, through two roundings.
ROUNDING = 2**-25


def carried_by(joint: str):
    """The avatar with all its vertices on one joint, without targets."""
    weights = np.eye(len(AVATAR_JOINTS), dtype=np.float32)[AVATAR_JOINTS.index(joint)]
    layers = tuple(
        replace(
            layer,
            skin_weights=np.tile(weights, (len(layer.positions), 1)),
            corrective_targets=np.zeros_like(layer.corrective_targets),
        )
        for layer in AVATAR.layers
    )
    return replace(AVATAR, layers=layers)


def test_rest_is_rest():
    for layer, deformed in zip(AVATAR.layers, deform(AVATAR, POSES["rest"]), strict=True):
        np.testing.assert_allclose(deformed.positions, layer.positions, atol=ROUNDING)


def test_expressions_add_up():
    pose = Pose(np.array([0.5, -0.25, 2.0], np.float32))
    for layer, deformed in zip(AVATAR.layers, deform(AVATAR, pose), strict=True):
        smile, puff, stretch = layer.expression_targets
        expected = layer.positions + 0.5 * smile - 0.25 * puff + 2.0 * stretch
        np.testing.assert_allclose(deformed.positions, expected, atol=ROUNDING)


def test_the_jaw_turns_what_it_carries_about_its_joint():
    turn = rotation_matrices([0.4, 0.0, 0.05])
    for layer, deformed in zip(AVATAR.layers, deform(carried_by("jaw"), POSES["jaw"]), strict=True):
        expected = (layer.positions - JOINTS[2]) @ turn.T + JOINTS[2]
        np.testing.assert_allclose(deformed.positions, expected, atol=2 * ROUNDING)


def test_the_root_takes_all_but_the_body_along():
    pose = Pose(np.zeros(3, np.float32), np.array([0.0, 0.5, 0.0], np.float32), np.array([0.1, 0, 0], np.float32))
    turn = rotation_matrices(pose.root_rotation)
    for joint in AVATAR_JOINTS:
        for layer, deformed in zip(AVATAR.layers, deform(carried_by(joint), pose), strict=True):
            moved = (layer.positions - JOINTS[0]) @ turn.T + JOINTS[0] + pose.root_translation
            expected = layer.positions if joint == "body" else moved
            np.testing.assert_allclose(deformed.positions, expected, atol=4 * ROUNDING)


def test_correctives_follow_their_entry_of_the_rotation():
    jaw = rotation_matrices([0.4, 0.0, 0.05])
    still = np.eye(len(AVATAR_JOINTS), dtype=np.float32)[-1]
    avatar = replace(
        AVATAR,
        layers=tuple(replace(layer, skin_weights=np.tile(still, (len(layer.positions), 1))) for layer in AVATAR.layers),
    )
    assert CORRECTIVES == (2, 14, 16)
    for layer, deformed in zip(AVATAR.layers, deform(avatar, POSES["jaw"]), strict=True):
        _, second, third = layer.corrective_targets
        expected = layer.positions + jaw[1, 2] * second + jaw[2, 1] * third
        np.testing.assert_allclose(deformed.positions, expected, atol=ROUNDING)


def test_the_whole_rule_vertex_by_vertex():
    """Everything at once, in the plainest code that says the same."""
    pose = POSES["all"]
    local = [rotation_matrices(pose.root_rotation), *rotation_matrices(pose.joint_rotations)]
    matrices = []
    for joint, parent in enumerate(PARENTS):
        matrix = np.eye(4)
        matrix[:3, :3] = local[joint]
        matrix[:3, 3] = JOINTS[joint] - JOINTS[parent] if parent >= 0 else JOINTS[0] + pose.root_translation
        matrices.append(matrix if parent < 0 else matrices[parent] @ matrix)
    for joint, matrix in enumerate(matrices):
        back = np.eye(4)
        back[:3, 3] = -JOINTS[joint]
        matrices[joint] = matrix @ back
    matrices.append(np.eye(4))
    entries = np.concatenate([(matrix - np.eye(3)).ravel() for matrix in local[1:]])[list(CORRECTIVES)]
    layer = AVATAR.layers[1]
    positions = deform(AVATAR, pose)[1].positions
    for vertex in range(0, len(positions), 17):
        point = layer.positions[vertex].astype(np.float64)
        for weight, target in zip(pose.expression, layer.expression_targets, strict=True):
            point = point + weight * target[vertex]
        for weight, target in zip(entries, layer.corrective_targets, strict=True):
            point = point + weight * target[vertex]
        moved = sum(w * (m @ [*point, 1])[:3] for w, m in zip(layer.skin_weights[vertex], matrices, strict=True))
        np.testing.assert_allclose(positions[vertex], moved, atol=4 * ROUNDING)


def test_a_pose_of_another_head_is_refused():
    with pytest.raises(ValueError, match="the pose has 2 expressions, the avatar 3"):
        deform(AVATAR, Pose(np.zeros(2, np.float32)))
