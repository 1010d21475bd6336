"""The first look through a film: where faces are, when, and where it was cut. Nothing of the pictures is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from .cuts import find_cuts, thumbnail
from .fitting.points import COUNT
from .followed_face import extents, followed, two_faces
from .landmarks import FaceMesh
from .video import Crop, Video, head_crop
from .video_shape import sizes_of

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Report = Callable[[str, int, int], None]

MINIMUM_FRAMES = 30
MINIMUM_SECONDS = 1.0
SECOND_FACE_FRAMES = 3
"""Frames that must show a second face before it counts: one alone is often a false detection."""

UNEVEN = 0.3
"""Share by which times between frames may differ from the usual before a film's rate is called variable."""

_DETECTION_SIDE = 1280


@dataclass(frozen=True)
class Survey:
    """What was seen in every frame of a film.

    Attributes
    ----------
    width, height : int
        Of the film, pixels.
    seconds : (F,)
        Time of each frame.
    boxes : (F, 2, 4)
        Left, top, right, bottom of up to two faces, pixels of the film, the larger one first; NaN where there is none.
    changes : (F,)
        Mean absolute change of grey level since the frame before.
    """

    width: int
    height: int
    seconds: npt.NDArray[np.float64]
    boxes: Array
    changes: Array


@dataclass(frozen=True)
class Plan:
    """What is to be taken from a film, and what must be said about it.

    Attributes
    ----------
    crop : Crop
    places : (F, 2)
        Middle of the face that is followed, pixels of the film; NaN where none is seen.
    starts : (S,) int
        Frames before which the film was cut.
    looks_for : int
        Number of faces that the detector must look for.
    frame_rate : float
        Mean rate, frames per second.
    remarks : dict of str to str
    """

    crop: Crop
    places: Array
    starts: Indices
    looks_for: int
    frame_rate: float
    remarks: dict[str, str]


def survey_film(source: Video, report: Report) -> Survey:
    """Look at every frame.

    Raises
    ------
    LikenessError
        If the film is too short, changes its size, or shows no face.
    """
    sizes = sizes_of(source.path)
    if len(sizes) > 1:
        told = " and ".join(f"{width}x{height}" for width, height in sizes[:2])
        raise LikenessError(f"{source.path} changes its size, it shows {told} pixels; convert it to one size.")
    seconds, boxes, changes = [], [], []
    before: Array | None = None
    width, height = source.width, source.height
    with FaceMesh() as mesh:
        for when, picture in source.timed_frames():
            shrink = min(1.0, _DETECTION_SIDE / max(width, height))
            found = np.full((2, 4), np.nan, np.float32)
            for index, face in enumerate(mesh.faces(_shrunk(picture, shrink))):
                found[index] = np.concatenate([face[:COUNT].min(0), face[:COUNT].max(0)]) / shrink
            small = thumbnail(picture)
            changes.append(0.0 if before is None else float(np.abs(small - before).mean()))
            before = small
            seconds.append(when)
            boxes.append(found)
            report("face", len(seconds), max(source.promised, len(seconds)))
    count = len(seconds)
    # A film of variable rate may name the finest step of its clock as its rate.
    short = count < MINIMUM_SECONDS * source.frame_rate and seconds[-1] - seconds[0] < MINIMUM_SECONDS
    if count < MINIMUM_FRAMES or short:
        raise LikenessError(
            f"{source.path} has {count} frames; at least {MINIMUM_FRAMES} frames and {MINIMUM_SECONDS:.0f} s"
            " are needed."
        )
    if np.isnan(boxes).all():
        raise LikenessError(f"No face is seen in {source.path}; film one face from the front, in good light.")
    return Survey(width, height, np.array(seconds), np.array(boxes, np.float32), np.array(changes, np.float32))


def plan_tracking(survey: Survey, source: Video, size: int) -> Plan:
    """Decide whose face is followed, in which part of the picture, and say what is unusual.

    Parameters
    ----------
    survey : Survey
    source : Video
    size : int
        Wanted side of the pictures.

    Raises
    ------
    LikenessError
        If two faces of similar size are seen throughout.
    """
    boxes = survey.boxes
    if (~np.isnan(boxes[:, 1, 0])).sum() < SECOND_FACE_FRAMES:
        boxes = boxes.copy()
        boxes[:, 1] = np.nan
    second = two_faces(boxes, source.path)
    # Whom to follow depends on the cuts, and a face's jumps tell cuts: pictures alone make a first guess.
    nowhere = np.full((len(boxes), 2), np.nan)
    changes = changes_per_frame(survey.changes, survey.seconds)
    chosen = followed(boxes, find_cuts(changes, nowhere, nowhere[:, 0]))
    box = np.where((chosen >= 0)[:, None], boxes[np.arange(len(boxes)), chosen], np.nan)
    places, sizes = (box[:, :2] + box[:, 2:]) / 2, extents(box)
    starts = find_cuts(changes, places, np.where(sizes > 0, sizes, np.nan))
    rate, uneven = frame_rate(survey.seconds, source.frame_rate)
    remarks = {"faces": second, "cuts": _cuts(starts), "frame rate": uneven, "colours": source.colours.said}
    return Plan(
        crop=head_crop(box[~np.isnan(box[:, 0])], survey.width, survey.height, size),
        places=places,
        starts=starts,
        looks_for=2 if second else 1,
        frame_rate=rate,
        remarks={name: text for name, text in remarks.items() if text},
    )


def changes_per_frame(changes: npt.NDArray[np.floating], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    """Changes (F,) since the frame before, shared among the frames that a film of variable rate left out there.

    Parameters
    ----------
    changes : (F,)
    seconds : (F,)
        Times of the frames; all zero in files that keep none.
    """
    steps = np.diff(seconds, prepend=seconds[:1])
    if len(steps) < 2 or (steps[1:] <= 0).any():
        return changes
    return changes / np.maximum(steps / np.median(steps[1:]), 1)


def frame_rate(seconds: npt.NDArray[np.float64], promised: float) -> tuple[float, str]:
    """The mean rate of frames at some times, and what must be said if they come unevenly.

    Parameters
    ----------
    seconds : (F,)
        Times of the frames; all zero in files that keep none.
    promised : float
        The rate by the file's own account.
    """
    steps = np.diff(seconds)
    if len(steps) == 0 or (steps <= 0).any():
        return promised, ""
    usual = float(np.median(steps))
    if (np.abs(steps - usual) < UNEVEN * usual).mean() > 0.99:
        return promised if abs(promised * usual - 1) < UNEVEN else 1 / usual, ""
    mean = float(len(steps) / (seconds[-1] - seconds[0]))
    shortest, longest = 1000 * steps.min(), 1000 * steps.max()
    return mean, f"variable, {shortest:.0f} to {longest:.0f} ms between frames; the capture plays at the mean rate"


def _cuts(starts: Indices) -> str:
    if not len(starts):
        return ""
    shown = ", ".join(str(frame) for frame in starts[:10]) + (", ..." if len(starts) > 10 else "")
    return f"{len(starts)}, before frames {shown} of the video; nothing is smoothed over them"


def _shrunk(picture: npt.NDArray[np.uint8], factor: float) -> npt.NDArray[np.uint8]:
    if factor == 1.0:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
