"""The second look through a film: the square around the head, a first matte, landmarks; frame by frame onto disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from .landmarks import POINTS, FaceMesh
from .matting import Matting
from .pictures import write_picture
from .stopwatch import Stopwatch
from .survey import MINIMUM_FRAMES, Plan
from .video import Video
from .work_folder import WorkFolder

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Picture = npt.NDArray[np.uint8]
Report = Callable[[str, int, int], None]

MISSED_SHARE = 0.2
"""Share of the frames that may show no face; they are left out."""

PIECE = 250
"""Frames after which what was done is kept, should the process be killed."""

LOST = 2
"""Frames without a face after which nothing is expected to go on smoothly."""

_WARMING = 5  # frames from which the detector finds its way back into a film


@dataclass(frozen=True)
class Clip:
    """Pictures of a film that show the face, on disk, and the face's landmarks.

    Attributes
    ----------
    frames, mattes : list of Path
        Mattes are the network's own until :func:`likeness.capture.clip_mattes.refine_mattes` has seen to them.
    landmarks : (F, 478, 2)
        Pixels of the pictures.
    numbers : (F,) int
        Number of each picture's frame in the film.
    starts : (S,) int
        Pictures that do not go on from the one before: after a cut, or where the face was lost.
    count : int
        Frames of the film.
    """

    frames: list[Path]
    mattes: list[Path]
    landmarks: Array
    numbers: Indices
    starts: Indices
    count: int

    def picture(self, index: int) -> Picture:
        """A picture (S, S, 3), sRGB.

        Raises
        ------
        LikenessError
            If it cannot be read any more.
        """
        return np.asarray(cv2.cvtColor(_read(self.frames[index], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)

    def matte(self, index: int) -> Picture:
        """The matte (S, S) of a picture.

        Raises
        ------
        LikenessError
            If it cannot be read any more.
        """
        return _read(self.mattes[index], cv2.IMREAD_GRAYSCALE)

    @property
    def left_out(self) -> list[list[int]]:
        """First and last frame of the film of each stretch that shows no face."""
        missing = np.setdiff1d(np.arange(self.count), self.numbers)
        stretches = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
        return [[int(stretch[0]), int(stretch[-1])] for stretch in stretches if len(stretch)]


def cut_out(source: Video, plan: Plan, work: WorkFolder, watch: Stopwatch, report: Report) -> Clip:
    """Write the square of every frame that shows the face, and its coarse matte; find the landmarks there.

    Pictures go to the work folder; every ``PIECE`` frames the landmarks do too, and a later run goes on from there.

    Raises
    ------
    LikenessError
        If too many frames show no face.
    """
    pieces: list[dict[str, np.ndarray]] = []
    while (piece := _kept_piece(work, len(pieces))) is not None:
        pieces.append(piece)
    total = len(plan.places)
    done = len(pieces) * PIECE
    begins = set(plan.starts.tolist())
    places = _filled(plan.places)
    numbers: list[int] = []
    landmarks: list[Array] = []
    with FaceMesh(plan.looks_for) as mesh, Matting() as matting:
        first = max(0, done - _WARMING)
        for number, (_, picture) in enumerate(source.timed_frames(first) if done < total else (), first):
            square = plan.crop.of(picture)
            if number in begins:
                mesh.forget()
            with watch.measuring("landmarks"):
                place = (places[number] - [plan.crop.left, plan.crop.top]) * (plan.crop.size / plan.crop.side)
                points = mesh.face_near(square, place)
            if number < done:
                continue
            if points is not None:
                with watch.measuring("matte"):
                    person = matting.person(square)
                with watch.measuring("pictures"):
                    write_picture(square, _frame_place(work, number))
                    write_picture(person, _matte_place(work, number))
                numbers.append(number)
                landmarks.append(points)
            report("landmarks", number + 1, max(total, number + 1))
            if (number + 1) % PIECE == 0 or number + 1 == total:
                pieces.append(_piece(numbers, landmarks))
                work.finish_stage(f"piece-{len(pieces) - 1:05d}", pieces[-1])
                numbers, landmarks = [], []
    kept = np.concatenate([piece["numbers"] for piece in pieces]).astype(np.intp)
    if len(kept) < max(MINIMUM_FRAMES, (1 - MISSED_SHARE) * total):
        raise LikenessError(
            f"{source.path} shows a face in {len(kept)} of its {total} frames only; cut out the part that shows one."
        )
    return Clip(
        frames=[_frame_place(work, number) for number in kept],
        mattes=[_matte_place(work, number) for number in kept],
        landmarks=np.concatenate([piece["landmarks"] for piece in pieces]),
        numbers=kept,
        starts=shot_starts(kept, plan.starts),
        count=total,
    )


def shot_starts(numbers: Indices, cuts: Indices) -> Indices:
    """Which kept pictures begin anew: the first after each cut, and those after more than ``LOST`` missing frames.

    Parameters
    ----------
    numbers : (F,) int
        Frame of the film of each picture.
    cuts : (S,) int
        Frames of the film that begin a shot.
    """
    after_cuts = np.searchsorted(numbers, cuts)
    after_gaps = np.flatnonzero(np.diff(numbers) > LOST + 1) + 1
    starts = np.union1d(after_cuts, after_gaps)
    return starts[(starts > 0) & (starts < len(numbers))].astype(np.intp)


def _kept_piece(work: WorkFolder, index: int) -> dict[str, np.ndarray] | None:
    """A piece that an earlier run has done; None if it has not, or its pictures are not there any more."""
    piece = work.stage(f"piece-{index:05d}")
    if piece is None:
        return None
    places = [place(work, number) for number in piece["numbers"].tolist() for place in (_frame_place, _matte_place)]
    return piece if all(place.is_file() for place in places) else None


def _frame_place(work: WorkFolder, number: int) -> Path:
    return work.path / f"{number:06d}.jpg"


def _matte_place(work: WorkFolder, number: int) -> Path:
    return work.path / f"{number:06d}.png"


def _read(path: Path, mode: int) -> Picture:
    picture = cv2.imread(str(path), mode)
    if picture is None:
        raise LikenessError(f"{path}, written a moment ago, cannot be read; see whether the disk is full.")
    return np.asarray(picture, np.uint8)


def _filled(places: Array) -> Array:
    """Places (F, 2) with those that are missing taken from the frames around them."""
    known = np.flatnonzero(~np.isnan(places[:, 0]))
    frames = np.arange(len(places))
    return np.stack([np.interp(frames, known, places[known, axis]) for axis in (0, 1)], 1).astype(np.float32)


def _piece(numbers: list[int], landmarks: list[Array]) -> dict[str, np.ndarray]:
    return {
        "numbers": np.array(numbers, np.int64),
        "landmarks": np.array(landmarks, np.float32).reshape(-1, POINTS, 2),
    }
