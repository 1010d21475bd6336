"""The capture that ships with Likeness: the stand-in head, filmed with Cycles, its parameters known exactly."""

from __future__ import annotations

from pathlib import Path

from ..model import Capture
from ..storage import load_capture

FOLDER = Path(__file__).with_name("data")
"""The capture's folder, written by ``tools/sample_capture/make.py``."""


def sample_capture() -> Capture:
    """Read the sample capture: 160 frames of 256 x 256 pixels, the last 32 of them held out.

    Raises
    ------
    LikenessError
        If the installation is damaged.
    """
    return load_capture(FOLDER)
