"""How well and how fast a video is tracked, and how far that is from the truth where the truth is known.

Only the sample capture has a truth: its pictures were rendered from its parameters. It is tracked from its pictures, as
a film; and from the true landmarks, with and without noise, so that the fit is told from the landmark detector, which
was made for people and errs on rendered heads.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.spatial.transform import Rotation

from ..capture.model import Capture
from ..capture.sample import sample_capture
from ..capture.storage import load_frame, load_matte
from ..capture.track import fit_landmarks, track_video
from ..head.model import HeadModel
from ..rig import JOINTS, POSED_JOINTS, skinning_transforms
from .mattes import before_wall, busy_wall, matte_error
from .spectacles import with_spectacles

Floats = npt.NDArray[np.float64]
Marks = dict[str, dict[str, Any]]
Table = list[dict[str, Any]]

NOISE = 2.0
"""Deviation of the noise that is put on true landmarks, pixels of a picture 512 wide."""

STRONG = 0.2
"""Weight from which an expression counts as shown."""

OPEN = 0.3
"""Weight of a blink up to which an eye counts as open, so that its gaze can be seen."""

_UNITS = {"_px": "px", "_corr": "", "_ratio": "", "ms_per_frame": "ms", "peak_gib": "GiB"}


@dataclass(frozen=True)
class Errors:
    """Mean errors of a tracked film against the truth.

    Attributes
    ----------
    shown : float
        Of expressions that are shown (true weight over 0.2): mean absolute difference of weights.
    hidden : float
        Of the others.
    face_mm : float
        Mean distance of the face's vertices in the head's own frame: what expressions, jaw and identity come to.
    turn_deg, steady_turn_deg : float
        Angle of the head's rotation against the camera, and the same without its mean.
    place_mm : float
        Distance of the point between the eyes.
    gaze_deg : float
        Angle between the true and the found direction of open eyes, in the head's frame.
    """

    shown: float
    hidden: float
    face_mm: float
    turn_deg: float
    steady_turn_deg: float
    place_mm: float
    gaze_deg: float


@dataclass(frozen=True)
class _Way:
    """How the sample's pictures become a film, and how that is tracked."""

    side: int
    frames: npt.NDArray[np.intp]
    busy: bool = False
    spectacles: bool = False
    photometric: bool = False


def bench_track(video: Path, head: HeadModel) -> dict[str, Marks]:
    """Track a video by its landmarks alone and with its colours, and measure it.

    Marks of landmarks alone, all in pixels of a picture 512 wide, over the frames in which a face is found:

    ``track_px``
        Mean distance of 468 landmarks from the posed head model's points, at this person's places on the skin.
    ``lid_corr``, ``lip_corr``
        Correlation over frames of the model's opening between lids, and between lips, with the landmarks'.
    ``iris_px``
        Mean distance of the iris centres.
    ``jitter_ratio``
        Root mean square second difference over time of the model's points over that of the landmarks.
    ``ms_per_frame``
        Wall-clock time of the survey, the landmarks and the fit, without mattes, pictures and overlay, per frame.
    ``colours_track_px``, ``colours_lid_corr``, ``colours_lip_corr``, ``colours_iris_px``, ``colours_jitter_ratio``
        The same with colours, as videos are tracked unless told otherwise.
    ``colours_ms_per_frame``
        What colours take beside that.
    ``peak_gib``
        Largest resident size of this process, all stages included; 0 on systems that do not tell.

    Returns
    -------
    dict
        ``{"marks": {name: {"value": v, "unit": u}}}``

    Raises
    ------
    LikenessError
        If the video cannot be tracked.
    """
    landmarks, coloured = (_tracking_report(video, head, photometric) for photometric in (False, True))
    spent = sum(landmarks["seconds"].get(stage, 0.0) for stage in ("survey", "landmarks", "fit"))
    marks = {
        **_fit_marks(landmarks),
        "ms_per_frame": 1000 * spent / landmarks["frames"],
        **{f"colours_{name}": value for name, value in _fit_marks(coloured).items()},
        "colours_ms_per_frame": 1000 * coloured["seconds"]["photometric"] / coloured["frames"],
        "peak_gib": peak_gib(),
    }
    return {"marks": _with_units(marks)}


