"""One page on an avatar: contact sheet, film, engines compared, figures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import imageio.v2 as imageio
import numpy as np
import numpy.typing as npt

from ..asset import read_layered_avatar
from ..errors import LikenessError
from ..files import replacing, write_atomically
from .blender_jobs import ENGINES, FILM_RATE
from .engines import compare_engines, engine_jobs
from .pictures import CAPTION, captioned, load_straight, over, save_srgb, to_bytes, write_text

Bytes = npt.NDArray[np.uint8]
COLUMNS = ("truth", "baseline", "trainer", "eevee", "cycles", "error")
TITLES = ("ground truth", "mesh + texture", "trainer", "Eevee", "Cycles", "error x 3")
ERROR_GAIN = 3
TARGETS: dict[str, tuple[str, float]] = {
    "peak_gib": ("at most", 6),
    "eevee_mae_255": ("at most", 1.5),
    "eevee_p99_255": ("at most", 6),
    "cycles_mae_255": ("at most", 1.5),
    "cycles_p99_255": ("at most", 6),
}
SAMPLE_TARGETS: dict[str, tuple[str, float]] = {
    **TARGETS,
    "total_s": ("at most", 1200),
    "train_s": ("at most", 480),
    "psnr_fg": ("at least", 28),
    "psnr_face": ("at least", 30),
    "ssim": ("at least", 0.94),
}
"""Goals for the sample capture."""
VIDEO_TARGETS: dict[str, tuple[str, float]] = {
    **TARGETS,
    "total_s": ("at most", 1500),
    "train_s": ("at most", 720),
    "psnr_fg": ("at least", 20.5),
    "psnr_face": ("at least", 24.5),
    "track_px": ("at most", 1.3),
}
"""Goals for a video, as set for the clip that development looks at."""


def write_report(evaluation: Path, avatar: Path, out: Path) -> dict[str, Any]:
    """Assemble contact_sheet.png, avatar.mp4, report.md and report.json.

    Parameters
    ----------
    evaluation : Path
        The folder that ``likeness eval`` made, with Blender's renders in it.
    avatar : Path
        The avatar's file, whose run-time reference the engines are compared with.
    out : Path
        Where the results go.

    Returns
    -------
    dict
        ``{"marks": {name: {"value": v, "unit": u}}}``, as in report.json.

    Raises
    ------
    LikenessError
        If a picture or figure is missing, above all where Blender has not rendered yet.
    """
    summary = _read_json(evaluation / "evaluation.json")
    marks: dict[str, dict[str, Any]] = dict(summary["marks"])
    rendered = _read_json(evaluation / "blender-jobs.json")
    missing = [job["out"] for job in rendered if not (evaluation / job["out"]).is_file()]
    if missing:
        raise LikenessError(
            f"Blender has still to render {len(missing)} of {len(rendered)} pictures in {evaluation}; run "
            f"`dev.py blender tools/render_avatar.py {avatar} {evaluation / 'blender-jobs.json'}` first."
        )
    out.mkdir(parents=True, exist_ok=True)
    save_srgb(contact_sheet(evaluation, summary["shown"]), out / "contact_sheet.png")
    jobs = engine_jobs(rendered)
    comparison = compare_engines(read_layered_avatar(avatar), jobs, evaluation)
    save_srgb(comparison.sheet, out / "engines.png")
    marks.update(comparison.marks)
    write_film(evaluation / "film", out / "avatar.mp4")
    demo = evaluation / "demo.json"
    if demo.is_file():
        marks.update(_demo_marks(_read_json(demo)))
    report = {"marks": marks}
    write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    write_atomically(out / "report.md", _page(summary, marks, "track_px" in marks).encode())
    return report


def contact_sheet(evaluation: Path, shown: list[int]) -> Bytes:
    """One row for each held-out frame: ground truth | baseline | trainer | Eevee | Cycles | the trainer's error."""
    rows = []
    for index in shown:
        pictures = {name: _rgb(evaluation / "pictures" / f"{index:05d}_{name}.png") for name in COLUMNS[:3]}
        for engine in ENGINES:
            pictures[engine] = to_bytes(over(load_straight(evaluation / "pictures" / f"{index:05d}_{engine}.png")))
        difference = np.abs(pictures["trainer"].astype(np.int32) - pictures["truth"])
        pictures["error"] = np.clip(difference * ERROR_GAIN, 0, 255).astype(np.uint8)
        rows.append(captioned(np.concatenate([pictures[name] for name in COLUMNS], 1), f"frame {index}"))
    width = rows[0].shape[1] // len(COLUMNS)
    head = np.full((CAPTION + 4, rows[0].shape[1], 3), 255, np.uint8)
    for column, title in enumerate(TITLES):
        write_text(head, title, (column * width + 4, CAPTION - 3))
    return np.concatenate([head, *rows])


