"""How a video file encodes colours, asked of FFmpeg: what cannot be read rightly is refused before it is read."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..runtime.colour import linear_to_srgb, srgb_to_linear

HIGH_DYNAMIC_RANGE = ("arib-std-b67", "smpte2084", "bt2020")
"""Names by which FFmpeg tells hybrid log-gamma, perceptual quantisation, and the wide gamut that comes with both."""

WIDE_GAMUT = "smpte432"
"""FFmpeg's name of the primaries of Display P3."""

TO_SRGB_PRIMARIES = np.array(
    [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]], np.float32
)
"""Linear light of Display P3 (SMPTE EG 432-1, white D65) in sRGB's primaries (IEC 61966-2-1)."""

_PROBE_SECONDS = 30
_FINE = 4096


@dataclass(frozen=True)
class Colours:
    """How a video's colours are read.

    Attributes
    ----------
    said : str
        What must be said about it; empty if there is nothing.
    wide : bool
        Whether pictures as decoded are in Display P3.
    """

    said: str = ""
    wide: bool = False

    def srgb(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A decoded picture (H, W, 3) in sRGB; what is more colourful than sRGB can show is clipped."""
        if not self.wide:
            return picture
        light = cv2.transform(_linear_codes()[picture], TO_SRGB_PRIMARIES)
        return _encoded_codes()[np.clip(light * (_FINE - 1) + 0.5, 0, _FINE - 1).astype(np.uint16)]


ORDINARY = Colours()
"""8 bits, sRGB or BT.709: read as they are."""


def check_colours(path: Path) -> Colours:
    """How a video's colours must be read.

    Returns
    -------
    Colours
        Says so of colours of more than 8 bits, which are rounded, and of Display P3, which is converted.

    Raises
    ------
    LikenessError
        If the video is high dynamic range: read as it is, skin would be grey and flat.
    """
    told = _stream_line(path)
    if any(name in told for name in HIGH_DYNAMIC_RANGE):
        raise LikenessError(
            f"{path} is an HDR video; film with HDR switched off, or convert it to SDR (BT.709, 8 bits) first."
        )
    deep = re.search(r"\b(?:yuv\w*?p|gbrp|p0|rgb)(9|10|12|14|16)(?:le|be)\b", told)
    wide = WIDE_GAMUT in told
    remarks = [f"{deep.group(1)} bits a channel, rounded to 8"] if deep else []
    remarks += ["wide colours (Display P3), converted to sRGB"] if wide else []
    return Colours("; ".join(remarks), wide)


@cache
def _linear_codes() -> npt.NDArray[np.float32]:
    return srgb_to_linear(np.arange(256) / 255)


@cache
def _encoded_codes() -> npt.NDArray[np.uint8]:
    """Codes in sRGB of linear light in steps so fine that the darkest of them still differ by less than one code."""
    return np.rint(255 * linear_to_srgb(np.arange(_FINE) / (_FINE - 1))).astype(np.uint8)


def _stream_line(path: Path) -> str:
    """FFmpeg's line about the first video stream; empty if it finds none or cannot be run."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    return next((line for line in lines if "Video:" in line and "Stream #" in line), "")
