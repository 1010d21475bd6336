"""A video in, a capture out: find the face, fit the head model, follow the eyes, cut out the person."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..head.model import HeadModel
from .fitting.correspondence import personal_head
from .fitting.fit import fit_clip
from .fitting.points import COUNT, point_model
from .fitting.residuals import PICTURE
from .gaze import track_gaze
from .landmarks import FaceMesh
from .matting import Matting
from .model import Capture
from .overlay import write_overlay
from .pictures import write_picture
from .storage import picture_names, write_capture
from .tracking_report import plot_residuals, predicted_landmarks, tracking_report, write_report
from .video import Crop, Video, head_crop, open_video
from .world import motion

Array = npt.NDArray[np.float32]
Report = Callable[[str, int, int], None]

MINIMUM_FRAMES = 30
MINIMUM_SECONDS = 1.0
SIZES = (128, 2048)
"""Smallest and largest side of a capture's pictures, pixels."""

FOCAL_OVER_SIDE = 2.2
"""Expected focal length in multiples of the square's side; landmarks hardly show it, so a fixed guess serves best."""

MISSED_SHARE = 0.2
"""Share of the frames that may show no face; they are left out."""

_DETECTION_SIDE = 1280


@dataclass(frozen=True)
class _Clip:
    """Pictures of a clip that show the face, on disk, and the face's landmarks (F, 478, 2), pixels."""

    crop: Crop
    frame_rate: float
    frames: list[Path]
    mattes: list[Path]
    landmarks: Array
    left_out: int


