"""Texels of an avatar's textures: PNG files made and decoded, and cut into their tiles."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt


def decode_png(content: bytes) -> npt.NDArray[np.uint8]:
    """Texels (H, W, 4) of an RGBA picture that has passed :func:`likeness.asset.png.check_png`."""
    # Blender's Python has no Pillow, and imports this package for its other functions.
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        return np.asarray(picture)


def encode_png(picture: npt.NDArray[np.uint8], level: int = 6) -> bytes:
    """A PNG file of an 8-bit RGBA picture (H, W, 4); ``level`` is zlib's, 0 (fast) to 9 (small)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture), "RGBA").save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def split_tiles(picture: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Tiles (T, side, side, 4) of a picture, row after row."""
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    return picture.reshape(rows, side, columns, side, 4).swapaxes(1, 2).reshape(rows * columns, side, side, 4)
