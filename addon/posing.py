"""Poses of a rig: reading one, setting one, keying one."""

from __future__ import annotations

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Quaternion

from ..backend.likeness.rig import JOINTS, POSED_JOINTS, Pose
from .armature import PROPERTY
from .handles import FACE

Array = npt.NDArray[np.float32]


def expression_names(rig: bpy.types.Object) -> tuple[str, ...]:
    """Names of the rig's expressions, in the avatar's order."""
    return tuple(rig.data[PROPERTY]["expression_names"])


def set_pose(rig: bpy.types.Object, pose: Pose) -> None:
    """Pose a rig. Each joint keeps its rotation mode, which an artist may have chosen and keyed.

    Parameters
    ----------
    rig : bpy.types.Object
    pose : likeness.rig.Pose
    """
    bones = rig.pose.bones
    face = bones[FACE]
    for name, weight in zip(expression_names(rig), pose.expression, strict=True):
        face[name] = float(weight)
    rotations = np.concatenate([pose.root_rotation[None], pose.joint_rotations])
    for joint, vector in zip(JOINTS, rotations, strict=True):
        _rotate(bones[joint], _quaternion(vector))
    bones["root"].location = [float(number) for number in pose.root_translation]
    rig.update_tag()


def reset_pose(rig: bpy.types.Object) -> None:
    """Put a rig back to rest: no expression, no rotation, no translation, no scale."""
    for name in expression_names(rig):
        rig.pose.bones[FACE][name] = 0.0
    for bone in rig.pose.bones:
        bone.matrix_basis.identity()
    rig.update_tag()


def key_pose(rig: bpy.types.Object, pose: Pose, frame: float) -> None:
    """Pose a rig and key everything that a pose holds.

    Parameters
    ----------
    rig : bpy.types.Object
    pose : likeness.rig.Pose
    frame : float
    """
    set_pose(rig, pose)
    key_current(rig, frame)


def key_current(rig: bpy.types.Object, frame: float) -> None:
    """Key the pose that a rig is in."""
    bones = rig.pose.bones
    for name in expression_names(rig):
        bones[FACE].keyframe_insert(f'["{bpy.utils.escape_identifier(name)}"]', frame=frame, group="Expression")
    for joint in JOINTS:
        bones[joint].keyframe_insert(_rotation_path(bones[joint]), frame=frame, group=joint)
    bones["root"].keyframe_insert("location", frame=frame, group="root")


def evaluated_pose(rig: bpy.types.Object) -> Pose:
    """The pose that an evaluated rig shows, after animation, drivers and constraints.

    Parameters
    ----------
    rig : bpy.types.Object
        From the dependency graph.
    """
    bones = rig.pose.bones
    local = {
        joint: rig.convert_space(
            pose_bone=bones[joint], matrix=bones[joint].matrix, from_space="POSE", to_space="LOCAL"
        )
        for joint in JOINTS
    }
    return Pose(
        np.array([bones[FACE][name] for name in expression_names(rig)], np.float32),
        _axis_angle(local["root"].to_quaternion()),
        np.array(local["root"].to_translation(), np.float32),
        np.stack([_axis_angle(local[joint].to_quaternion()) for joint in POSED_JOINTS]),
    )


def _rotation_path(bone: bpy.types.PoseBone) -> str:
    """The property that holds a bone's rotation in its rotation mode; the others have no effect."""
    return {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(
        bone.rotation_mode, "rotation_euler"
    )


def _rotate(bone: bpy.types.PoseBone, rotation: Quaternion) -> None:
    path = _rotation_path(bone)
    if path == "rotation_quaternion":
        bone.rotation_quaternion = rotation
    elif path == "rotation_axis_angle":
        axis, angle = rotation.to_axis_angle()
        bone.rotation_axis_angle = (angle, *axis)
    else:
        # Of the angles that mean the same, those next to the present ones: keys of a turn then join smoothly.
        bone.rotation_euler = rotation.to_euler(bone.rotation_mode, bone.rotation_euler)


def _quaternion(vector: npt.ArrayLike) -> Quaternion:
    vector = np.asarray(vector, np.float64)
    angle = float(np.linalg.norm(vector))
    return Quaternion((1, 0, 0, 0)) if angle == 0 else Quaternion(tuple(vector / angle), angle)


def _axis_angle(quaternion: Quaternion) -> Array:
    """Axis times angle, the angle at most half a turn."""
    w, *xyz = quaternion
    vector = np.array(xyz, np.float64)
    sine = float(np.linalg.norm(vector))
    if sine < 1e-12:
        return np.zeros(3, np.float32)
    sign = -1.0 if w < 0 else 1.0
    return (vector * (2 * np.arctan2(sine, abs(w)) * sign / sine)).astype(np.float32)
