"""What a picture's colours say about a frame's pose and expression: residuals, and their normal equations."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..fitting.residuals import PICTURE, POSE, Unknowns
from .appearance import Appearance, logarithmic
from .samples import Flags, SkinSamples

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

OUTLIER = 2.5
"""Deviations from which a colour's pull falls (Geman-McClure): hair, a shadow, a highlight."""


@dataclass(frozen=True)
class Placed:
    """Where the N points are in one frame.

    Attributes
    ----------
    camera, normals : (N, 3) float32
        Camera space.
    pixels : (N, 2) float32
        x right, y down, centres at +0.5.
    focal : float
        Pixels.
    middle : (float, float)
        The principal point, pixels.
    """

    camera: Floats
    normals: Floats
    pixels: Floats
    focal: float
    middle: tuple[float, float]


@dataclass(frozen=True)
class Sight:
    """The part of a frame's picture that holds the points.

    Attributes
    ----------
    colours : (h, w, 3) float32
        Logarithmic.
    corner : (int, int)
        Column and row of the first pixel.
    """

    colours: Floats
    corner: tuple[int, int]

    def at(self, values: Floats, pixels: Floats) -> Floats:
        """Values (N, 3) of something (h, w, 3) in this part at places (N, 2) of the whole picture, bilinear."""
        x, y = (pixels - np.array(self.corner, np.float32) - np.float32(0.5)).T
        return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)[:, 0]

    def derivatives(self) -> tuple[Floats, Floats]:
        """Of the colours by pixels to the right and down, (h, w, 3) each."""
        right = cv2.Scharr(self.colours, cv2.CV_32F, 1, 0, scale=1 / 32)
        down = cv2.Scharr(self.colours, cv2.CV_32F, 0, 1, scale=1 / 32)
        return np.asarray(right, np.float32), np.asarray(down, np.float32)


def placed(samples: SkinSamples, unknowns: Unknowns, frame: int, size: int, middle: tuple[float, float]) -> Placed:
    """The points in one frame of a given size, pixels, with a given principal point."""
    rotation = unknowns.rotation[frame].astype(np.float32)
    camera = samples.positions(unknowns.expression[frame]) @ rotation.T + unknowns.translation[frame].astype(np.float32)
    focal = float(np.exp(unknowns.log_focal)) * size / PICTURE
    pixels = np.array(middle) + focal * (camera[:, :2] / camera[:, 2:]) * [-1, 1]
    return Placed(camera, samples.normals @ rotation.T, pixels.astype(np.float32), focal, middle)


def sight(picture: Picture, place: Placed, blur: float) -> Sight:
    """The part around the points of a picture (H, W, 3), blurred by a Gaussian of a deviation in pixels."""
    height, width = picture.shape[:2]
    margin = int(3 * blur) + 3
    left, top = np.clip(np.floor(place.pixels.min(0)).astype(int) - margin, 0, (width - 2, height - 2))
    right, bottom = np.ceil(place.pixels.max(0)).astype(int) + margin
    part = picture[top : max(bottom, top + 2), left : max(right, left + 2)]
    return Sight(logarithmic(part, blur), (int(left), int(top)))


def head_system(
    samples: SkinSamples,
    appearance: Appearance,
    seen: Sight,
    place: Placed,
    unknowns: Unknowns,
    frame: int,
    flags: Flags,
    *,
    pose_only: bool = False,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Normal equations of what one frame's colours say of the head: matrix (6 + E, 6 + E) and gradient (6 + E,).

    Unknowns and their order are those of :class:`likeness.capture.fitting.residuals.Linearised`. Both are means over
    the points seen and over channels, in squared deviations, so that the number of points does not matter. That skin
    is lit differently once it turns is in the residuals, not in their derivatives.

    Parameters
    ----------
    samples : SkinSamples
    appearance : Appearance
    seen : Sight
    place : Placed
    unknowns : Unknowns
    frame : int
        Of the unknowns.
    flags : (N,) bool
        Points that are seen.
    pose_only : bool
        Whether expressions are left out: zero, and much quicker.
    """
    size = POSE + len(samples.expression_basis)
    hessian, gradient = np.zeros((size, size)), np.zeros(size)
    residual = appearance.expected(place.normals) - seen.at(seen.colours, place.pixels)
    # Frames may be brighter or redder as a whole: exposure and white balance drift.
    weight = _weights(residual, appearance.deviation, flags)
    residual = residual - (weight[:, None] * residual).sum(0) / weight.sum().clip(1e-9)
    weight = _weights(residual, appearance.deviation, flags)
    used = np.flatnonzero(weight)
    if not len(used):
        return hessian, gradient
    right, down = (seen.at(values, place.pixels[used]) for values in seen.derivatives())
    camera = place.camera[used]
    depth = -camera[:, 2:]
    # Derivatives of colours (n, 3) by the point's place (x, y, z) in camera space: depth falls as z grows.
    across = (place.pixels[used] - np.array(place.middle, np.float32)) / depth
    slope = place.focal / depth
    by_place = np.stack([right * slope, -down * slope, right * across[:, :1] + down * across[:, 1:]], 2)
    around = camera - unknowns.translation[frame].astype(np.float32)
    columns = [np.cross(around[:, None], by_place), by_place]
    if not pose_only:
        by_model = by_place @ unknowns.rotation[frame].astype(np.float32)
        columns.append(by_model @ samples.expression_basis[:, used].transpose(1, 2, 0))
    rows = np.concatenate(columns, 2).reshape(3 * len(used), -1).astype(np.float32)
    every = np.repeat(weight[used], 3)
    scaled = rows * np.sqrt(every)[:, None]
    total, count = 3 * max(int(flags.sum()), 1), rows.shape[1]
    hessian[:count, :count] = (scaled.T @ scaled).astype(np.float64) / total
    gradient[:count] = -(rows.T @ (every * residual[used].ravel())).astype(np.float64) / total
    return hessian, gradient


def _weights(residual: Floats, deviation: Floats, flags: Flags) -> Floats:
    """Weight (N,) of each point's colours (N, 3): the deviation's, less where they are far off."""
    share = (residual**2).mean(1) / (OUTLIER * deviation) ** 2
    return np.where(flags & np.isfinite(deviation), 1 / (deviation * (1 + share)) ** 2, 0).astype(np.float32)
