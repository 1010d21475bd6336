"""What each part of the method is worth: avatars learnt with one number changed at a time, measured alike.

The rows are those of BakedAvatar's ablation. Runs are kept one by one, so what was interrupted goes on where it was,
and rows that ask for the same preset share a run.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..asset import write_layered_avatar
from ..asset.layered import LayeredAvatar
from ..capture.model import Capture
from ..errors import LikenessError
from ..files import write_atomically
from ..layered.lpips import Lpips
from ..layered.playback import Player
from ..layered.presets import Preset
from ..layered.training import train
from .evaluation import SAMPLES, rendered
from .figures import figures, mean_marks
from .pictures import captioned, over, save_srgb, to_bytes, truth

Progress = Callable[[str, float, str], None]

GROUPS = ("layers", "bases", "mesh", "texture", "training")
MEASURES = {"psnr_face": 2, "psnr_fg": 2, "psnr_full": 2, "ssim": 4, "ssim_face": 4, "l1": 4, "lpips": 4}
"""Columns of the table and their decimals."""

USUAL_WEIGHT = 1.0
"""Weight of the perceptual loss in the row that adds it to a preset without one."""

SHOWN = 2
"""Held-out frames in the sheet of pictures."""


@dataclass(frozen=True)
class Variant:
    """One row: its group, what it is called there, and the preset that it is learnt with."""

    group: str
    name: str
    preset: Preset


def variants(base: Preset, only: Sequence[str] = GROUPS) -> list[Variant]:
    """The paper's rows, around a preset.

    Parameters
    ----------
    base : Preset
    only : sequence of str
        Groups that are wanted, of :data:`GROUPS`.

    Raises
    ------
    LikenessError
        If there is no such group.
    """
    unknown = [name for name in only if name not in GROUPS]
    if unknown:
        raise LikenessError(f"There is no ablation of {unknown[0]!r}; choose of {', '.join(GROUPS)}.")
    geometry, tuning = base.geometry, base.fine_tuning
    rows = [
        Variant("layers", str(count), replace(base, geometry=geometry.with_layers(count))) for count in (1, 2, 4, 8)
    ]
    rows += [Variant("bases", str(count), replace(base, basis_count=count)) for count in (1, 2, 4, 8, 16)]
    rows += [
        Variant("mesh", name, replace(base, geometry=geometry.with_faces(factor)))
        for name, factor in (("x 1/2", 0.5), ("x 1", 1.0), ("x 2", 2.0))
    ]
    rows += [Variant("texture", f"{size} px", replace(base, tile_size=size)) for size in (256, 512, 1024)]
    # What stage 1 has learnt, with all the time for it, as baking leaves it.
    baked = replace(geometry, stage_one=replace(geometry.stage_one, keep_look=True))
    untuned = replace(base, stage_one_share=0.9, geometry=baked, fine_tuning=replace(tuning, steps=0))
    unrefined = replace(base, fine_tuning=replace(tuning, correction_start=1.0))
    rows += [
        Variant("training", "as the preset is", base),
        Variant("training", "without fine-tuning", untuned),
        Variant("training", "without camera and pose refinement", unrefined),
        *_perceptual(base),
    ]
    return [row for row in rows if row.group in only]


def _perceptual(base: Preset) -> list[Variant]:
    tuning = base.fine_tuning
    if tuning.perceptual_weight:
        without = replace(base, fine_tuning=replace(tuning, perceptual_weight=0.0))
        return [Variant("training", "without perceptual loss", without)]
    weighed = replace(base, fine_tuning=replace(tuning, perceptual_weight=USUAL_WEIGHT))
    return [Variant("training", f"with perceptual loss {USUAL_WEIGHT:g}", weighed)]


def ablate(
    capture: Capture,
    base: Preset,
    out: Path,
    *,
    seconds: float,
    size: int = 256,
    only: Sequence[str] = GROUPS,
    seed: int = 0,
    lpips: Lpips | None = None,
    progress: Progress = lambda stage, done, text: None,
) -> dict[str, Any]:
    """Learn and measure every row that ``out`` does not hold yet, and write ablation.md, ablation.json, ablation.png.

    Parameters
    ----------
    capture : Capture
    base : Preset
    out : Path
        Folder; finished rows of an earlier call with the same numbers are kept.
    seconds : float
        Time for learning each row; an infinite one gives each as many steps as the preset says.
    size : int
        Side of the compared pictures, pixels.
    only : sequence of str
        Groups that are wanted.
    seed : int
    lpips : Lpips, optional
        Adds LPIPS.
    progress : callable
        Told the row, the part of its learning that is done, and a line about it.

    Returns
    -------
    dict
        What ablation.json holds.

    Raises
    ------
    LikenessError
        If no frame is held out, or a group is unknown.
    """
    if not capture.held_out:
        raise LikenessError(f"{capture.folder} holds out no frame, so there is nothing to measure on.")
    rows, runs = variants(base, only), out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    limit = seconds if math.isfinite(seconds) else None
    told = {"capture": capture.folder.name, "seconds": limit, "size": size, "seed": seed}
    told |= {"lpips": lpips.name if lpips else None, "threads": base.threads or torch.get_num_threads()}
    results: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        key = _key(row.preset, capture, told)
        place = runs / f"{key}.json"
        if not place.is_file():
            title = f"{number + 1}/{len(rows)} {row.group} {row.name}"
            measured = _run(row.preset, capture, runs / key, seconds, size, seed, lpips, _titled(progress, title))
            write_atomically(place, json.dumps(measured, indent=1).encode())
        results.append({"group": row.group, "name": row.name, "run": key, **json.loads(place.read_text("utf-8"))})
        _write(out, told, results, capture, rows)
    return {**told, "rows": results}


def _titled(progress: Progress, title: str) -> Progress:
    return lambda stage, done, text="": progress(f"{title}: {stage}", done, text)


def _key(preset: Preset, capture: Capture, told: dict[str, Any]) -> str:
    """A name for a run, the same for the same numbers on the same capture."""
    numbers = {key: value for key, value in asdict(preset).items() if key != "name"}
    content = json.dumps([numbers, told, len(capture), capture.held_out], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _run(
    preset: Preset,
    capture: Capture,
    place: Path,
    seconds: float,
    size: int,
    seed: int,
    lpips: Lpips | None,
    progress: Progress,
) -> dict[str, Any]:
    """Learn one avatar, measure it, keep its figures and some pictures."""
    # What an interrupted run has left is learnt anew: a row is short, and half of it would be measured as another.
    shutil.rmtree(place, ignore_errors=True)
    start = time.monotonic()
    avatar = train(capture, preset, place, seconds=seconds, seed=seed, progress=progress)
    taken = time.monotonic() - start
    write_layered_avatar(avatar, place / "avatar.glb")
    measured = {
        "marks": held_out_marks(avatar, capture, size, lpips, place.with_suffix(".png")),
        "train_s": round(taken, 1),
        "steps": avatar.report["training"]["steps"],
        "megabytes": round((place / "avatar.glb").stat().st_size / 1e6, 2),
        "triangles": sum(len(layer.faces) for layer in avatar.layers),
    }
    # Figures and pictures are what is kept: fifteen jobs would take gigabytes.
    shutil.rmtree(place)
    return measured


def held_out_marks(
    avatar: LayeredAvatar, capture: Capture, size: int, lpips: Lpips | None, pictures: Path
) -> dict[str, dict[str, Any]]:
    """Means over the held-out frames, as ``likeness eval`` measures them; some pictures go into one PNG."""
    player, frames, strip = Player(avatar), [], []
    shown = _shown_frames(capture)
    for index in capture.held_out:
        picture = over(rendered(player, capture.pose(index), capture.camera(index).resized(size, size)))
        frames.append({"frame": index, **figures(picture, truth(capture, index, size), None, lpips)})
        if index in shown:
            strip.append(to_bytes(picture))
    save_srgb(np.concatenate(strip, 1), pictures)
    return mean_marks(frames)


def _shown_frames(capture: Capture) -> list[int]:
    places = np.linspace(0, len(capture.held_out) - 1, SHOWN).round().astype(int)
    return [capture.held_out[place] for place in dict.fromkeys(places)]


def _write(
    out: Path, told: dict[str, Any], results: list[dict[str, Any]], capture: Capture, rows: Sequence[Variant]
) -> None:
    write_atomically(out / "ablation.json", json.dumps({**told, "rows": results}, indent=1).encode())
    write_atomically(out / "ablation.md", "\n".join(_page(told, results, capture, len(rows))).encode())
    save_srgb(_sheet(out / "runs", results, capture, told["size"]), out / "ablation.png")


def _page(told: dict[str, Any], results: list[dict[str, Any]], capture: Capture, wanted: int) -> list[str]:
    shown = [name for name in MEASURES if name in results[0]["marks"]]
    granted = "Every row had as many steps as its preset says: rows that cost more took longer."
    if told["seconds"] is not None:
        granted = f"Every row had {told['seconds']:g} s of learning: rows that cost more got fewer steps."
    lines = [
        "# Ablation",
        "",
        f"{len(capture.held_out)} held-out frames of {told['capture']} at {told['size']} x {told['size']} pixels, "
        f"nothing fitted on them, {SAMPLES} x {SAMPLES} samples for each pixel. {granted} Seed {told['seed']}, "
        f"{told['threads']} thread(s).",
        "",
        f"| | | {' | '.join(shown)} | steps | s | triangles | MB |",
        f"|---|---|{'---:|' * (len(shown) + 4)}",
    ]
    for result in results:
        values = [_shown(result["marks"], name) for name in shown]
        values += [str(result["steps"]), f"{result['train_s']:.0f}", str(result["triangles"])]
        values.append(f"{result['megabytes']:.1f}")
        lines.append(f"| {result['group']} | {result['name']} | {' | '.join(values)} |")
    if len(results) < wanted:
        lines += ["", f"{wanted - len(results)} rows are still to be learnt; the same command goes on."]
    return [*lines, "", "![Held-out frames](ablation.png)", ""]


def _shown(marks: dict[str, dict[str, Any]], name: str) -> str:
    return f"{marks[name]['value']:.{MEASURES[name]}f}" if name in marks else ""


def _sheet(runs: Path, results: list[dict[str, Any]], capture: Capture, size: int) -> np.ndarray:
    """The truth, then a row of held-out frames for each run, captioned."""
    import cv2

    truths = [to_bytes(truth(capture, index, size).picture) for index in _shown_frames(capture)]
    parts = [captioned(np.concatenate(truths, 1), "ground truth")]
    for result in results:
        picture = cv2.imread(str(runs / f"{result['run']}.png"), cv2.IMREAD_COLOR)
        if picture is not None:
            strip = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
            face = _shown(result["marks"], "psnr_face") or "?"
            parts.append(captioned(strip, f"{result['group']} {result['name']}: face {face} dB"))
    columns = 3
    blank = np.full_like(parts[0], 255)
    parts += [blank] * (-len(parts) % columns)
    lines = [np.concatenate(parts[start : start + columns], 1) for start in range(0, len(parts), columns)]
    return np.concatenate(lines)
