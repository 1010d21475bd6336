"""What each part of the method is worth: avatars learnt with one number changed at a time, measured alike.

Runs are kept one by one, so what was interrupted goes on where it was, and rows that ask for the same preset share
them. With several seeds each row is learnt as many times, and the table tells their spread.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..asset import write_layered_avatar
from ..capture.model import Capture
from ..errors import LikenessError
from ..files import write_atomically
from ..jobs.fingerprint import capture_fingerprint
from ..layered.lpips import Lpips
from ..layered.playback import Player
from ..layered.presets import Preset
from ..layered.training import STAGE_ONE, train
from .ablation_rows import GROUPS, Variant, variants
from .before_baking import stage_one_pictures
from .evaluation import SAMPLES, check_size, rendered
from .figures import figures, mean_marks
from .pictures import caption_lines, captioned, over, save_srgb, to_bytes, truth

Array = npt.NDArray[np.float32]
Progress = Callable[[str, float, str], None]

MEASURES = {"psnr_face": 2, "psnr_fg": 2, "psnr_full": 2, "ssim": 4, "ssim_face": 4, "l1": 4, "lpips": 4}
"""Columns of the table and their decimals."""

_COSTS = ("steps", "train_s", "triangles", "megabytes")

SHOWN = 2
"""Held-out frames in the sheet of pictures."""


def ablate(
    capture: Capture,
    base: Preset,
    out: Path,
    *,
    seconds: float,
    size: int = 256,
    only: Sequence[str] = GROUPS,
    seeds: Sequence[int] = (0,),
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
        Groups that are wanted, of :data:`.ablation_rows.GROUPS`.
    seeds : sequence of int
        Each row is learnt once with each; its figures are their means.
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
        If no frame is held out, a group is unknown, a seed is given twice, or a number is out of range.
    """
    if not capture.held_out:
        raise LikenessError(f"{capture.folder} holds out no frame, so there is nothing to measure on.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise LikenessError(f"Seeds are {', '.join(map(str, seeds)) or 'missing'}; give at least one, and each once.")
    if not seconds > 0:
        raise LikenessError(f"Nothing can be learnt in {seconds:g} seconds; --seconds is more than 0.")
    check_size(size)
    rows, runs = variants(base, only), out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    limit = seconds if math.isfinite(seconds) else None
    told = {"capture": capture.folder.name, "seconds": limit, "size": size}
    told |= {"lpips": lpips.name if lpips else None, "threads": base.threads or torch.get_num_threads()}
    whole, results = {**told, "seeds": list(seeds)}, []
    content = capture_fingerprint(capture)
    for number, row in enumerate(rows):
        learnt: list[dict[str, Any]] = []
        for seed in seeds:
            key = _key(row.preset, {**told, "content": content, "seed": seed})
            place = runs / f"{key}.json"
            measured = _kept(place, row)
            if measured is None:
                title = f"{number + 1}/{len(rows)} {row.group} {row.name}, seed {seed}"
                measured = _run(row.preset, capture, runs / key, seconds, size, seed, lpips, _titled(progress, title))
                write_atomically(place, json.dumps(measured, indent=1).encode())
            learnt.append({"seed": seed, **_chosen(row, key, measured)})
        results.append({"group": row.group, "name": row.name, **_mean(learnt), "runs": learnt})
        _write(out, whole, results, capture, len(rows))
    return {**whole, "rows": results}


def _kept(place: Path, row: Variant) -> dict[str, Any] | None:
    """What a run has told; None if it is still to be done, or an older version did not measure what the row asks."""
    measured = json.loads(place.read_text("utf-8")) if place.is_file() else {}
    return measured if ("before_baking" if row.before_baking else "marks") in measured else None


def _chosen(row: Variant, key: str, measured: dict[str, Any]) -> dict[str, Any]:
    """What a run tells of a row, and which pictures."""
    if not row.before_baking:
        told = {name: value for name, value in measured.items() if name != "before_baking"}
        return {"pictures": f"{key}.png", **told}
    # There is no file yet, nor decimated triangles.
    before = measured["before_baking"]
    return {"pictures": f"{key}-before.png", **before, "steps": 0, "megabytes": None, "triangles": None}


def _mean(learnt: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean figures of one row's runs, and their standard deviations where there are several."""
    first = learnt[0]
    marks = {
        name: {**mark, "value": float(np.mean([run["marks"][name]["value"] for run in learnt]))}
        for name, mark in first["marks"].items()
    }
    spread = None
    if len(learnt) > 1:
        spread = {name: float(np.std([run["marks"][name]["value"] for run in learnt], ddof=1)) for name in marks}
    means = {name: None if first[name] is None else float(np.mean([run[name] for run in learnt])) for name in _COSTS}
    return {"marks": marks, "spread": spread, **means}


def _titled(progress: Progress, title: str) -> Progress:
    return lambda stage, done, text="": progress(f"{title}: {stage}", done, text)


def _key(preset: Preset, told: dict[str, Any]) -> str:
    """A name for a run, the same for the same numbers on a capture of the same content."""
    numbers = {key: value for key, value in asdict(preset).items() if key != "name"}
    return hashlib.sha256(json.dumps([numbers, told], sort_keys=True).encode()).hexdigest()[:16]


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
    player = Player(avatar)

    def picture(index: int) -> Array:
        return rendered(player, capture.pose(index), capture.camera(index).resized(size, size))

    measured = {
        "marks": held_out_marks(picture, capture, size, lpips, place.with_suffix(".png")),
        "train_s": round(taken, 1),
        "steps": avatar.report["training"]["steps"],
        "megabytes": round((place / "avatar.glb").stat().st_size / 1e6, 2),
        "triangles": sum(len(layer.faces) for layer in avatar.layers),
    }
    if preset.stage_one_share and preset.geometry.stage_one.keep_look:
        before = stage_one_pictures(place / STAGE_ONE, capture, preset, size)
        pictures = place.with_name(f"{place.name}-before.png")
        taken = avatar.report["training"]["train_s"]
        measured["before_baking"] = {
            "marks": held_out_marks(before, capture, size, lpips, pictures),
            "train_s": taken,
        }
    # Figures and pictures are what is kept: fifteen jobs would take gigabytes.
    shutil.rmtree(place)
    return measured


def held_out_marks(
    picture_of: Callable[[int], Array], capture: Capture, size: int, lpips: Lpips | None, pictures: Path
) -> dict[str, dict[str, Any]]:
    """Means over the held-out frames, as ``likeness eval`` measures them; some pictures go into one PNG."""
    frames, strip = [], []
    kept = _shown_frames(capture)
    for index in capture.held_out:
        picture = over(picture_of(index))
        frames.append({"frame": index, **figures(picture, truth(capture, index, size), None, lpips)})
        if index in kept:
            strip.append(to_bytes(picture))
    save_srgb(np.concatenate(strip, 1), pictures)
    return mean_marks(frames)


def _shown_frames(capture: Capture) -> list[int]:
    places = np.linspace(0, len(capture.held_out) - 1, SHOWN).round().astype(int)
    return [capture.held_out[place] for place in dict.fromkeys(places)]


def _write(out: Path, told: dict[str, Any], results: list[dict[str, Any]], capture: Capture, wanted: int) -> None:
    write_atomically(out / "ablation.json", json.dumps({**told, "rows": results}, indent=1).encode())
    write_atomically(out / "ablation.md", "\n".join(_page(told, results, capture, wanted)).encode())
    save_srgb(_sheet(out / "runs", results, capture, told["size"]), out / "ablation.png")


def _page(told: dict[str, Any], results: list[dict[str, Any]], capture: Capture, wanted: int) -> list[str]:
    measures = [name for name in MEASURES if name in results[0]["marks"]]
    granted = "Every row had as many steps as its preset says: rows that cost more took longer."
    if told["seconds"] is not None:
        granted = f"Every row had {told['seconds']:g} s of learning: rows that cost more got fewer steps."
    seeds = f"Seed {told['seeds'][0]},"
    if len(told["seeds"]) > 1:
        seeds = f"Means of seeds {', '.join(map(str, told['seeds']))} with their standard deviations,"
    lines = [
        "# Ablation",
        "",
        f"{len(capture.held_out)} held-out frames of {told['capture']} at {told['size']} x {told['size']} pixels, "
        f"nothing fitted on them, {SAMPLES} x {SAMPLES} samples for each pixel. {granted} {seeds} "
        f"{told['threads']} thread(s).",
        "",
        f"| | | {' | '.join(measures)} | steps | s | triangles | MB |",
        f"|---|---|{'---:|' * (len(measures) + 4)}",
    ]
    for result in results:
        values = [shown(result, name) for name in measures]
        values += [f"{result['steps']:.0f}", f"{result['train_s']:.0f}"]
        sizes = (("triangles", 0), ("megabytes", 1))
        values += ["" if result[name] is None else f"{result[name]:.{digits}f}" for name, digits in sizes]
        lines.append(f"| {result['group']} | {result['name']} | {' | '.join(values)} |")
    if len(results) < wanted:
        lines += ["", f"{wanted - len(results)} rows are still to be learnt; the same command goes on."]
    return [*lines, "", "![Held-out frames](ablation.png)", ""]


def shown(row: dict[str, Any], name: str) -> str:
    """A row's figure, with its standard deviation where there are several seeds; empty if it is not known."""
    if name not in row["marks"]:
        return ""
    value = f"{row['marks'][name]['value']:.{MEASURES[name]}f}"
    return value if row["spread"] is None else f"{value} ± {row['spread'][name]:.{MEASURES[name]}f}"


def _sheet(runs: Path, results: list[dict[str, Any]], capture: Capture, size: int) -> np.ndarray:
    """The truth, then a row of held-out frames for each run, captioned."""
    import cv2

    truths = [to_bytes(truth(capture, index, size).picture) for index in _shown_frames(capture)]
    strips = {"ground truth": np.concatenate(truths, 1)}
    for result in results:
        picture = cv2.imread(str(runs / result["runs"][0]["pictures"]), cv2.IMREAD_COLOR)
        if picture is not None:
            strip = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
            face = shown(result, "psnr_face").replace("±", "+-") or "?"
            strips[f"{result['group']} {result['name']}: face {face} dB"] = strip
    rows = max(len(caption_lines(text, strip.shape[1])) for text, strip in strips.items())
    parts = [captioned(strip, text, rows) for text, strip in strips.items()]
    columns = 3
    blank = np.full_like(parts[0], 255)
    parts += [blank] * (-len(parts) % columns)
    lines = [np.concatenate(parts[start : start + columns], 1) for start in range(0, len(parts), columns)]
    return np.concatenate(lines)
