"""How far tracked mattes are from true ones, before a plain wall and before one full of edges."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..capture.model import Capture
from ..capture.storage import load_matte
from ..runtime.colour import linear_to_srgb, srgb_to_linear

Floats = npt.NDArray[np.float64]

REACH = 8 / 256
"""Distance from the true outline up to which a matte's error counts, as a share of the picture's side."""

SAMPLE_WALL = (126, 138, 150)
"""sRGB colour behind the sample capture's head, which its pictures contain in linear light."""

_PATCHES = 60


def busy_wall(side: int) -> npt.NDArray[np.float32]:
    """A wall full of edges (side, side, 3), linear light: rectangles of random colours, slightly out of focus."""
    random = np.random.default_rng(0)
    wall = np.full((side, side, 3), 0.3)
    for _ in range(_PATCHES):
        left, top = random.integers(0, side, 2)
        width, height = random.integers(max(2, side // 50), side // 4, 2)
        wall[top : top + height, left : left + width] = random.random(3) * 0.8
    return np.asarray(cv2.GaussianBlur(wall, (0, 0), side / 340), np.float32)


def before_wall(
    picture: npt.NDArray[np.uint8], matte: npt.NDArray[np.uint8], wall: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) of the sample capture with another wall (H, W, 3), linear light, behind the person."""
    behind = 1 - matte[..., None].astype(np.float32) / np.float32(255)
    own = srgb_to_linear(np.array(SAMPLE_WALL) / 255)
    seen = srgb_to_linear(picture.astype(np.float32) / np.float32(255)) + behind * (wall - own)
    return np.rint(255 * linear_to_srgb(seen.clip(0, 1))).astype(np.uint8)


def matte_error(truth: Capture, frames: npt.NDArray[np.intp], found: Capture) -> float:
    """Mean absolute error of mattes near the true outline, in steps of 1/255.

    Parameters
    ----------
    truth : Capture
        With true mattes.
    frames : (F,) int
        Frame of the truth that each frame of ``found`` shows.
    found : Capture
        Tracked from the whole picture, at any size.
    """
    radius = round(REACH * truth.width)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    errors = []
    for index, frame in enumerate(frames):
        true = load_matte(truth, int(frame))
        matte = cv2.resize(load_matte(found, index), true.shape[::-1], interpolation=cv2.INTER_AREA)
        inside = (true > 127).astype(np.uint8)
        near = cv2.dilate(inside, disc) > cv2.erode(inside, disc)
        errors.append(np.abs(matte.astype(np.float64) - true)[near].mean())
    return float(np.mean(errors))
