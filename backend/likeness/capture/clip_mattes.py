"""Refined mattes for a whole clip, shot by shot, one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .background import background_of
from .cutting_out import Clip
from .pictures import write_picture
from .refining import Matte, refine_matte
from .stopwatch import Stopwatch
from .work_folder import WorkFolder

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Report = Callable[[str, int, int], None]

LOOKS = 150
"""Frames of a shot, evenly spread, from which its background is put together."""

_DONE = "mattes"


def refine_mattes(clip: Clip, work: WorkFolder, watch: Stopwatch, report: Report) -> Clip:
    """The clip with mattes whose edges are those of its pictures at full resolution.

    The camera is taken to stand still within a shot; where it moves, what is behind varies, and says little.
    """
    refined = [path.with_suffix(".matte.png") for path in clip.frames]
    if work.stage(_DONE) is None or not all(path.is_file() for path in refined):
        edges = [0, *clip.starts.tolist(), len(clip.frames)]
        for first, last in pairwise(edges):
            with watch.measuring("matte"):
                looks = np.unique(np.linspace(first, last - 1, LOOKS).round().astype(int))
                background = background_of(_frames(clip, looks.tolist()))
            before: Matte | None = None
            for index, (picture, person) in enumerate(_frames(clip, range(first, last)), first):
                with watch.measuring("matte"):
                    before = refine_matte(picture, person, background, before)
                with watch.measuring("pictures"):
                    write_picture(np.rint(255 * before.share).astype(np.uint8), refined[index])
                report("mattes", index + 1, len(clip.frames))
        work.finish_stage(_DONE, {"count": np.array([len(refined)])})
    return replace(clip, mattes=refined)


def _frames(clip: Clip, indices: list[int] | range) -> Iterator[tuple[Picture, Floats]]:
    """Pictures (H, W, 3) with the network's probabilities (H, W)."""
    for index in indices:
        yield clip.picture(index), clip.matte(index).astype(np.float32) / np.float32(255)
