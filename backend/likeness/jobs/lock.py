"""One process works on a folder at a time; the operating system knows whether it still lives."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LikenessError

LOCK = ".lock"
"""Name of the file that is locked."""

_TRIES, _PAUSE = 5, 0.05


@contextmanager
def locked(folder: Path, advice: str) -> Iterator[None]:
    """Be the one process that works on a folder; it ends with the process, however that ends.

    Parameters
    ----------
    folder : Path
    advice : str
        What to do about another process that works there.

    Raises
    ------
    LikenessError
        If another process works on it, or the folder cannot be written to.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise LikenessError(f"The folder {folder} cannot be written to: {error.strerror}.") from error
    try:
        if not _take_patiently(handle):
            raise LikenessError(f"Another process is at work on {folder}; {advice}.")
        yield
    finally:
        os.close(handle)


def is_locked(job: Path) -> bool:
    """Whether a living process works on a job."""
    try:
        handle = os.open(job / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        # Windows knows no shared locks: there, several that look at once must wait for each other.
        return not (_take_patiently(handle) if sys.platform == "win32" else _take(handle, shared=True))
    finally:
        os.close(handle)


def _take_patiently(handle: int) -> bool:
    """Lock an open file; whoever looks whether a job is at work holds the lock for a moment."""
    for _ in range(_TRIES):
        if _take(handle):
            return True
        time.sleep(_PAUSE)
    return False


def _take(handle: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting, for oneself or beside others that share; closing it gives the lock back."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
