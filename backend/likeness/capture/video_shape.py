"""How a film's stored pictures are to be shown: mirrored, and with pixels that are not square.

OpenCV turns pictures as the file says, but takes a mirroring for a turn (phones write one for a front camera that shows
one as in a mirror) and leaves pixels as they are. FFmpeg's own program mirrors rightly, so its first picture is the
measure. Nor does OpenCV tell when pictures change their size on the way: it squeezes later ones into the first one's.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

SQUARE = 0.01
"""Largest difference of a pixel's sides that nobody sees."""

CLEARLY = 0.5
"""A flip must bring the pictures this much closer: two decodings of one picture are all but equal."""

_FLIPS: tuple[int | None, ...] = (None, 1, 0, -1)
"""As OpenCV counts them: none, left to right, upside down, both."""

_COMPARED_SIDE = 256
"""Longer side to which pictures are shrunk before they are compared, pixels: enough to tell left from right."""

_PROBE_SECONDS = 30


def flip_of(path: Path, first: Picture) -> int | None:
    """How OpenCV's pictures of a film must still be flipped, as ``cv2.flip`` counts; None if they need not.

    Parameters
    ----------
    path : Path
    first : (H, W, 3)
        The film's first picture, as OpenCV gives it.
    """
    height, width = first.shape[:2]
    shrink = min(1.0, _COMPARED_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = np.asarray(cv2.resize(first, size, interpolation=cv2.INTER_AREA), np.uint8)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path)]
    command += ["-frames:v", "1", "-vf", f"scale={size[0]}:{size[1]}:flags=area"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if len(done.stdout) != small.size:
        return None
    shown = np.frombuffer(done.stdout, np.uint8).reshape(small.shape).astype(np.int16)
    off = [float(np.abs(flipped(small, flip).astype(np.int16) - shown).mean()) for flip in _FLIPS]
    best = int(np.argmin(off))
    # Decoders may begin with different frames, and a face is all but alike when mirrored.
    return _FLIPS[best] if off[best] < CLEARLY * off[0] else None


def flipped(picture: Picture, flip: int | None) -> Picture:
    """A picture (H, W, 3) flipped as :func:`flip_of` says."""
    return picture if flip is None else np.asarray(cv2.flip(picture, flip), np.uint8)


def sizes_of(path: Path) -> list[tuple[int, int]]:
    """Widths and heights, pixels, of a film's stored pictures, in the order in which they come.

    Only pictures that are stored whole are decoded, for only there may a new size begin. Empty if FFmpeg cannot be run,
    or takes longer than half a minute.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-skip_frame", "nokey", "-i", str(path)]
    command += ["-map", "0:v:0", "-vf", "showinfo", "-f", "null", "-"]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    told = re.findall(rb"Parsed_showinfo.* s:(\d+)x(\d+) ", done.stderr)
    return list(dict.fromkeys((int(width), int(height)) for width, height in told))


def shown_size(reader: cv2.VideoCapture, width: int, height: int) -> tuple[int, int]:
    """Width and height at which upright pictures of a film have square pixels; the longer way is never shortened.

    Parameters
    ----------
    reader : cv2.VideoCapture
        Open.
    width, height : int
        Of the upright pictures, in the film's own pixels.
    """
    across, down = reader.get(cv2.CAP_PROP_SAR_NUM), reader.get(cv2.CAP_PROP_SAR_DEN)
    if across <= 0 or down <= 0 or abs(across / down - 1) <= SQUARE:
        return width, height
    aspect = float(np.clip(across / down, 0.25, 4))
    if int(reader.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90:
        aspect = 1 / aspect
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
