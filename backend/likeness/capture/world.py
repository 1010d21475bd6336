"""From poses of a head before a camera to a rig that moves in a still world: what a capture stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ..head.model import HeadModel
from ..rig import JOINTS, POSED_JOINTS
from .fitting.residuals import Unknowns
from .gaze import gaze_rotations

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """The rig's part of a capture; F frames, float32.

    Attributes
    ----------
    camera_to_world : (4, 4)
        The same in all frames.
    root_translation : (F, 3)
    joint_rotations : (F, 4, 3)
    """

    camera_to_world: Array
    root_translation: Array
    joint_rotations: Array


def motion(head: HeadModel, unknowns: Unknowns, gaze: Floats, training: npt.NDArray[np.intp]) -> Motion:
    """Give the head's turn to the neck and what is left to the root's translation, in a world that stands still.

    The world is the head model's rest space as the camera sees it at the mean pose of the training frames, so that all
    rotations and translations are small. Landmarks ride on the neck, so a head pose R, t about the camera's origin
    becomes a turn of the neck joint at n, and a translation of the root by R n + t - n.

    Parameters
    ----------
    head : HeadModel
    unknowns : Unknowns
    gaze : (F, 2, 2)
        Pitch and yaw of the left and the right eye.
    training : (T,) int
        Frames whose mean pose makes the world.
    """
    neck = (head.joint_regressor.astype(np.float64) @ head.shaped(unknowns.identity))[JOINTS.index("neck")]
    usual = Rotation.from_matrix(unknowns.rotation[training]).mean().as_matrix()
    position = unknowns.rotation @ neck + unknowns.translation
    origin = position[training].mean(0) - usual @ neck

    camera_to_world = np.eye(4)
    camera_to_world[:3, :3] = usual.T
    camera_to_world[:3, 3] = -usual.T @ origin
    rotations = np.zeros((len(position), len(POSED_JOINTS), 3))
    rotations[:, POSED_JOINTS.index("neck")] = Rotation.from_matrix(usual.T @ unknowns.rotation).as_rotvec()
    for side, name in enumerate(("eye_l", "eye_r")):
        turn = Rotation.from_matrix(gaze_rotations(gaze[:, side]))
        rotations[:, POSED_JOINTS.index(name)] = turn.as_rotvec()
    return Motion(
        camera_to_world=camera_to_world.astype(np.float32),
        root_translation=((position - origin) @ usual - neck).astype(np.float32),
        joint_rotations=rotations.astype(np.float32),
    )
