"""Soft mattes of the person: MediaPipe's selfie segmentation, its coarse edges moved onto those of the picture."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..quiet import silenced

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

RADIUS = 0.016
"""Radius of the guided filter as a share of the picture's side: a little more than a texel of the 256 x 256 network."""

REGULARISATION = 1e-4
"""Variance of colour (0..1) below which the filter smooths instead of following the picture."""


class Matting:
    """Segments the pictures of one clip; use as a context manager, feed pictures in order."""

    def __init__(self) -> None:
        with silenced():
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

            self._network = SelfieSegmentation(model_selection=0)
            # The first picture waits for threads that announce themselves.
            self._network.process(np.zeros((64, 64, 3), np.uint8))

    def __enter__(self) -> Matting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network.close()

    def matte(self, picture: Picture) -> Picture:
        """The share of each pixel (H, W) that is the person, 255 for all, of an sRGB picture (H, W, 3)."""
        result: Any = self._network.process(picture)
        probability = result.segmentation_mask
        refined = guided_filter(picture.astype(np.float32) / np.float32(255), probability.astype(np.float32))
        # The network is rarely quite sure and the filter rings a little: stretch, so that inside and outside are flat.
        stretched = np.clip((refined - 0.1) / 0.8, 0, 1)
        return np.rint(255 * stretched).astype(np.uint8)


def guided_filter(
    guide: Floats, source: Floats, radius: int | None = None, epsilon: float = REGULARISATION, coarser: int = 2
) -> Floats:
    """Smooth ``source`` so that its edges are those of ``guide``.

    In every window the source is fitted as a linear function of the guide's colour; a pixel gets the mean of the fits
    of all windows that hold it. K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013, equations 14-16. The fits
    are made on smaller pictures, as in K. He, J. Sun, "Fast Guided Filter", 2015: they change slowly.

    Parameters
    ----------
    guide : (H, W, 3)
        Colours in 0..1.
    source : (H, W)
    radius : int, optional
        Half the window's width, pixels of the full picture.
    epsilon : float
        Regularisation: squared difference of colour that counts as an edge.
    coarser : int
        How many times smaller the pictures are on which the fits are made.

    Returns
    -------
    (H, W)
    """
    height, width = source.shape
    radius = radius or round(RADIUS * max(height, width))
    window = (2 * max(1, radius // coarser) + 1,) * 2
    small = (max(1, width // coarser), max(1, height // coarser))

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT), np.float64)

    # Small differences of squares decide, so the fits are made in double precision.
    colour = cv2.resize(guide, small, interpolation=cv2.INTER_AREA).astype(np.float64)
    value = cv2.resize(source, small, interpolation=cv2.INTER_AREA).astype(np.float64)
    mean_colour, mean_value = mean(colour), mean(value)
    xx, xy, xz, yy, yz, zz = (
        mean(colour[..., i] * colour[..., j]) - mean_colour[..., i] * mean_colour[..., j] + epsilon * (i == j)
        for i in range(3)
        for j in range(i, 3)
    )
    cross = mean(colour * value[..., None]) - mean_colour * mean_value[..., None]
    # The inverse of a symmetric 3 x 3 matrix by its cofactors: a solver called per pixel takes ten times as long.
    cofactors = np.stack(
        [yy * zz - yz**2, xz * yz - xy * zz, xy * yz - xz * yy, xx * zz - xz**2, xy * xz - xx * yz, xx * yy - xy**2], -1
    )
    a, b, c, d, e, f = np.moveaxis(cofactors, -1, 0)
    rows = np.stack([np.stack([a, b, c], -1), np.stack([b, d, e], -1), np.stack([c, e, f], -1)], -2)
    determinant = xx * a + xy * b + xz * c
    slope = (rows @ cross[..., None])[..., 0] / determinant[..., None]
    offset = mean_value - (slope * mean_colour).sum(-1)
    fits = np.concatenate([mean(slope), mean(offset)[..., None]], -1).astype(np.float32)
    fits = cv2.resize(fits, (width, height), interpolation=cv2.INTER_LINEAR)
    return (fits[..., :3] * guide).sum(-1) + fits[..., 3]
