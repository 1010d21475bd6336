"""Poses over time as a glTF animation, so that any viewer plays what a capture did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..rig import JOINTS, Pose, corrective_features
from .glb import FLOAT, GlbWriter
from .layered import LayeredAvatar

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Animation:
    """Poses at points in time; viewers go straight from one to the next.

    Attributes
    ----------
    times : (T,) float32
        Seconds, rising, from 0 on.
    poses : tuple of Pose
        T poses.
    """

    times: Array
    poses: tuple[Pose, ...]


def check_animation(animation: Animation, avatar: LayeredAvatar) -> None:
    """Check that an animation suits an avatar.

    Raises
    ------
    LikenessError
        That names the field.
    """
    times = np.asarray(animation.times, np.float32)
    if times.ndim != 1 or not len(times) or len(times) != len(animation.poses):
        raise LikenessError(f"animation has {len(animation.poses)} poses at {times.size} times, expected one for each")
    if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
        raise LikenessError("animation.times do not rise from 0 on")
    for index, pose in enumerate(animation.poses):
        if np.shape(pose.expression) != (len(avatar.expression_names),):
            raise LikenessError(
                f"animation.poses[{index}] has {np.size(pose.expression)} expressions, "
                f"the avatar {len(avatar.expression_names)}"
            )
        for part in (pose.expression, pose.root_rotation, pose.root_translation, pose.joint_rotations):
            if not np.isfinite(part).all():
                raise LikenessError(f"animation.poses[{index}] holds a number that is not finite")


def quaternions(axis_angle: npt.ArrayLike) -> Array:
    """Unit quaternions (T, 4), x, y, z, w, of a sequence of axis-angle rotations (T, 3), radians.

    A rotation has two quaternions; each is chosen next to the one before, so that nothing turns the long way round.
    """
    vector = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    # sin(angle / 2) / angle, which numpy's sinc keeps finite at zero.
    both = np.concatenate([vector * 0.5 * np.sinc(angle / (2 * np.pi)), np.cos(angle / 2)], 1)
    turned = np.cumsum((both[1:] * both[:-1]).sum(1) < 0) % 2 == 1
    both[1:][turned] *= -1
    return both.astype(np.float32)


def animation_json(
    writer: GlbWriter, animation: Animation, avatar: LayeredAvatar, mesh_node: int, first_joint_node: int
) -> dict[str, Any]:
    """The glTF animation: the root's translation, the joints' rotations, the morph targets' weights.

    Parameters
    ----------
    writer : GlbWriter
        Takes the key frames.
    animation : Animation
        Has passed :func:`check_animation`.
    avatar : LayeredAvatar
    mesh_node, first_joint_node : int
        Nodes of the mesh and of the first of :data:`likeness.rig.JOINTS`.
    """
    times = writer.add_array(np.asarray(animation.times, FLOAT), "SCALAR", bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def add(node: int, path: str, values: npt.NDArray[Any], element: str) -> None:
        output = writer.add_array(values.astype(FLOAT), element)
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": times, "interpolation": "LINEAR", "output": output})

    moved = np.stack([pose.root_translation for pose in animation.poses]) + avatar.joints[0]
    add(first_joint_node, "translation", moved, "VEC3")
    turns = np.stack([[pose.root_rotation, *pose.joint_rotations] for pose in animation.poses])
    for joint in range(len(JOINTS)):
        add(first_joint_node + joint, "rotation", quaternions(turns[:, joint]), "VEC4")
    expressions = np.stack([pose.expression for pose in animation.poses])
    features = corrective_features(np.stack([pose.joint_rotations for pose in animation.poses]))
    weights = np.concatenate([expressions, features[:, avatar.corrective_entries]], 1)
    if weights.size:
        add(mesh_node, "weights", weights.ravel(), "SCALAR")
    return {"name": "Likeness", "channels": channels, "samplers": samplers}
