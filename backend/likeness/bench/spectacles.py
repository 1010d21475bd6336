"""Spectacles on a head whose pose is known, to measure tracking with rims before the eyes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..capture.model import Capture
from ..rig import JOINTS, skinning_transforms

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]

_LENS = (0.025, 0.020)  # half width and height of a lens, metres
_BEFORE_EYE = 0.024  # of the rims' plane from the eyeball's centre: a centimetre from the cornea
_TEMPLE = 0.085  # from the rims back to the ear
_THICKNESS = 0.0025
_COLOUR = (28, 24, 22)
_TINT = 0.9  # of the light, that lenses let through
_SUBPIXEL = 4  # bits of a pixel's fraction in which places are drawn
_CORNERS = 48


def with_spectacles(picture: Picture, capture: Capture, index: int) -> Picture:
    """A capture's picture (H, W, 3) with dark-rimmed spectacles on the head.

    Rims, bridge and the temple on the side that faces the camera are drawn at the frame's own pose; nothing of the
    head hides them, so heads should not turn farther than to a half profile.

    Parameters
    ----------
    picture : (H, W, 3) uint8
        sRGB.
    capture : Capture
        With true parameters.
    index : int
        The frame that the picture shows.
    """
    camera = capture.camera(index)
    joints = capture.head.joints(capture.head.shaped(capture.identity)).astype(np.float64)
    head = skinning_transforms(capture.pose(index), joints)[JOINTS.index("neck")].astype(np.float64)
    eyes = joints[[JOINTS.index("eye_l"), JOINTS.index("eye_r")]]

    def seen(points: Floats) -> npt.NDArray[np.int32]:
        pixels = camera.project(points @ head[:, :3].T + head[:, 3])
        return np.rint((pixels - 0.5) * 2**_SUBPIXEL).astype(np.int32)

    middle, place = eyes.mean(0), camera.camera_to_world[:3, 3].astype(np.float64)
    rims = [_rim(eye) for eye in eyes]
    distance = np.linalg.norm(head[:, :3] @ middle + head[:, 3] - place)
    width = max(1, round(float(_THICKNESS * camera.fx / distance)))
    lenses = picture.copy()
    cv2.fillPoly(lenses, [seen(rim) for rim in rims], (0, 0, 0), cv2.LINE_AA, _SUBPIXEL)
    worn = np.rint(_TINT * picture.astype(np.float32) + (1 - _TINT) * lenses).astype(np.uint8)
    lines = [seen(rim) for rim in rims] + [seen(_bridge(eyes))]
    for eye in eyes:
        outwards = np.array([np.sign(eye[0] - middle[0]), 0, 0])
        hinge = eye + _LENS[0] * outwards + [0, 0, _BEFORE_EYE]
        if outwards @ head[:, :3].T @ (place - head[:, :3] @ hinge - head[:, 3]) > 0:
            lines.append(seen(np.stack([hinge, hinge - [0, 0, _TEMPLE]])))
    cv2.polylines(worn, lines, False, _COLOUR, width, cv2.LINE_AA, _SUBPIXEL)
    return worn


def _rim(eye: Floats) -> Floats:
    """Points (N, 3) around a lens before an eye, closed, in the head's rest space."""
    angle = np.linspace(0, 2 * np.pi, _CORNERS + 1)
    across, up = _LENS[0] * np.cos(angle), _LENS[1] * np.sin(angle)
    return eye + np.stack([across, up, np.full_like(angle, _BEFORE_EYE)], 1)


def _bridge(eyes: Floats) -> Floats:
    """Points (2, 3) between both rims."""
    inwards = np.sign(eyes[::-1, :1] - eyes[:, :1]) * [1.0, 0, 0]
    return eyes + _LENS[0] * inwards + [0, 0, _BEFORE_EYE]
