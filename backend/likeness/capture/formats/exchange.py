"""Importing and exporting captures: finds the format, converts, and writes whole folders or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import LikenessError
from ...head.model import HeadModel
from ..checks import LANDMARKS
from ..landmarks import FaceMesh
from ..model import Capture
from ..storage import check_place, runs_in, write_capture
from .flame_frames import DEFAULT_FRAME_RATE, FlameFrames, SourcePicture, capture_of
from .imavatar import find_clips, read_imavatar, write_imavatar
from .insta import find_transforms, read_insta, write_insta
from .metrical_tracker import find_frames, read_metrical_tracker
from .source_pictures import (
    frame_pictures,
    frame_suffix,
    matte_pictures,
    mattes_told,
    pixels,
    semantic_pictures,
)

Report = Callable[[str, int, int], None]

READERS: dict[str, Callable[[Path, HeadModel, float], FlameFrames]] = {
    "imavatar": read_imavatar,
    "insta": read_insta,
    "metrical-tracker": read_metrical_tracker,
}
WRITERS: dict[str, Callable[[Capture, Path], dict[str, str]]] = {"imavatar": write_imavatar, "insta": write_insta}

_MARKS: dict[str, Callable[[Path], list[Path]]] = {
    "imavatar": find_clips,
    "insta": find_transforms,
    "metrical-tracker": find_frames,
}


def format_of(folder: Path) -> str:
    """The format of a data set, by the files that it has.

    Raises
    ------
    LikenessError
        If it is none that can be read.
    """
    if not folder.is_dir():
        raise LikenessError(f"There is no folder {folder}; give the folder of a data set.")
    for name, find in _MARKS.items():
        if find(folder):
            return name
    raise LikenessError(
        f"{folder} is no data set that is known: it holds neither flame_params.json (IMavatar, PointAvatar) nor"
        " transforms.json (INSTA) nor .frame files (metrical-tracker)."
    )


def import_capture(
    folder: Path,
    head: HeadModel,
    out: Path,
    *,
    kind: str | None = None,
    held_out_part: float = 0.2,
    frame_rate: float = DEFAULT_FRAME_RATE,
    landmarks: bool = True,
    overwrite: bool = False,
    provenance: Mapping[str, str] | None = None,
    progress: Report | None = None,
) -> Capture:
    """Read somebody's data set and write it as a capture, whole or not at all.

    Labels of a face parser are kept where all frames have them, see :mod:`likeness.capture.semantics`.

    Parameters
    ----------
    folder : Path
        Of a data set of :data:`READERS`.
    head : HeadModel
        FLAME, for its parameters are what these data sets hold.
    out : Path
        Folder to make; it must not exist or be empty, unless ``overwrite`` is given.
    kind : str, optional
        The format; found by itself otherwise.
    held_out_part : float
        Part at the end on which nothing is fitted, where the data set does not tell; 0..0.5.
    frame_rate : float
        Frames per second, which these formats do not tell.
    landmarks : bool
        Whether to look for MediaPipe's points in the pictures; without them no frame has any.
    overwrite : bool
        Whether a capture that is already there may be replaced.
    provenance : mapping of str to str, optional
    progress : callable, optional
        Told a stage's name, what is done of it and its total.

    Raises
    ------
    LikenessError
        If the data set cannot be used, or the folder not be written.
    """
    if not 0 <= held_out_part <= 0.5:
        raise LikenessError(f"A held-out part of {held_out_part} is not possible; choose 0 to 0.5.")
    if not 0 < frame_rate <= 1000:
        raise LikenessError(f"A frame rate of {frame_rate} is not possible; choose up to 1000 frames per second.")
    check_place(out, overwrite)
    kind = kind or format_of(folder)
    if kind not in READERS:
        raise LikenessError(f"There is no format {kind!r}; choose one of {', '.join(READERS)}.")
    frames = READERS[kind](folder, head, held_out_part)
    suffix = frame_suffix(frames.pictures[0].picture)
    capture = capture_of(frames, head, frame_rate, suffix)
    told = {
        "source": folder.resolve().name,
        "made by": "likeness capture import",
        "head": f"{head.name} ({head.licence})",
        "mattes": mattes_told(frames.pictures),
        **capture.provenance,
        **(provenance or {}),
    }
    size = (frames.width, frames.height)
    semantics = semantic_pictures(frames.pictures, size)
    if landmarks:
        capture = replace(capture, landmarks=_landmarks(capture, frames.pictures, progress))
    return write_capture(
        replace(capture, provenance=told),
        out,
        frame_pictures(frames.pictures, suffix, size),
        matte_pictures(frames.pictures, size),
        semantics=semantics,
        overwrite=overwrite,
    )


def export_capture(capture: Capture, out: Path, kind: str) -> dict[str, str]:
    """Write a capture in somebody's format, whole or not at all.

    Parameters
    ----------
    capture : Capture
    out : Path
        Folder to make; it must not exist or be empty.
    kind : str
        One of :data:`WRITERS`.

    Returns
    -------
    dict of str to str
        What the format cannot hold; empty if nothing is lost.

    Raises
    ------
    LikenessError
        If the capture does not fit the format, or the folder cannot be written.
    """
    if kind not in WRITERS:
        raise LikenessError(f"There is no format {kind!r} to write; choose one of {', '.join(WRITERS)}.")
    out = Path(os.path.abspath(out))
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise LikenessError(f"{out} is already there; choose a new folder.")
    if runs_in(out):
        raise LikenessError(f"{out} cannot be replaced while a command runs in it; choose another folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            lost = WRITERS[kind](capture, Path(scratch) / "data")
            if out.exists():
                out.rmdir()
            (Path(scratch) / "data").rename(out)
    except OSError as error:
        raise LikenessError(f"Cannot write {out}: {error.strerror or error}.") from error
    return lost


def _landmarks(
    capture: Capture, pictures: tuple[SourcePicture, ...], progress: Report | None
) -> npt.NDArray[np.float32]:
    """MediaPipe's points (N, 478, 2) on the face nearest to where the head model is; NaN where no face is seen."""
    found = np.full((len(pictures), LANDMARKS, 2), np.nan, np.float32)
    with FaceMesh() as mesh:
        for index, source in enumerate(pictures):
            posed = capture.head.posed(capture.pose(index), capture.identity)
            place = capture.camera(index).project(capture.head.landmarks(posed).mean(0))
            points = mesh.face_near(pixels(source.picture), place)
            if points is not None:
                found[index] = points
            if progress is not None:
                progress("landmarks", index + 1, len(pictures))
    return found
