"""Heads turned beyond the film: pictures to look at, and how far they are from being in one piece.

Nobody has filmed them, so there is no truth to compare them with. What can be told is whether a person is in one piece:
how much a picture's opacity changes when gaps are closed and wisps are taken away. Fine-tuning asks for something like
it (:func:`likeness.layered.turned_views.whole`), but leaves alone what lies near an outline. The rest is for the eye.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..capture.model import Capture
from ..head_turns import turned_neck
from ..layered.playback import Player
from ..layered.turned_views import shrunk
from ..rig import POSED_JOINTS, Pose
from .pictures import caption_lines, captioned, over, to_bytes

BEYOND = (25.0, 15.0)
"""How far beyond the filmed yaw and pitch heads are turned, degrees."""

WIDTH = 2
"""Gaps of up to twice so many pixels of a small picture are closed, wisps of up to twice so many are taken away."""

SOFTNESS = 0.7
"""Standard deviation of the blur of the outline of a person in one piece, pixels."""

RAGGED = 0.25
"""Difference in opacity from which a pixel counts as ragged."""

CERTAIN = 0.48
"""How far from a half the opacity that it should have must be; nearer are outlines, to a pixel or two."""


def turned_views(player: Player, capture: Capture, size: int) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Pictures of the head turned to the ends of what training saw, and beyond.

    Parameters
    ----------
    player : Player
    capture : Capture
    size : int
        Side of a picture, pixels.

    Returns
    -------
    sheet : (H, W, 3) uint8
        sRGB over white; yaw in the upper row, pitch in the lower one, the straightest training frame in the middle.
    marks : dict
        ``ragged_filmed`` and ``ragged_beyond``, percent of the person's pixels, means over four views.
    """
    turns, training = capture.head_turns, list(capture.training)
    low, high = turns[training].min(0), turns[training].max(0)
    index = training[int(np.abs(turns[training]).sum(1).argmin())]
    ragged: dict[str, list[float]] = {"filmed": [], "beyond": []}
    rows: list[list[npt.NDArray[np.uint8]]] = [[], []]
    captions: list[list[str]] = [[], []]
    for axis, beyond in enumerate(BEYOND):
        for place, degrees in (
            ("beyond", low[axis] - beyond),
            ("filmed", low[axis]),
            ("straight", turns[index, axis]),
            ("filmed", high[axis]),
            ("beyond", high[axis] + beyond),
        ):
            by = np.zeros(2)
            by[axis] = degrees - turns[index, axis]
            pose, camera = _turned(capture, index, by), capture.camera(index).resized(size, size)
            if place in ragged:
                ragged[place].append(_ragged(player.render(pose, shrunk(camera))[..., 3]))
            rows[axis].append(to_bytes(over(player.render(pose, camera))))
            captions[axis].append(f"{('yaw', 'pitch')[axis]} {degrees:.0f}, {place}")
    lines = max(len(caption_lines(caption, size)) for row in captions for caption in row)
    sheet = [
        np.concatenate([captioned(*pair, lines) for pair in zip(*row, strict=True)], 1)
        for row in zip(rows, captions, strict=True)
    ]
    marks = {f"ragged_{place}": {"value": float(np.mean(found)), "unit": "%"} for place, found in ragged.items()}
    return np.concatenate(sheet), marks


def _turned(capture: Capture, index: int, by: npt.NDArray[np.float64]) -> Pose:
    pose, neck = capture.pose(index), POSED_JOINTS.index("neck")
    joints = pose.joint_rotations.copy()
    joints[neck] = turned_neck(pose.root_rotation, joints[neck], capture.camera_to_world[index], by)
    return replace(pose, joint_rotations=joints)


def _ragged(opacity: npt.NDArray[np.float32]) -> float:
    """Percent of ragged pixels, of those that show the person; outlines may be as soft or hard as they like."""
    wanted = _whole(opacity)
    certain = np.abs(wanted - 0.5) > CERTAIN
    ragged = (np.abs(opacity - wanted) > RAGGED) & certain
    return float(100 * ragged.sum() / max(1, (opacity > 0.5).sum()))


def _whole(opacity: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The opacity (H, W) of a person in one piece, with an outline that is sharp but for the width of a pixel."""
    # The person goes on beyond the picture's edges.
    margin = 4 * WIDTH
    solid = np.pad(opacity > 0.5, margin, mode="edge")
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(solid, iterations=WIDTH))
    solid = ndimage.binary_opening(solid, iterations=WIDTH)[margin:-margin, margin:-margin]
    return np.asarray(ndimage.gaussian_filter(solid.astype(np.float32), SOFTNESS), np.float32)
