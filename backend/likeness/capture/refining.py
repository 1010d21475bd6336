"""Mattes with hair in them: what share of each pixel near the outline is the person, from colours at full resolution.

The network's outline is coarse (256 x 256) and rather sure of itself. Near it a pixel's colour is taken for a mixture
``a F + (1 - a) B`` of what is in front and what is behind. F is normally distributed as the colours of the person
nearby; B as this very pixel's colours whenever the person is elsewhere, or, where the person never leaves, as the
background's colours nearby. With both integrated out the colour's density for a share a is normal, with mean
``a mF + (1 - a) mB`` and covariance ``a^2 SF + (1 - a)^2 SB + noise``; the matte is the mean of a over its posterior.
After Y.-Y. Chuang et al., "A Bayesian Approach to Digital Matting", CVPR 2001, which seeks the maximum over F, B and a.
The prior of a is the network's, times what pixels around came to (mean field), and mostly all or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .background import Background, far_from
from .guided_filter import guided_filter
from .symmetric import ENTRIES, cofactors

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]

BAND = 0.02
"""Distance from the network's outline to which shares are sought, in parts of the picture's side, as all lengths here.

Hair that stands out further is lost.
"""

INSIDE, OUTSIDE = 0.004, 0.01
"""Distance from the network's outline from which colours count as the person's, or the background's."""

NEARBY = 0.02
"""Half the width of the windows over which colours are gathered; four times that where they hold none."""

FINISH = 0.006
"""Radius of the guided filter that ends it."""

NOISE = 0.02
"""Deviation of a camera's and a codec's noise, colour in 0..1."""

VARIETY = 0.13
"""Deviation by which the person's colours nearby may differ from all that was gathered: lit rims, strands."""

PARTLY = 0.01
"""Prior probability that a pixel is neither all person nor all background."""

DOUBT, NEIGHBOURS_DOUBT = 0.01, 0.002
"""Least probability that the network is wrong, and that it is with all pixels around."""

PERSISTENCE = 0.5
"""Weight of the frame before where the picture has not changed."""

UNCHANGED = 0.03
"""Deviation of colour between frames that still counts as unchanged."""

_SHARES = np.linspace(0, 1, 9, dtype=np.float32)
_DIAGONAL = np.array([[1], [0], [0], [1], [0], [1]], np.float32)
_SWEEPS = 3
_COARSE = 256  # colours are gathered from pictures about half as large, whatever the size
_RANGE = 0.03  # shares this close to none or all are rounding


@dataclass(frozen=True)
class Matte:
    """A refined matte and the picture that it belongs to, for the next frame to go on from.

    Attributes
    ----------
    colour : (H, W, 3) float32
        sRGB, 0..1.
    share : (H, W) float32
        Of each pixel that is the person, 0..1.
    """

    colour: Floats
    share: Floats


@dataclass(frozen=True)
class _Colours:
    """Normal distributions of colour, one for each of N pixels: mean (3, N), covariance (6, N)."""

    mean: Floats
    covariance: Floats


