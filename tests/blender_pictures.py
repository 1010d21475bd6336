"""How pictures that Blender has written are held to the run-time's.

Errors are in steps of 8 bits of sRGB over the avatar's pixels, on white. A picture's own rounding costs up to half a
step of colour, and half a step of alpha that lets as much of the white through: a quarter each on average. Silhouettes
may differ by a pixel where rays pass within a rounding error of an edge.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from likeness.runtime.colour import linear_to_srgb, srgb_to_linear


def load(path: Path) -> np.ndarray:
    """A PNG as linear, premultiplied light (H, W, 4), first row on top."""
    image = bpy.data.images.load(str(path))
    image.alpha_mode = "CHANNEL_PACKED"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    picture = pixels.reshape(image.size[1], image.size[0], 4)[::-1]
    bpy.data.images.remove(image)
    return np.concatenate([srgb_to_linear(picture[..., :3]) * picture[..., 3:], picture[..., 3:]], -1)


def errors(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Absolute differences (N, 3) of linear, premultiplied pictures (H, W, 4) where either shows the avatar."""
    difference = np.abs(_on_white(found) - _on_white(expected))
    return difference[(found[..., 3] > 0) | (expected[..., 3] > 0)]


def assert_equal_pictures(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for rounding, and for one value of fifty at silhouettes."""
    difference = errors(found, expected)
    assert len(difference) > 0.05 * expected[..., 3].size
    assert difference.mean() < 0.5
    assert np.percentile(difference, 98) < 1


def _on_white(picture: np.ndarray) -> np.ndarray:
    return 255 * linear_to_srgb(np.clip(picture[..., :3] + 1 - picture[..., 3:], 0, 1))
