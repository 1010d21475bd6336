"""The sample capture as a tracker would have found it, were it never wrong."""

from __future__ import annotations

import numpy as np
from likeness.capture.fitting.residuals import PICTURE, Unknowns
from likeness.capture.model import Capture
from likeness.capture.photometric.refine import Pictures
from likeness.capture.storage import load_frame
from likeness.rig import JOINTS, POSED_JOINTS, skinning_transforms

JAW_OPEN_ANGLE = 0.355
"""Turn of the stand-in's lower teeth at jawOpen = 1, radians, by least squares."""


def true_unknowns(truth: Capture, frames: np.ndarray) -> Unknowns:
    """The sample's own parameters in some frames, as the fit has them."""
    rotations, translations = [], []
    for frame in frames.tolist():
        joints = truth.head.joints(truth.head.shaped(truth.identity))
        neck = skinning_transforms(truth.pose(frame), joints)[JOINTS.index("neck")].astype(np.float64)
        to_camera = np.linalg.inv(truth.camera_to_world[frame].astype(np.float64))
        rotations.append(to_camera[:3, :3] @ neck[:, :3])
        translations.append(to_camera[:3, :3] @ neck[:, 3] + to_camera[:3, 3])
    focal = np.log(float(truth.intrinsics[0]) * PICTURE / truth.width)
    expression = truth.expression[frames].astype(np.float64)
    # A fit turns no jaw: an expression that does nearly the same must tell of it.
    jaw = truth.joint_rotations[frames, POSED_JOINTS.index("jaw"), 0]
    expression[:, truth.head.expression_names.index("jawOpen")] += jaw / JAW_OPEN_ANGLE
    identity = np.zeros(len(truth.head.identity_basis))  # the sample is the mean head, and says so by none at all
    return Unknowns(identity, float(focal), np.array(rotations), np.array(translations), expression)


def pictures_of(truth: Capture, frames: np.ndarray) -> Pictures:
    """The pictures of some frames, counted from zero."""
    middle = (float(truth.intrinsics[2]), float(truth.intrinsics[3]))
    return Pictures(lambda frame: load_frame(truth, int(frames[frame])), truth.width, middle)


def centred_landmarks(truth: Capture, frames: np.ndarray) -> np.ndarray:
    """Landmarks (F, 478, 2) of some frames as the fit wants them: from the principal point, y upwards."""
    scale = PICTURE / truth.width
    return (truth.landmarks[frames].astype(np.float64) - truth.intrinsics[2:]) * [scale, -scale]
