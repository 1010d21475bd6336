"""How far a head is turned, as a camera sees it, and how to turn it further."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from .rig import rotation_matrices

Array = npt.NDArray[np.float32]


def head_turns(root_rotation: Array, neck_rotation: Array, camera_to_world: Array) -> Array:
    """Yaw and pitch (N, 2) of the face's direction as the camera sees it, degrees.

    Zero is a face turned straight to the camera; positive yaw shows the subject's right cheek, positive pitch the top
    of the head.

    Parameters
    ----------
    root_rotation, neck_rotation : (N, 3)
        Axis-angle, radians.
    camera_to_world : (N, 4, 4)
        Of cameras that look along their -Z.
    """
    head = rotation_matrices(root_rotation) @ rotation_matrices(neck_rotation)
    to_camera = np.swapaxes(camera_to_world[:, :3, :3], 1, 2)
    # Cameras look along -Z, so a face that looks into one points along +Z in its space.
    x, y, z = np.moveaxis((to_camera @ head)[..., 2], 1, 0)
    yaw, pitch = np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(-y, np.hypot(x, z)))
    return np.stack([yaw, pitch], 1).astype(np.float32)


def turned_neck(root_rotation: Array, neck_rotation: Array, camera_to_world: Array, by: npt.ArrayLike) -> Array:
    """The neck's rotation (3,), axis-angle in radians, with which a head is turned further as the camera sees it.

    Parameters
    ----------
    root_rotation, neck_rotation : (3,)
        Axis-angle, radians.
    camera_to_world : (4, 4)
    by : (2,)
        About the camera's vertical, to the subject's left, and then about its horizontal axis, down; degrees.
    """
    camera, root = Rotation.from_matrix(camera_to_world[:3, :3]), Rotation.from_rotvec(root_rotation)
    turn = camera * Rotation.from_euler("yx", by, degrees=True) * camera.inv()
    neck = root.inv() * turn * root * Rotation.from_rotvec(neck_rotation)
    return neck.as_rotvec().astype(np.float32)
