"""How much of the root's motion the torso follows, from mattes.

A tracked root goes where the neck's base is. Of a person who leans, shoulders go with it, but not as far; of one who
turns and nods only, what moves the neck's base is where the head's true pivot lies, and shoulders stay.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..camera import Camera
from ..rig import JOINTS
from .frames import TrainingFrames

SMALLEST_SHIFT = 0.01
"""Range of a root's translation, metres, up to which it carries the torso, as in captures whose joints are known."""

LARGEST_TURN = 0.05
"""Range of a root's rotation vector, radians, from which on it holds turns that shoulders do not follow."""

_FRAMES = 60
_SHARES = np.linspace(0, 1, 21)
_LEAST_BAND = 0.07
"""Part of the picture's height that is compared at least: the neck's base is often just below its edge."""


def torso_follows(frames: TrainingFrames, joints: npt.ArrayLike) -> float:
    """The share, 0..1, of the root's translation at which mattes below the neck agree best.

    Mattes are moved back by what a share of the root's translation moves the neck's base by in the picture; the right
    share makes them most alike, by the sum of their variances.

    Parameters
    ----------
    frames : TrainingFrames
        Only its training frames are used.
    joints : (5, 3)
        The head's joints at rest, metres.

    Returns
    -------
    float
        One where the root sways less than :data:`SMALLEST_SHIFT`; zero where it turns by more than
        :data:`LARGEST_TURN`, or where no picture reaches below the neck.
    """
    chosen = list(frames.training)
    if np.ptp(frames.root_rotation[chosen].cpu().numpy(), axis=0).max() > LARGEST_TURN:
        return 0.0
    translations = frames.root_translation[chosen].cpu().numpy()
    if np.ptp(translations, axis=0).max() <= SMALLEST_SHIFT:
        return 1.0
    places = np.unique(np.linspace(0, len(chosen) - 1, min(_FRAMES, len(chosen))).round().astype(int))
    chosen = [chosen[place] for place in places]
    middle = translations.mean(0)
    root, neck = np.asarray(joints, np.float32)[[JOINTS.index("root"), JOINTS.index("neck")]] + middle
    swayed = translations[places] - middle
    cameras = [frames.cameras[index] for index in chosen]
    mattes = [frames.film(index).matte.cpu().numpy().astype(np.float32) / 255 for index in chosen]
    lowest = (1 - _LEAST_BAND) * cameras[0].height
    first_row = round(min(_tracked(cameras, root, swayed)[:, 1].mean(), lowest))
    neck_row = _tracked(cameras, neck, swayed)[:, 1].mean()
    if neck_row > first_row or not any(matte[first_row:].any() for matte in mattes):
        return 0.0
    spread = [_variance(mattes, _tracked(cameras, root, share * swayed), first_row) for share in _SHARES]
    return float(_SHARES[int(np.argmin(spread))])


def _tracked(
    cameras: list[Camera], point: npt.NDArray[np.float32], shifts: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Pixels (N, 2) where a world point is seen, moved by a shift (3,) in each picture."""
    return np.stack([camera.project(point + shift) for camera, shift in zip(cameras, shifts, strict=True)])


def _variance(mattes: list[npt.NDArray[np.float32]], track: npt.NDArray[np.float32], first_row: int) -> float:
    """Mean variance over the mattes (H, W), from a row on, with what a track (N, 2) follows where it is on average."""
    height, width = mattes[0].shape
    back = []
    for matte, (across, down) in zip(mattes, track - track.mean(0), strict=True):
        matrix = np.array([[1, 0, -across], [0, 1, -down]])
        # What lies beyond the picture's edge goes on as at the edge.
        back.append(cv2.warpAffine(matte, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)[first_row:])
    return float(np.var(back, axis=0).mean())
