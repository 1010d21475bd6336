"""Which held-out frames show the head turned farther than training ever saw it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..capture.model import Capture
from ..rig import rotation_matrices

Array = npt.NDArray[np.float32]


def head_turns(capture: Capture) -> Array:
    """Yaw and pitch (N, 2) of the face's direction as the camera sees it, degrees.

    Zero is a face turned straight to the camera; positive yaw shows the subject's right cheek, positive pitch the top
    of the head.
    """
    head = rotation_matrices(capture.root_rotation) @ rotation_matrices(capture.joint_rotations[:, 0])
    to_camera = np.swapaxes(capture.camera_to_world[:, :3, :3], 1, 2)
    # Cameras look along -Z, so a face that looks into one points along +Z in its space.
    x, y, z = np.moveaxis((to_camera @ head)[..., 2], 1, 0)
    yaw, pitch = np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(-y, np.hypot(x, z)))
    return np.stack([yaw, pitch], 1).astype(np.float32)


def outside_training(capture: Capture) -> npt.NDArray[np.bool_]:
    """Frames (N,) whose yaw or pitch lies outside the range of the training frames."""
    turns = head_turns(capture)
    seen = turns[list(capture.training)]
    return ((turns < seen.min(0)) | (turns > seen.max(0))).any(1)
