"""How far a picture is from the truth. Pictures are sRGB-encoded, float, 0..1."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FACE_POINTS = 468
"""Landmarks that lie on the face; the rest are on the irises."""


def psnr(picture: npt.ArrayLike, truth: npt.ArrayLike, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio, decibels: -10 log10 of the mean squared difference, for a peak of one.

    Parameters
    ----------
    picture, truth : (H, W, 3)
    mask : (H, W) bool, optional
        Pixels that count.

    Returns
    -------
    float
        Infinite for equal pictures, NaN where no pixel counts.
    """
    difference = _counted(picture, truth, mask)
    if difference.size == 0:
        return float("nan")
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def l1(picture: npt.ArrayLike, truth: npt.ArrayLike, mask: Mask | None = None) -> float:
    """Mean absolute difference of pictures (H, W, 3) where the mask (H, W) is set; NaN where no pixel counts."""
    difference = _counted(picture, truth, mask)
    return float(np.mean(np.abs(difference))) if difference.size else float("nan")


def similarity_map(picture: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Structural similarity (Wang et al., 2004) of the window around each pixel and channel, (H, W, 3).

    The window is a Gaussian of deviation 1.5 pixels; one where pictures are equal.

    Parameters
    ----------
    picture, truth : (H, W, 3)
        At least 11 pixels each way.
    """
    first, second = (np.asarray(values, np.float64) for values in (picture, truth))
    similarity: Array = structural_similarity(
        first,
        second,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]  # pyright: ignore[reportAssignmentType]
    return similarity


def face_mask(landmarks: npt.ArrayLike, width: int, height: int) -> Mask:
    """Pixels whose centres lie in the convex hull of the face's landmarks.

    Parameters
    ----------
    landmarks : (478, 2)
        MediaPipe's points in pixels of the picture that is masked; those that are not finite are left out.
    width, height : int
        The picture's size, pixels.

    Returns
    -------
    (height, width) bool
        Empty where fewer than three points are known, or all lie on one line.
    """
    points = np.asarray(landmarks, np.float32)[:FACE_POINTS]
    points = points[np.isfinite(points).all(1)]
    if len(points) < 3:
        return np.zeros((height, width), np.bool_)
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    following = np.roll(hull, -1, 0)
    area = float(np.sum(hull[:, 0] * following[:, 1] - hull[:, 1] * following[:, 0]))
    if area == 0:
        return np.zeros((height, width), np.bool_)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = np.ones((height, width), np.bool_)
    for start, end in zip(hull, following, strict=True):
        side = (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
        inside &= np.sign(area) * side >= 0
    return inside


def _counted(picture: npt.ArrayLike, truth: npt.ArrayLike, mask: Mask | None) -> npt.NDArray[np.float64]:
    difference = np.asarray(picture, np.float64) - np.asarray(truth, np.float64)
    return difference if mask is None else difference[mask]
