"""Perceptual losses on patches: what an eye misses in a picture whose single pixels are right on average.

Differences of single pixels ask for the mean of what might be there, and the mean of all places that a strand or a
wrinkle might be at is a blur. Losses on patches also compare what lies beside what. Two need no weights:

* ``pyramid``: absolute differences of Laplacian pyramids, each octave's mean counting alike, so that fine detail, whose
  values are small, is not drowned by what is coarse.
* ``structure``: one minus structural similarity (Wang et al., 2004) at two scales.

``lpips`` is the distance of :mod:`.lpips`, with weights that somebody has put on the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from ..errors import LikenessError
from .lpips import PLACE, SMALLEST, load_lpips

PatchLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Loss () of patches (N, 3, S, S) against the truth, both sRGB-encoded."""

KINDS = ("pyramid", "structure", "lpips")

_SMALLEST_OCTAVE = 4
_WINDOW, _DEVIATION = 11, 1.5
_FIRST, _SECOND = 0.01**2, 0.03**2


@cache
def patch_loss(kind: str, device: torch.device | str = "cpu") -> PatchLoss:
    """The loss of that name.

    Raises
    ------
    LikenessError
        If there is none, or it needs weights that are not on the disk.
    """
    if kind == "pyramid":
        return pyramid_difference
    if kind == "structure":
        return lambda picture, truth: 1 - structure(picture, truth)
    if kind != "lpips":
        raise LikenessError(f"There is no perceptual loss {kind!r}; choose one of {', '.join(KINDS)}.")
    network = load_lpips()
    if network is None:
        raise LikenessError(f"The perceptual loss lpips needs weights at {PLACE}, and there are none; choose pyramid.")
    return network.to(device).distance


def smallest_patch(kind: str) -> int:
    """Least side of patches, pixels, that a loss can compare."""
    return {"pyramid": 2 * _SMALLEST_OCTAVE, "structure": 2 * _WINDOW, "lpips": SMALLEST}[kind]


def pyramid_difference(picture: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Sum over octaves of the mean absolute difference of Laplacian pyramids; the coarsest octave is left out.

    What differs by a constant or a slow gradient alone costs nothing: single pixels see to that.

    Parameters
    ----------
    picture, truth : (N, 3, S, S)
    """
    # Pyramids are linear, so that of the difference is the difference of theirs.
    values, total = picture - truth, picture.new_zeros(())
    while min(values.shape[-2:]) >= 2 * _SMALLEST_OCTAVE:
        coarse = avg_pool2d(values, 2, ceil_mode=True)
        smooth = interpolate(coarse, values.shape[-2:], mode="bilinear", align_corners=False)
        total = total + (values - smooth).abs().mean()
        values = coarse
    return total


def structure(picture: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean structural similarity () of patches (N, 3, S, S) at full and at half size; one for equal pictures."""
    halves = (avg_pool2d(part, 2) for part in (picture, truth))
    return 0.5 * (_similarity(picture, truth) + _similarity(*halves))


def _similarity(picture: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean over whole windows: a Gaussian of deviation 1.5 over 11 pixels, range of values 1."""
    places = torch.arange(_WINDOW, dtype=picture.dtype, device=picture.device) - _WINDOW // 2
    line = torch.exp(-places.square() / (2 * _DEVIATION**2))
    line = (line / line.sum()).view(1, 1, 1, -1)

    def mean(values: torch.Tensor) -> torch.Tensor:
        flat = values.reshape(-1, 1, *values.shape[-2:])
        return conv2d(conv2d(flat, line), line.transpose(2, 3))

    first, second = mean(picture), mean(truth)
    spread = mean(picture.square()) - first.square() + mean(truth.square()) - second.square()
    common = mean(picture * truth) - first * second
    brightness = (2 * first * second + _FIRST) / (first.square() + second.square() + _FIRST)
    return (brightness * (2 * common + _SECOND) / (spread + _SECOND)).mean()


def chosen_patches(middles: torch.Tensor, size: tuple[int, int], side: int) -> torch.Tensor:
    """Pixels (N, side, side) of whole patches about given pixels, moved to lie within the picture.

    Parameters
    ----------
    middles : (N,) int64
        Pixels, counted row by row.
    size : two int
        Width and height of the picture, at least ``side``.
    side : int
    """
    width, height = size
    left = (middles % width - side // 2).clamp(0, width - side)
    top = (middles // width - side // 2).clamp(0, height - side)
    steps = torch.arange(side, device=middles.device)
    return (top[:, None, None] + steps[:, None]) * width + left[:, None, None] + steps
