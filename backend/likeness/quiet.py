"""Keeping the chatter of native libraries off a user's terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = {
    "GLOG_minloglevel": "3",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "ABSL_MIN_LOG_LEVEL": "3",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}


@contextmanager
def silenced() -> Iterator[None]:
    """Send what native code writes to the standard error stream nowhere while the block runs.

    MediaPipe and FFmpeg write there by themselves, beside Python's logging, and have no setting that stops all of it.
    Python's own messages, exceptions among them, still arrive: they are written after the block. Where there is no
    standard error stream at all, as under pythonw, nothing is sent anywhere.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    stream = sys.stderr
    if stream is None:
        # Its number may belong to any other file by now.
        yield
        return
    stream.flush()
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        stream.flush()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