def refine_matte(picture: Picture, person: Floats, background: Background, before: Matte | None = None) -> Matte:
    """The matte of a picture.

    Parameters
    ----------
    picture : (H, W, 3) uint8
        sRGB.
    person : (H, W) float32
        How probable each pixel is the person's by the network, 0..1.
    background : Background
        Of the same shot.
    before : Matte, optional
        Of the frame before, in the same shot.
    """
    colour = picture.astype(np.float32) / np.float32(255)
    share = (person > 0.5).astype(np.float32)
    edge = (person > _RANGE) & (person < 1 - _RANGE)
    edge |= cv2.morphologyEx(share, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    if edge.any():
        band = ~far_from(edge, BAND)
        refined = _refined(colour, person, share, background, band)
        share = np.where(band, ((refined - _RANGE) / (1 - 2 * _RANGE)).clip(0, 1), share)
        _fill_holes(share, person)
    if before is not None:
        change = colour - before.colour
        difference = np.einsum("hwc,hwc->hw", change, change)
        # Beside something that has moved, nothing is the same.
        same = cv2.erode(np.exp(difference / np.float32(-2 * UNCHANGED**2)), np.ones((3, 3), np.uint8))
        share = share + np.float32(PERSISTENCE) * same * (before.share - share)
    return Matte(colour, share)


def _refined(colour: Floats, person: Floats, share: Floats, background: Background, band: Flags) -> Floats:
    """Shares (H, W) with those in the band sought by colour."""
    side = max(band.shape)
    rows, columns = np.nonzero(band)
    in_front = (person > 0.5) & far_from(person < 0.9, INSIDE)
    behind = background.seen | far_from(person > 0.1, OUTSIDE)
    clean = np.where(background.seen[..., None], background.colour, colour)
    radius = max(2, round(NEARBY * side))
    front = _gathered(colour, in_front, radius, rows, columns)
    back = _gathered(clean, behind, radius, rows, columns)
    known = background.seen[rows, columns]
    back = _Colours(
        np.where(known, clean[rows, columns].T, back.mean),
        np.where(known, _DIAGONAL * background.variance[rows, columns], back.covariance),
    )
    likelihood = _likelihood(colour[rows, columns].T, front, back)
    network = person[rows, columns].clip(DOUBT, 1 - DOUBT)
    odds = network / (1 - network)
    probable = network
    share = share.copy()
    partly = np.full((len(_SHARES), 1), PARTLY / (len(_SHARES) - 2), np.float32)
    for sweep in range(_SWEEPS):
        prior = np.repeat(partly, len(probable), 1)
        prior[0], prior[-1] = (1 - PARTLY) * (1 - probable), (1 - PARTLY) * probable
        posterior = prior * likelihood
        share[rows, columns] = _SHARES @ posterior / posterior.sum(0)
        if sweep < _SWEEPS - 1:
            around = _mean_around(share, max(1, round(FINISH * side)))[rows, columns].clip(DOUBT, 1 - DOUBT)
            both = odds * around / (1 - around)
            probable = (both / (1 + both)).clip(NEIGHBOURS_DOUBT, 1 - NEIGHBOURS_DOUBT)
    return guided_filter(colour, share, max(1, round(FINISH * side)), NOISE**2)


def _gathered(
    colour: Floats, mask: Flags, radius: int, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> _Colours:
    """Mean and covariance of the masked colours around some pixels; from further away where there are none near."""
    height, width = mask.shape
    coarser = 2 * max(1, round(max(height, width) / _COARSE))
    size = (max(1, width // coarser), max(1, height // coarser))
    small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    whole = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99).astype(np.float32)
    products = [small[..., i] * small[..., j] for i, j in ENTRIES]
    moments = np.dstack([np.ones_like(whole), small, *products]) * whole[..., None]
    # The far window's say is small, so that near colours win as soon as there are some.
    sums = _mean_around(moments, radius // coarser) + np.float32(0.05) * _mean_around(moments, 4 * radius // coarser)
    found = sums[(rows // coarser).clip(max=size[1] - 1), (columns // coarser).clip(max=size[0] - 1)].T
    weight = found[0].clip(1e-6)
    mean = found[1:4] / weight
    second = found[4:] / weight
    return _Colours(mean, second - np.stack([mean[i] * mean[j] for i, j in ENTRIES]))


def _likelihood(colour: Floats, front: _Colours, back: _Colours) -> Floats:
    """How likely each share (S,) makes each pixel's colour, (S, N), up to a factor per pixel."""
    front_covariance = front.covariance + _DIAGONAL * np.float32(VARIETY**2)
    noise = _DIAGONAL * np.float32(NOISE**2)
    exponents = np.empty((len(_SHARES), colour.shape[1]), np.float32)
    for index, a in enumerate(_SHARES):
        x, y, z = colour - a * front.mean - (1 - a) * back.mean
        mixed = a * a * front_covariance + (1 - a) ** 2 * back.covariance + noise
        (c_xx, c_xy, c_xz, c_yy, c_yz, c_zz), determinant = cofactors(*mixed)
        determinant = determinant.clip(1e-14)
        distance = c_xx * x * x + c_yy * y * y + c_zz * z * z + 2 * (c_xy * x * y + c_xz * x * z + c_yz * y * z)
        exponents[index] = -0.5 * (distance / determinant + np.log(determinant))
    return np.exp(exponents - exponents.max(0))


def _fill_holes(share: Floats, person: Floats) -> None:
    """Close, in place, holes in the matte that the network knows nothing of: highlights of the background's colour."""
    count, found = cv2.connectedComponents((share < 0.9).astype(np.uint8))
    labels = np.asarray(found, np.intp)
    reaches_background = np.zeros(count, bool)
    reaches_background[np.unique(labels[person < 0.6])] = True
    reaches_background[0] = True  # What is not below is no hole.
    share[~reaches_background[labels]] = 1


def _mean_around(values: Floats, radius: int) -> Floats:
    """Means over square windows of (H, W) or (H, W, C)."""
    width = 2 * max(1, radius) + 1
    return np.asarray(cv2.boxFilter(values, -1, (width, width), borderType=cv2.BORDER_REFLECT), np.float32)
