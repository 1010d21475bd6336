"""Refining a clip's poses and expressions by its pictures, which are read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ...head.model import HeadModel
from ...raster.interface import Rasteriser
from ...raster.select import rasteriser
from ..fitting.points import COUNT, point_model
from ..fitting.priors import ExpressionPrior
from ..fitting.residuals import PICTURE, Frames, Unknowns
from ..fitting.solver import solve_clip
from .appearance import Appearance, appearance_of
from .evidence import head_system, placed, sight
from .samples import Flags, SkinSamples, skin_samples, visible

Picture = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint8]
Report = Callable[[str, int, int], None]

TRUST = 300.0
"""How many measurements of one deviation each all colours of a frame together count for."""

POSE_TRUST = 5.0
"""How many times as much they count for where expressions are held and only the head moves.

All of the skin moves with the head, and shading cannot be taken for that; it can for an expression, which landmarks
must therefore hold.
"""

LOOKS = 300
"""Training frames, evenly spread, from which colours and light are found."""


@dataclass(frozen=True)
class Round:
    """Colours and light are found once, then all frames take a step towards them.

    Attributes
    ----------
    blur : float
        Of the pictures, pixels of a picture 512 wide.
    pose_only : bool
        Whether expressions are held.
    """

    blur: float
    pose_only: bool


ROUNDS = (
    Round(2.5, pose_only=False),
    Round(2.5, pose_only=False),
    Round(1.2, pose_only=False),
    Round(1.2, pose_only=False),
    Round(1.2, pose_only=True),
    Round(1.2, pose_only=True),
)
"""All that a clip goes through; more of either kind moves next to nothing."""


@dataclass(frozen=True)
class Pictures:
    """A clip's pictures.

    Attributes
    ----------
    read : callable
        Gives the picture (S, S, 3) of a frame, sRGB.
    size : int
        S.
    middle : (float, float)
        The principal point, pixels.
    """

    read: Callable[[int], Picture]
    size: int
    middle: tuple[float, float]


@dataclass(frozen=True)
class _Skin:
    """What stays the same through a clip."""

    samples: SkinSamples
    head: HeadModel
    shaped: Array
    rasterise: Rasteriser
    pictures: Pictures
    trust: float

    def visible(self, unknowns: Unknowns, frames: Frames) -> Bits:
        """Which of the N points are seen in frames (F, N / 8), eight to a byte, for there are many of both."""
        size = self.pictures.size
        middle = (self.pictures.middle[0] / size, self.pictures.middle[1] / size)
        head = self.samples, self.head, self.shaped, self.rasterise
        return np.stack([np.packbits(visible(*head, unknowns, frame, middle)) for frame in frames.tolist()])

    def looks(
        self, unknowns: Unknowns, frames: Frames, visibility: Bits, blur: float
    ) -> Iterator[tuple[Array, Array, Flags]]:
        """Colours, normals and visibility of the points in some frames."""
        for frame in frames.tolist():
            place = placed(self.samples, unknowns, frame, self.pictures.size, self.pictures.middle)
            seen = sight(self.pictures.read(frame), place, blur)
            yield seen.at(seen.colours, place.pixels), place.normals, self._flags(visibility, frame)

    def systems(
        self,
        appearance: Appearance,
        frames: Frames,
        part: Unknowns,
        visibility: Bits,
        blur: float,
        pose_only: bool,
    ) -> tuple[Floats, Floats]:
        """Normal equations (F, n, n) and (F, n) of some frames, whose unknowns are ``part``."""
        trust = self.trust * (POSE_TRUST if pose_only else 1.0)
        hessians, gradients = [], []
        for index, frame in enumerate(frames.tolist()):
            place = placed(self.samples, part, index, self.pictures.size, self.pictures.middle)
            seen = sight(self.pictures.read(frame), place, blur)
            flags = self._flags(visibility, frame)
            system = head_system(self.samples, appearance, seen, place, part, index, flags, pose_only=pose_only)
            hessians.append(trust * system[0])
            gradients.append(trust * system[1])
        return np.stack(hessians), np.stack(gradients)

    def _flags(self, visibility: Bits, frame: int) -> Flags:
        return np.unpackbits(visibility[frame], count=len(self.samples.rest)).astype(bool)


def refine_clip(
    head: HeadModel,
    prior: ExpressionPrior,
    landmarks: Floats,
    unknowns: Unknowns,
    pictures: Pictures,
    training: Frames,
    starts: Frames | None = None,
    report: Report | None = None,
    trust: float = TRUST,
) -> Unknowns:
    """Poses and expressions for which the colours of the skin agree from frame to frame.

    In each round the skin's colours and the light are found from the training frames as they are tracked so far; then
    all frames are moved towards them, landmarks and priors keeping their say. In the last rounds only heads move.
    Memory grows with the clip's length by half a kilobyte a frame only.

    Parameters
    ----------
    head : HeadModel
        With this person's points.
    prior : ExpressionPrior
    landmarks : (F, 468 or more, 2)
        Pixels of a picture 512 wide, from the principal point, y upwards.
    unknowns : Unknowns
        The fit to landmarks.
    pictures : Pictures
    training : (T,) int
        Frames from which colours and light may be taken.
    starts : (S,) int, optional
        Frames before which the film was cut.
    report : callable, optional
        Told a stage's name, what is done of it and its total.
    trust : float
        See :data:`TRUST`.
    """
    skin = _Skin(
        skin_samples(head, unknowns.identity),
        head,
        head.shaped(unknowns.identity),
        rasteriser(torch.device("cpu")),
        pictures,
        trust,
    )
    count, model = len(unknowns.rotation), point_model(head)
    looks = training[np.unique(np.linspace(0, len(training) - 1, LOOKS).round().astype(np.intp))]
    done, total = 0, len(ROUNDS) * count
    # Rounds move heads by a pixel or two, which hides or shows next to nothing.
    visibility = skin.visible(unknowns, np.arange(count))
    for step in ROUNDS:
        pixels = step.blur * pictures.size / PICTURE
        appearance = appearance_of(skin.looks(unknowns, looks, visibility, pixels), len(skin.samples.rest))

        def evidence(
            frames: Frames,
            part: Unknowns,
            appearance: Appearance = appearance,
            pixels: float = pixels,
            pose_only: bool = step.pose_only,
        ) -> tuple[Floats, Floats]:
            nonlocal done
            systems = skin.systems(appearance, frames, part, visibility, pixels, pose_only)
            # Windows overlap, so some frames are counted twice.
            done = min(done + len(frames), total - 1)
            if report:
                report("colours", done, total)
            return systems

        unknowns = solve_clip(
            model, prior, landmarks[:, :COUNT], unknowns, starts, 1, evidence, pose_only=step.pose_only
        )
    if report:
        report("colours", total, total)
    return unknowns