def track_video(
    video: Path,
    head: HeadModel,
    out: Path,
    *,
    size: int = 512,
    held_out_fraction: float = 0.2,
    focal: float | None = None,
    provenance: Mapping[str, str] | None = None,
    progress: Report | None = None,
) -> Capture:
    """Track the head in a video and write a capture, whole or not at all.

    Beside the capture's own files the folder gets ``tracking/overlay.mp4``, ``tracking/residuals.png`` and
    ``tracking/report.json`` (see :class:`likeness.capture.tracking_report.TrackingReport`).

    Parameters
    ----------
    video : Path
        One person talking before a camera that stands still.
    head : HeadModel
    out : Path
        Folder to make; it must not exist or be empty.
    size : int
        Side of the square pictures; the part of the video that holds the head is never enlarged.
    held_out_fraction : float
        Part of the frames, at the end, on which nothing is fitted but their own pose and expression; 0..0.5.
    focal : float, optional
        Focal length of the video, its own pixels. Without it, 2.2 times the side of the square that is kept.
    provenance : mapping of str to str, optional
        What is known of where the video came from; kept in the capture.
    progress : callable, optional
        Told a stage's name, what is done of it and its total.

    Returns
    -------
    Capture

    Raises
    ------
    LikenessError
        If the video cannot be used (missing, damaged, too short, no face, two faces) or the folder not be written.
    """
    video, out = Path(video), Path(out)
    if not SIZES[0] <= size <= SIZES[1]:
        raise LikenessError(f"A picture size of {size} is not possible; choose {SIZES[0]} to {SIZES[1]} pixels.")
    if not 0 <= held_out_fraction <= 0.5:
        raise LikenessError(f"A held-out part of {held_out_fraction} is not possible; choose 0 to 0.5.")
    if focal is not None and not focal > 0:
        raise LikenessError(f"A focal length of {focal} is not possible; give pixels of the video, more than zero.")
    report: Report = progress or (lambda stage, done, total: None)
    source = open_video(video)
    _check_place(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            crop = _find_head(source, size, report)
            clip = _cut_out(source, crop, Path(scratch), report)
            pixels = focal * crop.size / crop.side if focal else FOCAL_OVER_SIDE * crop.size
            capture = _fitted(clip, head, pixels, held_out_fraction, report)
            told = {
                "source": video.name,
                "made by": "likeness track",
                "head": f"{head.name} ({head.licence})" if head.licence else head.name,
                "frames without a face, left out": str(clip.left_out),
                **(provenance or {}),
            }
            return _write(replace(capture, provenance=told), clip, Path(scratch), out, report)
    except OSError as error:
        raise LikenessError(f"Cannot write {out}: {error.strerror or error}.") from error


def _check_place(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise LikenessError(f"{out} is already there; choose a new folder for the capture.")


def _find_head(source: Video, size: int, report: Report) -> Crop:
    """The square of the video that holds the head in all frames."""
    boxes, count, width, height = [], 0, 0, 0
    with FaceMesh() as mesh:
        for picture in source.frames():
            if count and picture.shape[:2] != (height, width):
                raise LikenessError(f"{source.path} changes its size at frame {count}; convert it to one size.")
            height, width = picture.shape[:2]
            count += 1
            shrink = min(1.0, _DETECTION_SIDE / max(width, height))
            points = mesh.points(_shrunk(picture, shrink))
            if points is not None:
                face = points[:COUNT] / shrink
                boxes.append(np.concatenate([face.min(0), face.max(0)]))
            report("face", count, max(source.promised, count))
    if count < MINIMUM_FRAMES or count < MINIMUM_SECONDS * source.frame_rate:
        raise LikenessError(
            f"{source.path} has {count} frames; at least {MINIMUM_FRAMES} frames and {MINIMUM_SECONDS:.0f} s"
            " are needed."
        )
    if not boxes:
        raise LikenessError(f"No face is seen in {source.path}; film one face from the front, in good light.")
    return head_crop(np.array(boxes), width, height, size)


def _cut_out(source: Video, crop: Crop, scratch: Path, report: Report) -> _Clip:
    """Write the square of every frame that shows the face, and its matte; find the landmarks there."""
    frames, mattes, landmarks, count = [], [], [], 0
    with FaceMesh() as mesh, Matting() as matting:
        for picture in source.frames():
            count += 1
            square = crop.of(picture)
            points = mesh.points(square)
            if points is not None:
                name = f"{len(frames):05d}"
                frames.append(scratch / f"{name}.jpg")
                mattes.append(scratch / f"{name}.png")
                landmarks.append(points)
                write_picture(square, frames[-1])
                write_picture(matting.matte(square), mattes[-1])
            report("landmarks", count, max(source.promised, count))
    if len(frames) < max(MINIMUM_FRAMES, (1 - MISSED_SHARE) * count):
        raise LikenessError(
            f"{source.path} shows a face in {len(frames)} of its {count} frames only; cut out the part that shows one."
        )
    return _Clip(crop, source.frame_rate, frames, mattes, np.array(landmarks, np.float32), left_out=count - len(frames))


def _fitted(clip: _Clip, head: HeadModel, focal: float, held_out_fraction: float, report: Report) -> Capture:
    """The capture of a clip, not yet on disk, and nothing yet said about where it came from."""
    count, size = len(clip.frames), clip.crop.size
    training = np.arange(count - round(held_out_fraction * count))
    scale = PICTURE / size
    centred = (clip.landmarks.astype(np.float64) - clip.crop.middle) * scale * [1, -1]
    points = centred[:, :COUNT]
    head = personal_head(head, points, focal * scale, training, lambda done, total: report("points", done, total))
    unknowns = fit_clip(
        point_model(head),
        points,
        focal * scale,
        training,
        report,
        gaze=lambda fitted: track_gaze(head, fitted, centred)[0],
    )
    gaze, _ = track_gaze(head, unknowns, centred)
    rig = motion(head, unknowns, gaze, training)
    focal = float(np.exp(unknowns.log_focal)) / scale
    return Capture(
        folder=Path(),
        head=head,
        identity=unknowns.identity.astype(np.float32),
        width=size,
        height=size,
        intrinsics=np.array([focal, focal, *clip.crop.middle], np.float32),
        camera_to_world=np.tile(rig.camera_to_world, (count, 1, 1)),
        expression=unknowns.expression.astype(np.float32),
        root_rotation=np.zeros((count, 3), np.float32),
        root_translation=rig.root_translation,
        joint_rotations=rig.joint_rotations,
        landmarks=clip.landmarks,
        frames=picture_names("frames", count, ".jpg"),
        mattes=picture_names("mattes", count, ".png"),
        held_out=tuple(range(len(training), count)),
        frame_rate=clip.frame_rate,
        provenance={},
    )


def _write(capture: Capture, clip: _Clip, scratch: Path, out: Path, report: Report) -> Capture:
    """Write everything beside its place, then move it there at once."""
    predicted = predicted_landmarks(capture)
    numbers = tracking_report(capture, predicted)
    told = {**capture.provenance, "tracking": numbers.summary()}
    finished = write_capture(replace(capture, provenance=told), scratch / "capture", clip.frames, clip.mattes)
    extra = finished.folder / "tracking"
    extra.mkdir()
    write_report(numbers, extra / "report.json")
    plot_residuals(finished, predicted, extra / "residuals.png")
    for done in write_overlay(finished, predicted, extra / "overlay.mp4"):
        report("overlay", done, len(finished))
    if out.exists():  # Empty, as was checked; not every system replaces a folder by renaming.
        out.rmdir()
    os.rename(finished.folder, out)
    return replace(finished, folder=out)


def _shrunk(picture: npt.NDArray[np.uint8], factor: float) -> npt.NDArray[np.uint8]:
    if factor == 1.0:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
