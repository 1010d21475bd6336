"""An avatar's file against frames that nothing was fitted on, beside what an artist has today."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..asset.layered import LayeredAvatar
from ..camera import Camera
from ..capture.model import Capture
from ..capture.semantics import has_semantics
from ..errors import LikenessError
from ..files import write_atomically
from ..layered.lpips import Lpips
from ..layered.playback import Player
from ..rig import Pose
from .baseline import fit_baseline, render_baseline
from .blender_jobs import blender_jobs
from .charts import HOTTEST, course, error_map
from .cloth import cloth_mask
from .figures import figures, mean_marks
from .fitting import STEPS, fitted
from .keypoints import KeypointDistance
from .metrics import psnr
from .pictures import averaged, over, save_srgb, to_bytes, truth
from .steadiness import Steadiness
from .tables import frames_table, marks_table, measures_table
from .turned import BEYOND, turned_views
from .turns import outside_training

Array = npt.NDArray[np.float32]
Progress = Callable[[str, float, str], None]
Marks = dict[str, dict[str, Any]]

SMALLEST_SIZE, LARGEST_SIZE = 16, 4096
"""Sides of pictures that can be compared, pixels."""

SAMPLES = 2
"""Samples along each side of a pixel, averaged in linear light; a camera's pixel averages the light on it, too."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured on the held-out frames.

    Attributes
    ----------
    marks : dict
        ``{name: {"value": v, "unit": u}}``: psnr_fg, psnr_face, baseline_psnr_face and more, means over frames.
    frames : list of dict
        The same figures for each held-out frame.
    shown : tuple of int
        Frames that the contact sheet shows, evenly spread over the held-out ones.
    pictures : dict
        For each shown frame: ``truth``, ``baseline`` and ``trainer``, (H, W, 3) uint8 sRGB over white.
    error : (size, size) float32
        Mean absolute error over frames and channels, of 255.
    outside : tuple of bool
        For each held-out frame, whether the head is turned farther than in any training frame.
    size : int
        Side of the compared pictures, pixels.
    turned : (H, W, 3) uint8
        Heads turned to the ends of what training saw, and beyond, see :func:`likeness.evaluate.turned.turned_views`.
    methods : dict of str to str
        How optional figures were made: ``fit`` and ``lpips``, where they were.
    """

    marks: Marks
    frames: list[dict[str, float]]
    shown: tuple[int, ...]
    pictures: dict[int, dict[str, npt.NDArray[np.uint8]]]
    error: Array
    outside: tuple[bool, ...]
    size: int
    turned: npt.NDArray[np.uint8]
    methods: dict[str, str]


def evaluate(
    avatar: LayeredAvatar,
    capture: Capture,
    size: int,
    shown: int,
    progress: Progress,
    *,
    fit: bool = False,
    lpips: Lpips | None = None,
) -> Evaluation:
    """Measure an avatar on a capture's held-out frames, with the tracked pose and nothing fitted.

    Pictures, the baseline's too, have :data:`SAMPLES` by :data:`SAMPLES` samples for each pixel; marks that end in
    ``_one_sample`` have one, at the pixel's centre, as fine-tuning has.

    Parameters
    ----------
    avatar : LayeredAvatar
        As read from its file, so quantisation is part of the result.
    capture : Capture
    size : int
        Side of the compared pictures, pixels.
    shown : int
        Frames kept for the contact sheet.
    progress : callable
        Stage, part done, text.
    fit : bool
        Whether to measure with pose and camera fitted on each frame's own picture, too; marks end in ``_fitted``.
    lpips : Lpips, optional
        Adds LPIPS.

    Raises
    ------
    LikenessError
        If no frame is held out, the avatar's expressions are not the capture's, or a number is out of range.
    """
    check_size(size)
    if shown < 1:
        raise LikenessError(f"A contact sheet of {shown} frames shows nothing; --shown begins at 1.")
    if not capture.held_out:
        raise LikenessError(f"{capture.folder} holds out no frame, so there is nothing to measure on.")
    if avatar.expression_names != capture.head.expression_names:
        raise LikenessError(f"The avatar's expressions are not those of {capture.folder}; was it learnt from another?")
    progress("Baseline", 0.0, "")
    baseline = fit_baseline(capture, size)
    progress("Baseline", 1.0, "")
    player = Player(avatar)
    places = np.linspace(0, len(capture.held_out) - 1, min(shown, len(capture.held_out))).round().astype(int)
    kept = tuple(capture.held_out[place] for place in places)
    frames: list[dict[str, float]] = []
    pictures: dict[int, dict[str, npt.NDArray[np.uint8]]] = {}
    error = np.zeros((size, size), np.float32)
    steadiness, labelled = Steadiness(), has_semantics(capture)
    with KeypointDistance() as keypoints, KeypointDistance() as keypoints_fitted:
        for done, index in enumerate(capture.held_out):
            target = truth(capture, index, size)
            pose, camera = capture.pose(index), capture.camera(index).resized(size, size)
            cloth = cloth_mask(capture, index, size) if labelled else None
            ours = over(rendered(player, pose, camera))
            theirs = over(averaged(render_baseline(baseline, capture, index, SAMPLES * size), SAMPLES))
            plain = over(player.render(pose, camera))
            told = figures(ours, target, cloth, lpips)
            for name, mask in (("fg", target.foreground), ("face", target.face)):
                told[f"baseline_psnr_{name}"] = psnr(theirs, target.picture, mask)
                told[f"psnr_{name}_one_sample"] = psnr(plain, target.picture, mask)
            if fit:
                at_its_best = over(rendered(player, *fitted(player, pose, camera, target)))
                best = figures(at_its_best, target, cloth, lpips)
                told |= {f"{name}_fitted": value for name, value in best.items()}
                keypoints_fitted.add(at_its_best, target.picture)
            frames.append({"frame": index, **told})
            error += 255 * np.abs(ours - target.picture).mean(2) / len(capture.held_out)
            steadiness.add(index, ours, target)
            keypoints.add(ours, target.picture)
            if index in kept:
                shots = {"truth": target.picture, "baseline": theirs, "trainer": ours}
                pictures[index] = {name: to_bytes(shot) for name, shot in shots.items()}
            progress("Held-out frames", (done + 1) / len(capture.held_out), "")
    marks: Marks = mean_marks(frames)
    beyond = outside_training(capture)[list(capture.held_out)]
    marks.update(_apart(frames, beyond))
    marks.update(steadiness.marks())
    marks.update(keypoints.marks())
    marks.update({f"{name}_fitted": mark for name, mark in keypoints_fitted.marks().items()})
    progress("Turned views", 0.0, "")
    turned, ragged = turned_views(player, capture, size)
    progress("Turned views", 1.0, "")
    marks.update(ragged)
    marks.update(_tracking_marks(capture.folder))
    methods = {"fit": f"{STEPS} steps of Adam on pixels of the face"} if fit else {}
    methods |= {"lpips": lpips.name} if lpips else {}
    return Evaluation(marks, frames, kept, pictures, error, tuple(map(bool, beyond)), size, turned, methods)


def check_size(size: int) -> None:
    """Refuse a side of compared pictures that no measure can be taken on.

    Raises
    ------
    LikenessError
        If it is out of range.
    """
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise LikenessError(
            f"Pictures of {size} pixels cannot be compared; --size goes from {SMALLEST_SIZE} to {LARGEST_SIZE}."
        )


def rendered(player: Player, pose: Pose, camera: Camera) -> Array:
    """A linear picture (H, W, 4) with :data:`SAMPLES` by :data:`SAMPLES` samples for each pixel."""
    fine = camera.resized(SAMPLES * camera.width, SAMPLES * camera.height)
    return averaged(player.render(pose, fine), SAMPLES)


def _apart(frames: list[dict[str, float]], outside: npt.NDArray[np.bool_]) -> Marks:
    """Figures of frames inside and outside the trained range of head turns, where there are any."""
    marks: Marks = {}
    for place, chosen in (("inside", ~outside), ("outside", outside)):
        marks[f"frames_{place}"] = {"value": int(chosen.sum()), "unit": "1"}
        some = [frame for frame, wanted in zip(frames, chosen, strict=True) if wanted]
        means = mean_marks(some) if some else {}
        marks |= {f"{name}_{place}": means[name] for name in ("psnr_fg", "psnr_face") if name in means}
    return marks


def _tracking_marks(folder: Path) -> Marks:
    """The landmark error that the tracker measured when it made the capture; nothing for captures from elsewhere."""
    report = folder / "tracking" / "report.json"
    if not report.is_file():
        return {}
    try:
        return {"track_px": {"value": float(json.loads(report.read_text("utf-8"))["track_px"]), "unit": "px"}}
    except (ValueError, KeyError, TypeError) as error:
        raise LikenessError(f"{report} is damaged; track the video again.") from error


def write_evaluation(evaluation: Evaluation, avatar: LayeredAvatar, capture: Capture, out: Path) -> None:
    """Write figures, pictures and what Blender is to render (``blender-jobs.json``) into the folder ``out``."""
    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for index, shots in evaluation.pictures.items():
        for name, shot in shots.items():
            save_srgb(shot, pictures / f"{index:05d}_{name}.png")
    save_srgb(error_map(evaluation.error), out / "error.png")
    save_srgb(evaluation.turned, out / "turned.png")
    write_atomically(out / "course.png", course(evaluation.frames, evaluation.outside))
    write_atomically(out / "evaluation.md", _page(evaluation, capture).encode())
    summary = {
        "marks": evaluation.marks,
        "frames": [_known(frame) for frame in evaluation.frames],
        "shown": evaluation.shown,
        "size": evaluation.size,
        "methods": evaluation.methods,
        "held_out": len(capture.held_out),
        "training_frames": len(capture.training),
        "provenance": capture.provenance,
        "training": avatar.report,
    }
    write_atomically(out / "evaluation.json", json.dumps(summary, indent=1, default=float).encode())
    jobs = blender_jobs(avatar, capture, evaluation.shown, evaluation.size)
    write_atomically(out / "blender-jobs.json", json.dumps(jobs).encode())


def _known(frame: dict[str, float]) -> dict[str, float | None]:
    """Figures of a frame as JSON can hold them: those of a region that is empty are null."""
    return {name: None if math.isnan(value) else value for name, value in frame.items()}


def _page(evaluation: Evaluation, capture: Capture) -> str:
    """Everything that was measured, as Markdown."""
    how = f" Fitted: {evaluation.methods['fit']}, on each frame's own picture." if "fit" in evaluation.methods else ""
    how += f" LPIPS: {evaluation.methods['lpips']}." if "lpips" in evaluation.methods else ""
    return "\n".join(
        [
            "# Evaluation",
            "",
            f"{len(capture.held_out)} held-out frames at {evaluation.size} x {evaluation.size} pixels, with the "
            f"tracked pose and nothing fitted where nothing else is said, {SAMPLES} x {SAMPLES} samples for each "
            "pixel. Frames outside show the head turned farther than any training frame. The person is where the "
            "matte is over a half, the face is the hull of its landmarks. The paper's masking makes both pictures "
            f"black outside the person and takes the mean over the whole frame.{how}",
            "",
            *measures_table(evaluation.marks),
            "",
            "![PSNR over the held-out frames](course.png)",
            "",
            f"Mean absolute error; the brightest yellow is {HOTTEST:g} of 255 or more:",
            "",
            "![Error](error.png)",
            "",
            f"Turned to the ends of what training saw, and {BEYOND[0]:g} degrees of yaw and {BEYOND[1]:g} of pitch "
            "beyond, of which there is no truth; `ragged` is the share of the person's pixels that would be more or "
            "less opaque if the person were in one piece:",
            "",
            "![Turned views](turned.png)",
            "",
            *marks_table(evaluation.marks),
            "",
            *frames_table(evaluation.frames, evaluation.outside),
            "",
        ]
    )
