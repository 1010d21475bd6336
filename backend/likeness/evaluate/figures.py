"""One frame's pictures against the truth: every measure on every region, by the names that marks have.

A name is a measure and a region: ``psnr_full``, ``psnr_fg``, ``psnr_face``; ``l1``, ``ssim`` and ``lpips`` without a
region are of the whole frame. ``_no_cloth`` leaves out what the capture knows to be clothes. ``_paper`` is as
BakedAvatar's evaluation does it: both pictures black outside the person, averaged over the whole frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..layered.lpips import Lpips
from .metrics import l1, psnr, similarity_map
from .pictures import Truth

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Marks = dict[str, dict[str, Any]]

UNITS = {"psnr": "dB", "l1": "1", "ssim": "1", "lpips": "1"}
"""Unit of each measure, by the first word of a name."""


def regions(target: Truth, cloth: Mask | None) -> dict[str, Mask | None]:
    """The regions of a frame: None is the whole of it.

    Parameters
    ----------
    target : Truth
    cloth : (H, W) bool or None
        Pixels that show clothes, where the capture knows.
    """
    found: dict[str, Mask | None] = {"": None, "_fg": target.foreground, "_face": target.face}
    if cloth is not None:
        found |= {"_no_cloth": ~cloth, "_fg_no_cloth": target.foreground & ~cloth}
    return found


def figures(picture: Array, target: Truth, cloth: Mask | None = None, lpips: Lpips | None = None) -> dict[str, float]:
    """Every measure of one picture.

    Parameters
    ----------
    picture : (H, W, 3)
        sRGB, 0..1, over white.
    target : Truth
    cloth : (H, W) bool, optional
        Pixels that show clothes; figures without them are added.
    lpips : Lpips, optional
        Adds LPIPS; masks choose pixels of its map of distances.

    Returns
    -------
    dict of str to float
        NaN where a region is empty.
    """
    similarity = similarity_map(picture, target.picture)
    distance = None if lpips is None else distance_map(lpips, picture, target.picture)
    found: dict[str, float] = {}
    for region, mask in regions(target, cloth).items():
        found[f"psnr{region or '_full'}"] = psnr(picture, target.picture, mask)
        found[f"l1{region}"] = l1(picture, target.picture, mask)
        found[f"ssim{region}"] = _mean(similarity, mask)
        if distance is not None:
            found[f"lpips{region}"] = _mean(distance, mask)
    return found | _as_the_paper_does(picture, target, cloth, lpips)


def _as_the_paper_does(picture: Array, target: Truth, cloth: Mask | None, lpips: Lpips | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, shown in (("", target.foreground), ("_no_cloth", None if cloth is None else target.foreground & ~cloth)):
        if shown is None:
            continue
        ours, theirs = picture * shown[..., None], target.picture * shown[..., None]
        found[f"psnr_paper{name}"] = psnr(ours, theirs)
        found[f"l1_paper{name}"] = l1(ours, theirs)
        found[f"ssim_paper{name}"] = float(similarity_map(ours, theirs).mean())
        if lpips is not None:
            found[f"lpips_paper{name}"] = float(distance_map(lpips, ours, theirs).mean())
    return found


@torch.no_grad()
def distance_map(lpips: Lpips, picture: Array, truth: Array) -> Array:
    """LPIPS at every pixel (H, W) of two pictures (H, W, 3)."""
    first, second = (torch.as_tensor(part, dtype=torch.float32).permute(2, 0, 1)[None] for part in (picture, truth))
    return lpips.distance_map(first, second)[0].numpy()


def mean_marks(frames: Sequence[dict[str, float]], suffix: str = "") -> Marks:
    """Means over the frames where a figure is known, as marks whose names end in ``suffix``."""
    marks: Marks = {}
    for name in frames[0]:
        known = [frame[name] for frame in frames if not np.isnan(frame[name])]
        if name != "frame" and known:
            marks[f"{name}{suffix}"] = {"value": float(np.mean(known)), "unit": unit_of(name)}
    return marks


def unit_of(name: str) -> str:
    """Unit of a figure, by its name; a baseline's is that of what it is the baseline of."""
    return UNITS[name.removeprefix("baseline_").split("_")[0]]


def _mean(values: Array, mask: Mask | None) -> float:
    """Mean of a map (H, W) or (H, W, C) where the mask is set; NaN where no pixel counts."""
    chosen = values if mask is None else values[mask]
    return float(np.mean(chosen)) if chosen.size else float("nan")