def write_film(frames: Path, path: Path) -> None:
    """An MP4 of the numbered RGBA pictures in a folder, over white."""
    pictures = sorted(frames.glob("*.png"))
    if not pictures:
        raise LikenessError(f"There are no pictures of the film in {frames}; render them again.")
    with (
        replacing(path) as temporary,
        imageio.get_writer(
            temporary,
            format="FFMPEG",
            fps=FILM_RATE,
            codec="libx264",
            quality=8,
            macro_block_size=2,  # type: ignore[arg-type]
        ) as writer,
    ):
        for picture in pictures:
            writer.append_data(to_bytes(over(load_straight(picture))))  # type: ignore[attr-defined]


def _page(summary: dict[str, Any], marks: dict[str, dict[str, Any]], from_video: bool) -> str:
    targets = VIDEO_TARGETS if from_video else SAMPLE_TARGETS
    rows = []
    for name, mark in marks.items():
        value = mark["value"]
        relation, bound = targets.get(name, ("", math.nan))
        met = (
            "" if not relation else "yes" if (value <= bound if relation == "at most" else value >= bound) else "**no**"
        )
        goal = f"{relation} {bound:g}" if relation else ""
        rows.append(f"| `{name}` | {value:.4g} | {mark['unit']} | {goal} | {met} |")
    return "\n".join(
        [
            "# Likeness report",
            "",
            f"Learnt from {summary['training_frames']} frames, measured on {summary['held_out']} frames on which "
            f"nothing was fitted, at {summary['size']} x {summary['size']} pixels.{_gain(marks)}",
            "",
            "![Contact sheet](contact_sheet.png)",
            "",
            "| mark | value | unit | goal | met |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "PSNR is of sRGB values over white, the mean of per-frame values: `fg` where the matte is over a half, "
            "`face` in the convex hull of the landmarks, with 2 x 2 samples for each pixel unless a mark's name says "
            "otherwise. Engines are compared with the NumPy run-time reference on six "
            "frames, over the avatar's pixels.",
            "",
            "![Engines](engines.png)",
            "",
            "The film: [avatar.mp4](avatar.mp4). The avatar: [avatar.glb](avatar.glb), [avatar.blend](avatar.blend).",
            "",
        ]
    )


def _gain(marks: dict[str, dict[str, Any]]) -> str:
    """How much better than the baseline faces are, if any held-out frame has landmarks that tell where the face is."""
    if not {"psnr_face", "baseline_psnr_face"} <= marks.keys():
        return " No held-out frame has landmarks, so nothing is told of faces."
    gain = marks["psnr_face"]["value"] - marks["baseline_psnr_face"]["value"]
    return f" On the face, {gain:.1f} dB above the tracked mesh with one optimised texture."


def _demo_marks(demo: dict[str, Any]) -> dict[str, dict[str, Any]]:
    peaks = [peak for peak in demo["peak_gib"].values() if math.isfinite(peak)]
    marks = {
        "total_s": {"value": demo["total_s"], "unit": "s"},
        "train_s": {"value": demo["seconds"]["train"], "unit": "s"},
    }
    if peaks:
        marks["peak_gib"] = {"value": max(peaks), "unit": "GiB"}
    return marks


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LikenessError(f"{path} cannot be read ({error}); run `likeness eval` again.") from error


def _rgb(path: Path) -> Bytes:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise LikenessError(f"There is no picture at {path}; run `likeness eval` again.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
