"""What stands behind the person: a still camera's background, put together from all the frames that show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

SURE = 0.03
"""Probability of being the person below which a pixel counts as background; far from the outline, that is."""

MARGIN = 0.02
"""Distance from the outline at which a pixel counts as far, as a share of the picture's side."""

ENOUGH = 4
"""Frames that must show a pixel's background before it is believed."""


@dataclass(frozen=True)
class Background:
    """The background of one shot.

    Attributes
    ----------
    colour : (H, W, 3) float32
        Mean sRGB colour, 0..1; zero where it was never seen.
    variance : (H, W) float32
        Mean over the channels of the colour's variance over time: large where the camera or the background moved.
    seen : (H, W) bool
        Where enough frames show it.
    """

    colour: Floats
    variance: Floats
    seen: npt.NDArray[np.bool_]


def background_of(frames: Iterable[tuple[Picture, Floats]]) -> Background:
    """Put the background together, one frame at a time.

    Parameters
    ----------
    frames : iterable of ((H, W, 3) uint8, (H, W) float32)
        Pictures, sRGB, and how probable each pixel is the person's, 0..1.
    """
    total = squares = count = None
    for picture, person in frames:
        colour = picture.astype(np.float32) / np.float32(255)
        behind = far_from(person > SURE, MARGIN)[..., None].astype(np.float32)
        if total is None or squares is None or count is None:
            total, squares, count = np.zeros_like(colour), np.zeros_like(colour), np.zeros_like(behind)
        total += behind * colour
        squares += behind * colour**2
        count += behind
    if total is None or squares is None or count is None:
        raise ValueError("A background needs at least one frame.")
    mean = total / count.clip(1)
    variance = (squares / count.clip(1) - mean**2).clip(0).mean(-1)
    return Background(mean, variance, count[..., 0] >= ENOUGH)


def unseen_background(height: int, width: int) -> Background:
    """What is known of the background of a single picture: nothing but what lies beside the person."""
    nothing = np.zeros((height, width), np.float32)
    return Background(np.zeros((height, width, 3), np.float32), nothing, nothing > 0)


def far_from(region: npt.NDArray[np.bool_], share: float) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) outside a region, and further from it than a share of the picture's longer side."""
    radius = max(1, round(share * max(region.shape)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(region.astype(np.uint8), around) == 0