def _tracking_report(video: Path, head: HeadModel, photometric: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        capture = track_video(video, head, Path(scratch) / "capture", photometric=photometric)
        report = json.loads((capture.folder / "tracking" / "report.json").read_text())
    return {**report, "frames": len(capture)}


def _fit_marks(report: dict[str, Any]) -> dict[str, float]:
    return {
        "track_px": report["track_px"],
        "lid_corr": report["lid_gap_correlation"],
        "lip_corr": report["lip_gap_correlation"],
        "iris_px": report["iris_px"],
        "jitter_ratio": report["jitter_ratio"],
    }


def bench_sample() -> dict[str, Any]:
    """Track the sample capture in eleven ways and compare with its parameters and mattes.

    Returns
    -------
    dict
        ``marks``, the most telling errors; and ``table``, a row for each way: its name, and :class:`Errors`. The marks
        ``matte_255`` and ``matte_busy_255`` are errors of mattes near the outline, in steps of 1/255, of the film and
        of the film before a wall full of edges.
    """
    truth = sample_capture()
    every = np.arange(len(truth))
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE * truth.width / 512, truth.landmarks.shape).astype(np.float32)
    rows: Table = []
    for name, landmarks in (
        ("true landmarks", truth.landmarks),
        (f"true landmarks, {NOISE:.0f} px noise", truth.landmarks + noise),
    ):
        rows.append({"way": name, **vars(compare(truth, every, _from_landmarks(truth, landmarks)))})
    second = every[::2]
    halved = _from_landmarks(truth, truth.landmarks[second])
    rows.append({"way": "true landmarks, every 2nd frame", **vars(compare(truth, second, halved))})
    marks: Marks = {}
    for name, way in (
        ("film", _Way(truth.width, every)),
        ("film at 0.5x", _Way(truth.width // 2, every)),
        ("film at 2x", _Way(truth.width * 2, every)),
        ("film, every 2nd frame", _Way(truth.width, second)),
        ("film before a busy wall", _Way(truth.width, every, busy=True)),
        ("film with spectacles", _Way(truth.width, every, spectacles=True)),
        ("film, photometric", _Way(truth.width, every, photometric=True)),
        ("film with spectacles, photometric", _Way(truth.width, every, spectacles=True, photometric=True)),
    ):
        errors, matte = _film_errors(truth, way)
        rows.append({"way": name, **vars(errors)})
        if name in ("film", "film before a busy wall"):
            marks["matte_busy_255" if way.busy else "matte_255"] = {"value": matte, "unit": "1/255"}
    for row, prefix in ((rows[0], "true"), (rows[1], "noisy"), (rows[3], "film")):
        for what in ("shown", "face_mm", "turn_deg", "gaze_deg"):
            unit = {"shown": "", "face_mm": "mm"}.get(what, "deg")
            marks[f"{prefix}_{what}"] = {"value": row[what], "unit": unit}
    return {"marks": marks, "table": rows}


def compare(truth: Capture, frames: npt.NDArray[np.intp], found: Capture) -> Errors:
    """Errors of a tracked capture whose frames are the given ones of a capture of known parameters."""
    head = truth.head
    true = truth.expression[frames].astype(np.float64)
    error = np.abs(found.expression - true)
    shown = true > STRONG
    face = np.unique(head.faces[head.regions["face"]])
    between = truth.head.joints(head.shaped(truth.identity))[[JOINTS.index("eye_l"), JOINTS.index("eye_r")]].mean(0)
    turns, places, shapes, gazes = [], [], [], []
    blink = [head.expression_names.index(f"eyeBlink_{side}") for side in "LR"]
    for index, frame in enumerate(frames):
        ways = [_head_to_camera(capture, number) for capture, number in ((truth, int(frame)), (found, index))]
        turns.append(Rotation.from_matrix(ways[1][:, :3] @ ways[0][:, :3].T))
        seen = [way[:, :3] @ between + way[:, 3] for way in ways]
        places.append(np.linalg.norm(seen[1] - seen[0]))
        shape = [_face_alone(capture, number, face) for capture, number in ((truth, int(frame)), (found, index))]
        shapes.append(np.linalg.norm(shape[1] - shape[0], axis=1).mean())
        for column, eye in zip(blink, ("eye_l", "eye_r"), strict=True):
            if true[index, column] < OPEN:
                directions = [
                    Rotation.from_rotvec(rotations[POSED_JOINTS.index(eye)]).as_matrix()[:, 2]
                    for rotations in (truth.joint_rotations[frame], found.joint_rotations[index])
                ]
                gazes.append(np.degrees(np.arccos(np.clip(directions[0] @ directions[1], -1, 1))))
    turn = Rotation.concatenate(turns)
    return Errors(
        shown=float(error[shown].mean()),
        hidden=float(error[~shown].mean()),
        face_mm=1000 * float(np.mean(shapes)),
        turn_deg=float(np.degrees(turn.magnitude()).mean()),
        steady_turn_deg=float(np.degrees((turn * turn.mean().inv()).magnitude()).mean()),
        place_mm=1000 * float(np.mean(places)),
        gaze_deg=float(np.mean(gazes)),
    )


def peak_gib() -> float:
    """Largest resident size that this process has had, GiB; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource  # Not on Windows.

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _head_to_camera(capture: Capture, index: int) -> Floats:
    """Rotation and translation (3, 4) from the head's rest space to the camera's in one frame."""
    joints = capture.head.joints(capture.head.shaped(capture.identity))
    neck = skinning_transforms(capture.pose(index), joints)[JOINTS.index("neck")].astype(np.float64)
    world_to_camera = np.linalg.inv(capture.camera_to_world[index].astype(np.float64))
    turn = world_to_camera[:3, :3] @ neck[:, :3]
    return np.concatenate([turn, (world_to_camera[:3, :3] @ neck[:, 3] + world_to_camera[:3, 3])[:, None]], 1)


def _face_alone(capture: Capture, index: int, vertices: npt.NDArray[np.intp]) -> Floats:
    """Vertices (N, 3) of the face in the head's rest space: everything but the head's own motion, scale left out."""
    pose = capture.pose(index)
    joints = capture.head.joints(capture.head.shaped(capture.identity))
    neck = skinning_transforms(pose, joints)[JOINTS.index("neck")].astype(np.float64)
    posed = capture.head.posed(pose, capture.identity)[vertices].astype(np.float64)
    return (posed - neck[:, 3]) @ neck[:, :3]


def _from_landmarks(truth: Capture, landmarks: npt.NDArray[np.float32]) -> Capture:
    middle = (float(truth.intrinsics[2]), float(truth.intrinsics[3]))
    return fit_landmarks(landmarks, truth.head, truth.width, middle, float(truth.intrinsics[0]))


def _film_errors(truth: Capture, way: _Way) -> tuple[Errors, float]:
    """Errors of parameters and of mattes where the sample's pictures, resized, are written as a film and tracked."""
    side, frames = way.side, way.frames
    with tempfile.TemporaryDirectory() as scratch:
        film = Path(scratch) / "film.mp4"
        writer: Any = imageio_ffmpeg.write_frames(
            str(film), (side, side), codec="libx264", macro_block_size=2, output_params=["-crf", "8"]
        )
        writer.send(None)
        for picture in _filmed(truth, way):
            writer.send(picture)
        writer.close()
        focal = float(truth.intrinsics[0]) * side / truth.width
        place = Path(scratch) / "capture"
        found = track_video(film, truth.head, place, size=max(side, 128), focal=focal, photometric=way.photometric)
        report = json.loads((found.folder / "tracking" / "report.json").read_text())
        missing = [np.arange(first, last + 1) for first, last in report["remarks"]["left out"]]
        kept = np.delete(frames, np.concatenate(missing)) if missing else frames
        return compare(truth, kept, found), matte_error(truth, kept, found)


def _filmed(truth: Capture, way: _Way) -> Iterator[npt.NDArray[np.uint8]]:
    """The sample's pictures as a film shows them."""
    wall = busy_wall(truth.width)
    for frame in way.frames.tolist():
        seen = load_frame(truth, frame)
        if way.busy:
            seen = before_wall(seen, load_matte(truth, frame), wall)
        if way.spectacles:
            seen = with_spectacles(seen, truth, frame)
        picture = Image.fromarray(seen)
        yield np.ascontiguousarray(picture.resize((way.side, way.side), Image.Resampling.LANCZOS))


def _with_units(marks: dict[str, float]) -> Marks:
    return {
        name: {"value": value, "unit": next(unit for end, unit in _UNITS.items() if name.endswith(end))}
        for name, value in marks.items()
    }
