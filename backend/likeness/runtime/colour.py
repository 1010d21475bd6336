"""Colour: sRGB's transfer functions (IEC 61966-2-1) and pictures for files.

Everything is blended in linear light; sRGB exists only in 8-bit textures and pictures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def srgb_to_linear(encoded: npt.ArrayLike) -> Array:
    """Linear light of sRGB-encoded values, any shape, 0..1."""
    values = np.asarray(encoded, np.float32)
    low = values / 12.92
    high = ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, low, high).astype(np.float32)


def linear_to_srgb(linear: npt.ArrayLike) -> Array:
    """sRGB-encoded values of linear light, any shape, 0..1."""
    values = np.asarray(linear, np.float32)
    low = values * 12.92
    high = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(values <= 0.0031308, low, high).astype(np.float32)


def to_srgb8(picture: Array) -> npt.NDArray[np.uint8]:
    """A rendered picture as a PNG file holds it.

    Parameters
    ----------
    picture : (H, W, 4) float32
        Linear light, premultiplied by alpha.

    Returns
    -------
    (H, W, 4) uint8
        sRGB-encoded, straight alpha; black where alpha is zero.
    """
    colour, alpha = picture[..., :3], np.clip(picture[..., 3:], 0, 1)
    straight = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
    encoded = np.concatenate([linear_to_srgb(np.clip(straight, 0, 1)), alpha], -1)
    return np.rint(encoded * 255).astype(np.uint8)
