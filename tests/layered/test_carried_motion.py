"""The skin's motion carried outwards says the same in torch, per frame, as the deformer's attributes do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from balls import ball_head
from likeness.camera import Camera
from likeness.layered.canonical import canonical_head
from likeness.layered.carried_motion import CarriedMotion
from likeness.layered.deformation import TorchPose, corrective_features, skinning_transforms
from likeness.layered.deformer import Deformer
from likeness.layered.grid import Grid
from likeness.layered.point_deformation import FrameDeformation, MeshMotion
from likeness.layered.torso import TorsoShare
from likeness.rig import AVATAR_JOINTS, Pose

CAMERA = Camera(
    64, 64, 120, 120, 32, 32, np.array([[0, 0, 1, 0.6], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1.0]], np.float32)
)
POSE = Pose(
    np.array([0.9, 0.7], np.float32),
    np.array([0.1, 0.3, 0], np.float32),
    np.array([0.01, 0, 0.02], np.float32),
    np.array([[0, 0.2, 0.1], [0.3, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32),
)


@pytest.fixture(scope="module")
def head():
    return canonical_head(ball_head(), ())


@pytest.fixture(scope="module")
def deformer(head):
    return Deformer(head, head.points.min(0) - 0.08, head.points.max(0) + 0.08)


@pytest.fixture(scope="module")
def points():
    """On the ball, near it, and as far away as weights and displacements change with the distance."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * random.uniform(0.1, 0.15, (500, 1))).astype(np.float32)


@pytest.mark.parametrize("hanging", [0.0, 0.6])
def test_points_move_as_vertices_with_the_deformers_attributes(head, deformer, points, hanging):
    deformer = deformer.with_hanging(hanging)
    pose = TorchPose.of(POSE)
    attributes = deformer.attributes(points)
    rest = torch.as_tensor(head.to_rest(points, attributes))
    moved = (
        rest
        + torch.as_tensor(attributes.expression_basis) @ pose.expression
        + torch.as_tensor(attributes.corrective_basis) @ corrective_features(pose.joint_rotations)
    )
    transforms = skinning_transforms(pose, torch.as_tensor(head.joints))
    blended = torch.einsum("nj,jab->nab", torch.as_tensor(attributes.skin_weights), transforms)
    world = (blended[:, :, :3] @ moved[..., None])[..., 0] + blended[:, :, 3]
    found = FrameDeformation(deformer.motion(), head, pose, CAMERA)(torch.as_tensor(points))
    # Half a metre in single precision, with a few products.
    np.testing.assert_allclose(found.numpy(), CAMERA.to_camera(world.numpy()), atol=1e-6)


def test_the_canonical_pose_leaves_points_where_they_are(head, deformer, points):
    shift = torch.tensor([0.0, 0.0, -0.1])
    still = FrameDeformation(deformer.motion(), head, TorchPose.of(head.pose), CAMERA, shift)
    moved = still(torch.as_tensor(points))
    np.testing.assert_allclose(moved.numpy(), CAMERA.to_camera(points) + shift.numpy(), atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_kernel_says_the_same(head, deformer, points, threads):
    """Without gradients, for points whose neighbours are known, one kernel does it all: the torso's share too."""
    generator = torch.Generator().manual_seed(0)
    torso = TorsoShare(Grid.over([-0.2] * 3, [0.2] * 3, 0.02))
    with torch.no_grad():
        torso.shifts.copy_(torch.randn(torso.shifts.shape, generator=generator))
    # Here points follow both of the torso's joints and the head alike, so that there is something to share.
    mixed = replace(head.attributes, skin_weights=0.7 * head.attributes.skin_weights)
    mixed.skin_weights[:, AVATAR_JOINTS.index("root")] += 0.2
    mixed.skin_weights[:, AVATAR_JOINTS.index("body")] += 0.1
    softer = Deformer(replace(head, attributes=mixed), head.points.min(0) - 0.08, head.points.max(0) + 0.08)
    many = torch.as_tensor(np.tile(points, (10, 1)))
    change = torch.linspace(-0.3, 0.5, 38)
    before = torch.get_num_threads()

    def known(motion: MeshMotion, near: torch.Tensor) -> CarriedMotion:
        assert isinstance(motion, CarriedMotion)
        return replace(motion, found=torch.as_tensor(deformer.nearest(near.numpy(), 9)))

    for made in (deformer.motion(), deformer.with_hanging(0.6).motion(), softer.motion(torso)):
        moved = many + 1e-4
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                found = known(made, many)(moved, change)
        finally:
            torch.set_num_threads(before)
        expected = known(made, many)(moved, change)
        for kernel, plain in zip(found, expected, strict=True):
            # Weights below one and displacements below a centimetre, in single precision.
            torch.testing.assert_close(kernel, plain.detach(), atol=5e-7, rtol=0)
    shares = [made(many, change)[1] for made in (softer.motion(), softer.motion(torso))]
    assert (shares[0] - shares[1]).abs().max() > 0.05


def test_neighbours_of_corners_hold_those_of_the_points_between(deformer):
    """Points on triangles of a sphere outside of the ball, whose edges are 8 mm long."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.115)
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces)
    random = np.random.default_rng(0)
    weights = random.dirichlet([1, 1, 1], len(faces)).astype(np.float32)
    points = np.einsum("fcx,fc->fx", vertices[faces], weights)
    motion, lists = deformer.motion(), torch.as_tensor(deformer.nearest(vertices, 16))
    near = motion.on_triangles(torch.as_tensor(points), torch.as_tensor(faces), lists)
    assert isinstance(near, CarriedMotion) and near.found is not None
    found = near.found
    expected = np.sort(deformer.nearest(points, 9), 1)
    same = (np.sort(found.numpy(), 1) == expected).all(1)
    # Neighbours at equal distances may be taken for one another.
    assert same.mean() > 0.995
    assert all(len(set(row)) == 9 for row in found.tolist())


def test_jacobians_are_slopes(head, deformer, points):
    frame = FrameDeformation(deformer.motion(), head, TorchPose.of(POSE), CAMERA)
    places = torch.as_tensor(points)
    posed, jacobian = frame.with_jacobian(places)
    torch.testing.assert_close(posed, frame(places))
    # Single precision at half a metre, over a fifth of a millimetre: 6e-8 / 2e-4, with a few products.
    step = 1e-4
    slopes = torch.stack(
        [(frame(places + step * axis) - frame(places - step * axis)) / (2 * step) for axis in torch.eye(3)], 2
    )
    error = (slopes - jacobian).abs().amax((1, 2))
    # Where the set of nearest vertices changes within the step, the slope has a kink.
    assert error.median() < 1e-3
    assert (error < 0.01).float().mean() > 0.98
