"""Where a person's rows of teeth are: at the heights at which they cover what is white between the lips.

Teeth are bright in green and blue; lips, gums and tongue are red, and the rest of a mouth is dark. So the two rows are
moved up and down behind the lips, which stay, until what shows of them agrees best with what is bright there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ...camera import Camera
from ...head.model import HeadModel
from ...raster.interface import Rasteriser
from ...raster.select import rasteriser
from ..fitting.points import LIPS
from ..fitting.residuals import PICTURE, Frames, Unknowns
from ..fitting.teeth import Teeth, lip_gaps, teeth_of
from .refine import Pictures

Floats = npt.NDArray[np.float64]

UPPER = np.arange(-4, 5) * 1e-3
"""Heights that are tried for the upper row, metres: people's teeth sit that much higher or lower behind their lips."""

LOWER = np.arange(-3, 4) * 1e-3
"""Heights that are tried for the lower row, from where the jaw at rest has it."""

OPEN = 0.1
"""Gap between the lips, in widths of the mouth, from which a mouth is looked into."""

LOOKS, FEWEST = 40, 5
"""Frames that are looked at, evenly over those with an open mouth, and how many it takes."""

LEAST_AGREEMENT = 0.05
"""Correlation of what is white with teeth below which nothing was seen of them: they may be hidden, or dark."""

RELUCTANCE = 0.005 / 0.0015**2
"""Correlation that a row gives up for each square metre that it moves: one and a half millimetres want a gain of 0.005.

Without it a row that hardly ever shows would rather hide altogether.
"""

MARGIN = 4.0
"""What is looked at around the lips, pixels of a picture 512 wide."""

_NOTHING, _SOFT, _TOOTH = 0, 1, 2


class _Look(NamedTuple):
    """What shows between the lips in one frame: whiteness (N,), and of each row at each height (K, N) what it shows."""

    whiteness: Floats
    upper: npt.NDArray[np.uint8]
    lower: npt.NDArray[np.uint8]


def seen_heights(
    head: HeadModel,
    observed: Floats,
    unknowns: Unknowns,
    pictures: Pictures,
    training: Frames,
    resting: Floats,
) -> Floats:
    """How much higher (2,) the upper and lower row of teeth are than the head model's, metres.

    Parameters
    ----------
    head : HeadModel
        As :func:`..fitting.fit.fit_clip` had it.
    observed : (F, 468 or more, 2)
        MediaPipe's points, pixels of a picture 512 wide, from the principal point, y upwards.
    unknowns : Unknowns
        What was fitted.
    pictures : Pictures
    training : (T,) int
        Frames that may be looked at.
    resting : (2,)
        What :func:`..fitting.teeth.resting_heights` expects; the result if too few frames show teeth.
    """
    teeth = teeth_of(head)
    shown = training[lip_gaps(observed[training]) > OPEN]
    if teeth is None or len(shown) < FEWEST:
        return resting
    frames = shown[np.unique(np.linspace(0, len(shown) - 1, LOOKS).round().astype(np.intp))]
    heights = resting[0] + UPPER, resting[1] + LOWER
    shaped, rasterise = head.shaped(unknowns.identity), rasteriser(torch.device("cpu"))
    looks = []
    for frame in frames.tolist():
        camera, part = _mouth(observed[frame], unknowns, pictures)
        layers = _rasterised(head, teeth, shaped, unknowns, frame, heights, camera, rasterise)
        whiteness = pictures.read(frame)[part][..., 1:].mean(2) / 255
        looks.append(_look(head, layers, whiteness, len(UPPER)))
    whiteness, upper, lower = (np.concatenate(parts, -1) for parts in zip(*looks, strict=True))
    agreement = np.array([[_agreement(whiteness, above, below) for below in lower] for above in upper])
    credit = agreement - RELUCTANCE * (UPPER[:, None] ** 2 + LOWER**2)
    above, below = np.unravel_index(int(credit.argmax()), credit.shape)
    if agreement[above, below] < LEAST_AGREEMENT:
        return resting
    return np.array([heights[0][above], heights[1][below]])


def _mouth(observed: Floats, unknowns: Unknowns, pictures: Pictures) -> tuple[Camera, tuple[slice, slice]]:
    """A camera that shows the part of a picture around the lips, and the rows and columns of that part."""
    scale, centre = pictures.size / PICTURE, np.array(pictures.middle)
    lips = scale * observed[list(LIPS)] * [1, -1] + centre
    low = np.floor(lips.min(0) - MARGIN * scale).clip(0, pictures.size - 1)
    high = np.ceil(lips.max(0) + MARGIN * scale).clip(low + 1, pictures.size)
    focal = scale * float(np.exp(unknowns.log_focal))
    (width, height), (cx, cy) = (high - low).astype(int).tolist(), (centre - low).tolist()
    left, top = low.astype(int).tolist()
    camera = Camera(width, height, focal, focal, cx, cy, np.eye(4, dtype=np.float32))
    return camera, (slice(top, top + height), slice(left, left + width))


def _rasterised(
    head: HeadModel,
    teeth: Teeth,
    shaped: npt.NDArray[np.float32],
    unknowns: Unknowns,
    frame: int,
    heights: tuple[Floats, Floats],
    camera: Camera,
    rasterise: Rasteriser,
) -> npt.NDArray[np.intp]:
    """Triangles of the head model (1 + K + K', H, W) that show, -1 for none: all but teeth, then each row at each."""
    rotation, translation = (x[frame].astype(np.float32) for x in (unknowns.rotation, unknowns.translation))
    expression = unknowns.expression[frame].astype(np.float32)
    points = (shaped + np.tensordot(expression, head.expression_basis, 1)) @ rotation.T + translation
    rows = [
        (part, height, share)
        for part, tried, share in zip((teeth.upper, teeth.lower), heights, teeth.rising, strict=True)
        for height in tried
    ]
    rest = np.setdiff1d(np.arange(len(head.faces)), np.concatenate([teeth.upper, teeth.lower]))
    parts = [rest, *(part for part, _, _ in rows)]
    up = rotation[:, 1]
    vertices = np.stack([points, *(points + np.float32(height) * share[:, None] * up for _, height, share in rows)])
    faces = np.concatenate([head.faces[part] + layer * len(points) for layer, part in enumerate(parts)])
    layers = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    placed, joined = torch.from_numpy(vertices.reshape(-1, 3)), torch.from_numpy(faces.astype(np.int32))
    seen = rasterise(placed, joined, torch.from_numpy(layers), len(parts), camera).numpy()
    return np.where(seen >= 0, np.concatenate(parts)[seen], -1)


def _look(head: HeadModel, layers: npt.NDArray[np.intp], whiteness: Floats, upper_count: int) -> _Look:
    """What lies between the lips of one frame, given what :func:`_rasterised` found."""
    inside = (layers[0] >= 0) & head.regions["mouth"][layers[0]]
    tooth = np.where(head.regions["teeth"], _TOOTH, _SOFT).astype(np.uint8)
    rows = np.where(layers[1:] >= 0, tooth[layers[1:]], _NOTHING)[:, inside]
    return _Look(whiteness[inside], rows[:upper_count], rows[upper_count:])


def _agreement(whiteness: Floats, upper: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint8]) -> float:
    """Correlation of what is white with what shows a tooth, where the upper row lies before the lower one."""
    shows = np.where(upper != _NOTHING, upper, lower) == _TOOTH
    if not 0 < shows.sum() < len(shows) or not whiteness.std() > 0:
        return 0.0
    return float(np.corrcoef(whiteness, shows)[0, 1])
