"""How a video file encodes colours, asked of FFmpeg: what cannot be read rightly is refused before it is read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg

from ..errors import LikenessError

HIGH_DYNAMIC_RANGE = ("arib-std-b67", "smpte2084", "bt2020")
"""Names by which FFmpeg tells hybrid log-gamma, perceptual quantisation, and the wide gamut that comes with both."""

_PROBE_SECONDS = 30


def check_colours(path: Path) -> str:
    """What must be said about a video's colours; empty if they are ordinary.

    Returns
    -------
    str
        For colours of more than 8 bits: that they are rounded.

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
    return f"{deep.group(1)} bits a channel, rounded to 8" if deep else ""


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
