"""Soft mattes of the person: MediaPipe's selfie segmentation, its coarse edges moved onto those of the picture."""

from __future__ import annotations

from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt

from .quiet import silenced

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
        with silenced():
            probability = self._network.process(picture).segmentation_mask
        refined = guided_filter(picture.astype(np.float32) / np.float32(255), probability.astype(np.float32))
        # The network is rarely quite sure and the filter rings a little: stretch, so that inside and outside are flat.
        stretched = np.clip((refined - 0.1) / 0.8, 0, 1)
        return np.rint(255 * stretched).astype(np.uint8)


def guided_filter(guide: Floats, source: Floats, radius: int | None = None, epsilon: float = REGULARISATION) -> Floats:
    """Smooth ``source`` so that its edges are those of ``guide``.

    In every window the source is fitted as a linear function of the guide's colour; a pixel gets the mean of the fits
    of all windows that hold it. K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013, equations 14-16.

    Parameters
    ----------
    guide : (H, W, 3)
        Colours in 0..1.
    source : (H, W)
    radius : int, optional
        Half the window's width, pixels.
    epsilon : float
        Regularisation: squared difference of colour that counts as an edge.

    Returns
    -------
    (H, W)
    """
    radius = radius or max(2, round(RADIUS * max(source.shape)))
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Floats) -> Floats:
        return cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_source = mean(guide), mean(source)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    covariance = np.empty((*source.shape, 3, 3), np.float32)
    for i, j in pairs:
        value = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
        covariance[..., i, j] = covariance[..., j, i] = value
    cross = mean(guide * source[..., None]) - mean_guide * mean_source[..., None]
    slope = np.linalg.solve(covariance + epsilon * np.eye(3, dtype=np.float32), cross[..., None])[..., 0]
    offset = mean_source - (slope * mean_guide).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)
