"""The guided filter: smoothing a picture so that its edges are those of another."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .symmetric import ENTRIES, cofactors

Floats = npt.NDArray[np.float32]


def guided_filter(guide: Floats, source: Floats, radius: int, epsilon: float, coarser: int = 2) -> Floats:
    """Smooth ``source`` so that its edges are those of ``guide``.

    In every window the source is fitted as a linear function of the guide's colour; a pixel gets the mean of the fits
    of all windows that hold it. K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013, equations 14-16. The fits
    are made on smaller pictures, as in K. He, J. Sun, "Fast Guided Filter", 2015: they change slowly.

    Parameters
    ----------
    guide : (H, W, 3)
        Colours in 0..1.
    source : (H, W)
    radius : int
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
    window = (2 * max(1, radius // coarser) + 1,) * 2
    small = (max(1, width // coarser), max(1, height // coarser))

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT), np.float64)

    # Small differences of squares decide, so the fits are made in double precision.
    colour = cv2.resize(guide, small, interpolation=cv2.INTER_AREA).astype(np.float64)
    value = cv2.resize(source, small, interpolation=cv2.INTER_AREA).astype(np.float64)
    mean_colour, mean_value = mean(colour), mean(value)
    covariance = (
        mean(colour[..., i] * colour[..., j]) - mean_colour[..., i] * mean_colour[..., j] + epsilon * (i == j)
        for i, j in ENTRIES
    )
    x, y, z = np.moveaxis(mean(colour * value[..., None]) - mean_colour * mean_value[..., None], -1, 0)
    (a, b, c, d, e, f), determinant = cofactors(*covariance)
    slope = np.dstack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z]) / determinant[..., None]
    offset = mean_value - np.einsum("hwc,hwc->hw", slope, mean_colour)
    fits = np.dstack([mean(slope), mean(offset)]).astype(np.float32)
    fits = cv2.resize(fits, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.einsum("hwc,hwc->hw", fits[..., :3], guide) + fits[..., 3]
