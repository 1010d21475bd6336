"""Making an avatar's file small without changing a picture of it.

What no lookup touches, and what is wholly transparent whatever the decoder says, is replaced by what packs to next to
nothing; displacements too small to see are left out, so that morph targets are stored sparsely; PNG files are written
with whichever of two ways is shorter.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .footprint import footprint
from .invariants import atlas_size
from .layered import Layer, LayeredAvatar
from .pictures import decode_png, encode_png, split_tiles
from .png import png_of_rows

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

STILLNESS = 3e-6
"""Metres: a vertex that an expression moves by less along every axis is taken to stay. A hundredth of a pixel where a
head fills a picture of 1000."""

PREVIEW_MARGIN = 4
"""Texels around charts that previews keep: plain viewers filter them as they like."""


def packed(avatar: LayeredAvatar) -> LayeredAvatar:
    """The same avatar, smaller: the run-time draws the same pictures, to the bit where nothing is posed.

    Parameters
    ----------
    avatar : LayeredAvatar
        Has passed :func:`likeness.asset.invariants.check_avatar`.
    """
    return replace(avatar, layers=tuple(_packed_layer(avatar, layer) for layer in avatar.layers))


def _packed_layer(avatar: LayeredAvatar, layer: Layer) -> Layer:
    side, gutter = avatar.tile_size + 2 * avatar.gutter, avatar.gutter
    bases = split_tiles(decode_png(layer.bases), side)[: avatar.basis_count]
    features = split_tiles(decode_png(layer.features), side)
    touched = footprint(layer.uv, layer.faces, avatar.tile_size, gutter)
    # Lookups blend neighbours: a texel shows if it or any of them is not wholly transparent.
    shown = touched & grown(bases[..., 3].any(0), 1)
    inside = slice(gutter, gutter + avatar.tile_size)
    preview = decode_png(layer.preview)
    kept = grown(touched, PREVIEW_MARGIN)[inside, inside] & grown(preview[..., 3] > 0, PREVIEW_MARGIN)
    width, height = atlas_size(avatar)
    return replace(
        layer,
        # What is touched and transparent must stay so: it may not repeat what lies beyond a gap to its left.
        bases=smallest_png(_laid_out(continued(bases * shown[..., None].astype(np.uint8), touched), width, height)),
        features=smallest_png(_laid_out(continued(features, shown), len(features) * side, side)),
        preview=smallest_png(continued(preview[None], kept)[0]),
        expression_targets=_settled(layer.expression_targets),
        corrective_targets=_settled(layer.corrective_targets),
    )


def continued(tiles: Bytes, used: Mask) -> Bytes:
    """Tiles (T, H, W, 4) whose unused texels repeat the used one to their left, or are zero where there is none."""
    source = np.where(used, np.arange(used.shape[1]), 0)
    np.maximum.accumulate(source, axis=1, out=source)
    cleared = tiles * used[..., None]
    return np.take_along_axis(cleared, source[None, ..., None], axis=2)


def grown(mask: Mask, reach: int) -> Mask:
    """The mask (H, W) and all texels that are at most ``reach`` rows and columns away from it."""
    padded = np.pad(mask, reach)
    windows = range(2 * reach + 1)
    height, width = mask.shape
    rows = np.logical_or.reduce([padded[start : start + height] for start in windows])
    return np.logical_or.reduce([rows[:, start : start + width] for start in windows])


def smallest_png(picture: Bytes) -> bytes:
    """A PNG file of an 8-bit RGBA picture (H, W, 4): filtered row by row, or unfiltered where that is shorter.

    Learnt textures are noisy, and differences of noise are noisier still.
    """
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, 4 * width)], 1).tobytes()
    # A quick try tells as well as a thorough one which of the two is shorter.
    if len(zlib.compress(rows, 1)) < len(encode_png(picture, 1)):
        return png_of_rows(zlib.compress(rows, 9), width, height)
    return encode_png(picture, 9)


def _laid_out(tiles: Bytes, width: int, height: int) -> Bytes:
    """A picture (height, width, 4) of tiles (T, S, S, 4), row after row; what they leave is zero."""
    _, side, _, channels = tiles.shape
    rows, columns = height // side, width // side
    filled = np.zeros((rows * columns, side, side, channels), np.uint8)
    filled[: len(tiles)] = tiles
    grid = filled.reshape(rows, columns, side, side, channels)
    return np.ascontiguousarray(grid.swapaxes(1, 2).reshape(height, width, channels))


def _settled(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Displacements (E, V, 3) with those that are too small to see set to zero."""
    moves = (np.abs(targets) > STILLNESS).any(2, keepdims=True)
    return np.where(moves, targets, np.float32(0))
