"""Posing layers in torch, differentiable: the same formulas as :mod:`likeness.rig` and the NumPy run-time.

v' = v + sum_k e_k B_k + sum_m f_m P_m,      x = sum_j w_j G_j G_j,rest^-1 v'
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..camera import Camera
from ..rig import JOINTS, PARENTS, Pose
from .frames import TrainingFrames
from .proxies import Proxies


@dataclass(frozen=True)
class TorchPose:
    """:class:`likeness.rig.Pose` as float32 tensors."""

    expression: torch.Tensor
    root_rotation: torch.Tensor
    root_translation: torch.Tensor
    joint_rotations: torch.Tensor

    @staticmethod
    def of(pose: Pose, device: torch.device | str = "cpu") -> TorchPose:
        """Convert a pose."""
        values = (pose.expression, pose.root_rotation, pose.root_translation, pose.joint_rotations)
        return TorchPose(*(torch.tensor(np.asarray(value, np.float32), device=device) for value in values))

    @staticmethod
    def of_frame(frames: TrainingFrames, index: int) -> TorchPose:
        """The tracked pose of a training frame."""
        return TorchPose(
            frames.expression[index],
            frames.root_rotation[index],
            frames.root_translation[index],
            frames.joint_rotations[index],
        )

    @property
    def conditions(self) -> torch.Tensor:
        """Conditions of the appearance decoder (9 + E,): axis-angle of jaw, eye_l, eye_r, then the expression."""
        return torch.cat([self.joint_rotations[1:].reshape(-1), self.expression])


def rotation_matrices(axis_angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), by Rodrigues' formula; smooth at zero."""
    angle = torch.linalg.vector_norm(axis_angle, dim=-1)[..., None, None]
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angle.shape[:-1], 3, 3)
    first = torch.sinc(angle / torch.pi)
    second = 0.5 * torch.sinc(angle / (2 * torch.pi)) ** 2
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + first * cross + second * (cross @ cross)


def corrective_features(joint_rotations: torch.Tensor) -> torch.Tensor:
    """The 36 entries of R_j - I for joint rotations (4, 3), joints in order, rows first."""
    identity = torch.eye(3, dtype=joint_rotations.dtype, device=joint_rotations.device)
    return (rotation_matrices(joint_rotations) - identity).reshape(-1)


def skinning_transforms(pose: TorchPose, joints: torch.Tensor) -> torch.Tensor:
    """Transforms (6, 3, 4) from rest to pose, one for each of :data:`likeness.rig.AVATAR_JOINTS`.

    Parameters
    ----------
    pose : TorchPose
    joints : (5, 3)
        Rest positions, metres.
    """
    # Double precision, as in likeness.rig: the chain subtracts positions that nearly cancel.
    rest = joints.double()
    rotations = rotation_matrices(torch.cat([pose.root_rotation[None], pose.joint_rotations]).double())
    turns: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    for index, parent in enumerate(PARENTS):
        if parent < 0:
            turns.append(rotations[index])
            places.append(rest[index] + pose.root_translation.double())
        else:
            turns.append(turns[parent] @ rotations[index])
            places.append(turns[parent] @ (rest[index] - rest[parent]) + places[parent])
    shifts = [places[index] - turns[index] @ rest[index] for index in range(len(JOINTS))]
    moved = torch.stack([torch.cat([turn, shift[:, None]], 1) for turn, shift in zip(turns, shifts, strict=True)])
    body = torch.eye(3, 4, dtype=moved.dtype, device=moved.device)[None]
    return torch.cat([moved, body]).float()


def posed_vertices(proxies: Proxies, pose: TorchPose) -> torch.Tensor:
    """World positions (V, 3) of all layers' vertices in a pose, metres."""
    count = proxies.positions.shape[0]
    points = proxies.positions + (proxies.expression_basis.reshape(3 * count, -1) @ pose.expression).view(count, 3)
    if proxies.corrective_entries.numel():
        features = corrective_features(pose.joint_rotations)[proxies.corrective_entries.long()]
        points = points + (proxies.corrective_basis.reshape(3 * count, -1) @ features).view(count, 3)
    transforms = skinning_transforms(pose, proxies.joints)
    blended = (proxies.skin_weights @ transforms.reshape(len(transforms), 12)).view(count, 3, 4)
    return torch.einsum("vab,vb->va", blended[:, :, :3], points) + blended[:, :, 3]


def camera_vertices(points: torch.Tensor, camera: Camera, shift: torch.Tensor | None = None) -> torch.Tensor:
    """World points (V, 3) in camera space, optionally moved there by ``shift`` (3,), metres."""
    matrix = torch.as_tensor(camera.world_to_camera, device=points.device)
    moved = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved if shift is None else moved + shift


class PoseCorrections(torch.nn.Module):
    """What refinement adds to each frame's tracked parameters; zero at first, and for held-out frames always.

    Parameters
    ----------
    frame_count, expression_count : int
        N and E.
    """

    def __init__(self, frame_count: int, expression_count: int) -> None:
        super().__init__()
        self.expression = torch.nn.Parameter(torch.zeros(frame_count, expression_count))
        self.root_rotation = torch.nn.Parameter(torch.zeros(frame_count, 3))
        self.root_translation = torch.nn.Parameter(torch.zeros(frame_count, 3))
        self.neck_rotation = torch.nn.Parameter(torch.zeros(frame_count, 3))
        self.camera_shift = torch.nn.Parameter(torch.zeros(frame_count, 3))

    def corrected(self, pose: TorchPose, index: int) -> TorchPose:
        """The tracked pose of frame ``index`` with its corrections added."""
        still = torch.zeros_like(pose.joint_rotations[1:])
        return TorchPose(
            pose.expression + self.expression[index],
            pose.root_rotation + self.root_rotation[index],
            pose.root_translation + self.root_translation[index],
            pose.joint_rotations + torch.cat([self.neck_rotation[index][None], still]),
        )
