"""The rig that every head model, capture and avatar shares: its joints, a pose of it, and the transforms of a pose.

Space: metres, +Y up, +Z out of the face, +X to the subject's left, right-handed. Rotations are axis-angle vectors in
radians. NumPy only, because Blender imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

JOINTS = ("root", "neck", "jaw", "eye_l", "eye_r")
"""Joints of a head model, parents first. ``eye_l`` is the subject's left eye, at positive X."""

PARENTS = (-1, 0, 1, 1, 1)
"""Index of each joint's parent in :data:`JOINTS`; -1 for none."""

AVATAR_JOINTS = (*JOINTS, "body")
"""Joints of an avatar: the head model's, and one that never moves; shoulders follow it, or the root, or both."""

POSED_JOINTS = JOINTS[1:]
"""Joints whose rotations drive pose correctives, in the order of the corrective features."""

CORRECTIVE_COUNT = 9 * len(POSED_JOINTS)
"""Number of corrective features: nine entries of R - I for each posed joint."""


@dataclass(frozen=True)
class Pose:
    """Where everything that moves is, in one frame.

    Attributes
    ----------
    expression : (E,) float32
        Expression weights, in the order of the head model's names.
    root_rotation : (3,) float32
        Axis-angle rotation of the root joint about its rest position.
    root_translation : (3,) float32
        Translation of the root joint from its rest position, metres, world axes.
    joint_rotations : (4, 3) float32
        Local axis-angle rotations of :data:`POSED_JOINTS` against their rest.
    """

    expression: Array
    root_rotation: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    root_translation: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    joint_rotations: Array = field(default_factory=lambda: np.zeros((len(POSED_JOINTS), 3), np.float32))

    @property
    def decoder_input(self) -> Array:
        """Conditions of the appearance decoder: axis-angle of jaw, eye_l, eye_r (9), then the expression (E)."""
        return np.concatenate([self.joint_rotations[1:].ravel(), self.expression]).astype(np.float32)


def rotation_matrices(axis_angle: npt.ArrayLike) -> Array:
    """Rotation matrices of axis-angle vectors (Rodrigues' formula).

    Parameters
    ----------
    axis_angle : (..., 3)
        Axis times angle, radians.

    Returns
    -------
    (..., 3, 3) float32
    """
    vector = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    # sinc keeps both coefficients exact and finite as the angle goes to zero.
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return (np.eye(3) + first * cross + second * (cross @ cross)).astype(np.float32)


def corrective_features(joint_rotations: npt.ArrayLike) -> Array:
    """The numbers that drive pose correctives: entries of R_j - I, joints in order, rows first.

    Parameters
    ----------
    joint_rotations : (..., 4, 3)
        Axis-angle of :data:`POSED_JOINTS`.

    Returns
    -------
    (..., 36) float32
    """
    rotations = rotation_matrices(joint_rotations) - np.eye(3, dtype=np.float32)
    return rotations.reshape(*rotations.shape[:-3], CORRECTIVE_COUNT)


def skinning_transforms(pose: Pose, joints: npt.ArrayLike) -> Array:
    """Transforms G_j G_j,rest^-1 that take rest points to posed points, one for each of :data:`AVATAR_JOINTS`.

    Parameters
    ----------
    pose : Pose
    joints : (5, 3)
        Rest positions of :data:`JOINTS`, metres.

    Returns
    -------
    (6, 3, 4) float32
        Affine matrices; the last one, the body's, is the identity.
    """
    rest = np.asarray(joints, np.float64)
    rotations = rotation_matrices(np.concatenate([pose.root_rotation[None], pose.joint_rotations])).astype(np.float64)
    world = np.zeros((len(JOINTS), 3, 4))
    for index, parent in enumerate(PARENTS):
        if parent < 0:
            world[index] = np.concatenate([rotations[index], (rest[index] + pose.root_translation)[:, None]], 1)
        else:
            turn = world[parent, :, :3]
            position = turn @ (rest[index] - rest[parent]) + world[parent, :, 3]
            world[index] = np.concatenate([turn @ rotations[index], position[:, None]], 1)
    world[:, :, 3] -= np.einsum("jab,jb->ja", world[:, :, :3], rest)
    body = np.eye(3, 4)[None]
    return np.concatenate([world, body]).astype(np.float32)
