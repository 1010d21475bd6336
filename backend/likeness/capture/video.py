"""Reading videos frame by frame, upright, and choosing the square part that is worth keeping."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..quiet import silenced
from .pictures import MAXIMUM_SIDE
from .video_colours import ORDINARY, Colours, check_colours
from .video_shape import flip_of, flipped, shown_size

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

MISSING_SHARE = 0.1
"""Share of the frames, and of the time, that a file may promise and not hold; some containers only estimate them."""

HEAD_OVER_FACE = 2.1
"""Side of the square that holds a head with its hair, in multiples of the face's longer side."""


@dataclass(frozen=True)
class Video:
    """A video file that can be read.

    Attributes
    ----------
    path : Path
    frame_rate : float
        Frames per second.
    promised : int
        Number of frames by the file's own account; zero if it does not say. Of a film of variable rate it may be far
        too large.
    seconds : float
        How long it lasts by the file's own account; zero if it does not say.
    width, height : int
        Of its pictures as they are shown, pixels.
    colours : Colours
        How its colours are read.
    flip : int, optional
        How decoded pictures must be flipped, see :func:`likeness.capture.video_shape.flip_of`.
    """

    path: Path
    frame_rate: float
    promised: int
    seconds: float
    width: int
    height: int
    colours: Colours = ORDINARY
    flip: int | None = None

    def frames(self) -> Iterator[Picture]:
        """All frames (H, W, 3), sRGB, turned and mirrored as the file says, with square pixels.

        Raises
        ------
        LikenessError
            If the file ends before its last frame.
        """
        return (picture for _, picture in self.timed_frames())

    def timed_frames(self, first: int = 0) -> Iterator[tuple[float, Picture]]:
        """Frames as :meth:`frames` gives them, with the time of each, seconds.

        Parameters
        ----------
        first : int
            Number of frames to pass over; they are decoded, but not converted.

        Raises
        ------
        LikenessError
            If the file ends before its last frame.
        """
        reader = _opened(self.path)
        count, seconds = 0, 0.0
        size = (self.width, self.height)
        try:
            # The decoder complains on its own channel about a damaged file; we say so ourselves.
            while reader.grab():
                count += 1
                seconds = float(reader.get(cv2.CAP_PROP_POS_MSEC)) / 1000
                if count <= first:
                    continue
                found, picture = reader.retrieve()
                if not found:
                    break
                upright = flipped(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), self.flip)
                if upright.shape[1::-1] != size:
                    upright = np.asarray(cv2.resize(upright, size, interpolation=cv2.INTER_LINEAR), np.uint8)
                yield seconds, self.colours.srgb(upright)
        finally:
            reader.release()
        if count == 0:
            raise _nothing_in(self.path)
        # Where frames come at a variable rate, only the time tells whether the last of them are missing.
        whole = 1 - MISSING_SHARE
        if count < whole * self.promised and seconds <= whole * self.seconds:
            raise LikenessError(
                f"{self.path} is cut off: {count} of its {self.promised} frames can be read; copy it again."
            )


@dataclass(frozen=True)
class Crop:
    """A square of a video, and the side to which it is resized.

    Attributes
    ----------
    left, top, side : int
        Of the square, pixels of the video.
    size : int
        Side after resizing, pixels.
    middle : (float, float)
        Where the middle of the whole video, its principal point, lies in the resized square; maybe outside of it.
    """

    left: int
    top: int
    side: int
    size: int
    middle: tuple[float, float]

    def of(self, picture: Picture) -> Picture:
        """The part of a picture, resized: (size, size, 3)."""
        part = picture[self.top : self.top + self.side, self.left : self.left + self.side]
        if self.size == self.side:
            return np.ascontiguousarray(part)
        return np.asarray(cv2.resize(part, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)


def open_video(path: Path) -> Video:
    """Look at a video.

    Raises
    ------
    LikenessError
        If it is missing, no video, too large, or one whose colours cannot be read rightly.
    """
    path = Path(path)
    check_name(path)
    if not path.is_file():
        raise LikenessError(f"There is no video at {path}.")
    reader = _opened(path)
    try:
        frame_rate = float(reader.get(cv2.CAP_PROP_FPS))
        promised = int(max(reader.get(cv2.CAP_PROP_FRAME_COUNT), 0))
        # Before the first picture is decoded: one alone may be larger than memory.
        _check_size(path, int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        found, first = reader.read()
        if not found:
            raise _nothing_in(path)
        height, width = first.shape[:2]
        width, height = shown_size(reader, width, height)
    finally:
        reader.release()
    _check_size(path, width, height)
    seconds = promised / frame_rate if frame_rate > 0 else 0.0
    if not 1 <= frame_rate <= 1000:
        frame_rate = 25.0  # A stream without a rate: nothing but playing speed depends on it.
    colours = check_colours(path)
    flip = flip_of(path, np.asarray(cv2.cvtColor(first, cv2.COLOR_BGR2RGB), np.uint8))
    return Video(path, frame_rate, promised, seconds, width, height, colours, flip)


def check_name(path: Path) -> None:
    """Make sure that OpenCV can be given a path: one that is not UTF-8 ends the process.

    Raises
    ------
    LikenessError
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        told = os.fsencode(path).decode("utf-8", "replace")
        raise LikenessError(f"The name {told} is not UTF-8; rename the file or the folder.") from None


def head_crop(boxes: Floats, width: int, height: int, size: int) -> Crop:
    """The smallest square that holds the head in all frames, as far as the picture reaches.

    Parameters
    ----------
    boxes : (F, 4)
        Left, top, right, bottom of the face in each frame, pixels.
    width, height : int
        Size of the video.
    size : int
        Wanted side of the pictures; a smaller square is not enlarged.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = HEAD_OVER_FACE / 2 * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    low, high = (centre - reach).min(0), (centre + reach).max(0)
    side = int(min(np.ceil((high - low).max()), width, height))
    side -= side % 2
    middle = (low + high) / 2
    left, top = (
        int(np.clip(np.rint(m - side / 2), 0, limit - side)) for m, limit in zip(middle, (width, height), strict=True)
    )
    size = min(size - size % 2, side)
    scale = size / side
    return Crop(left, top, side, size, ((width / 2 - left) * scale, (height / 2 - top) * scale))


def _opened(path: Path) -> cv2.VideoCapture:
    with silenced():
        reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not reader.isOpened():
        raise LikenessError(f"{path} is not a video that can be read; convert it to H.264 .mp4.")
    reader.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return reader


def _check_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > MAXIMUM_SIDE:
        raise LikenessError(
            f"{path} shows {width}x{height} pixels; at most {MAXIMUM_SIDE} a side are possible: convert it to fewer."
        )


def _nothing_in(path: Path) -> LikenessError:
    return LikenessError(f"{path} holds no picture that can be decoded; convert it to H.264 .mp4.")
