"""A folder beside a capture in which tracking keeps what it has done, so that a run that was killed can go on."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ..errors import LikenessError
from ..files import write_atomically
from ..jobs.lock import LOCK, locked

Arrays = dict[str, np.ndarray]

VERSION = 3
"""Raised whenever tracking changes in a way that makes older stages useless."""

_SETTINGS = "likeness-tracking.json"
_STAGE = ".safetensors"
_SAMPLE = 2**20


class WorkFolder:
    """Stages of work on disk; use as a context manager.

    The folder goes when the block ends, by an error or an interrupt too: nothing half-made is left behind. Only a
    process that is killed leaves it, or what is left of it if it was going already, and so does a second interrupt
    while it goes. The next one finds the stages again if video and settings are the same; whatever is left, it can
    begin. One process works there at a time.

    Parameters
    ----------
    path : Path
    settings : dict
        What the stages depend on; JSON types. A folder of tracking with other settings is emptied.

    Raises
    ------
    LikenessError
        On entering, if something else is at the folder's place, or another process works there.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self._settings = {"version": VERSION, **settings}
        self._lock = ExitStack()

    def __enter__(self) -> WorkFolder:
        if self.path.exists() and not self._is_from_tracking():
            raise LikenessError(f"{self.path} is in the way and not from tracking; move it elsewhere.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock.enter_context(locked(self.path, "it tracks a video into the same place: wait, or choose another"))
        if not self._is_ours():
            for old in self._contents():
                _discard(old)
        write_atomically(self.path / _SETTINGS, json.dumps(self._settings).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for made in self._contents():
            with suppress(OSError):
                _discard(made)
        if not self._is_gone():
            # Some systems keep what is locked.
            self._lock.close()
            self._is_gone()
        self._lock.close()

    def stage(self, name: str) -> Arrays | None:
        """The arrays of a stage that is done; None if it is not."""
        place = self.path / f"{name}{_STAGE}"
        try:
            return load_file(place) if place.is_file() else None
        except (OSError, SafetensorError):
            return None

    def finish_stage(self, name: str, arrays: Arrays) -> None:
        """Keep the arrays of a stage, whole or not at all."""
        whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        write_atomically(self.path / f"{name}{_STAGE}", save(whole))

    def _is_from_tracking(self) -> bool:
        """Whether the folder is marked as ours, or holds nothing but what is there before and after the mark."""
        if (self.path / _SETTINGS).is_file():
            return True
        unfinished = f".{Path(_SETTINGS).stem}."
        return self.path.is_dir() and all(
            place.name == LOCK or place.name.startswith(unfinished) for place in self.path.iterdir()
        )

    def _contents(self) -> list[Path]:
        """Everything but mark and lock; stages first, for each says that its pictures are there."""
        if not self.path.is_dir():
            return []
        contents = [place for place in self.path.iterdir() if place.name not in (_SETTINGS, LOCK)]
        return sorted(contents, key=lambda place: place.suffix != _STAGE)

    def _is_gone(self) -> bool:
        """Remove what is left when the contents are gone; False if the system refuses."""
        try:
            (self.path / _SETTINGS).unlink(missing_ok=True)
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _is_ours(self) -> bool:
        try:
            return json.loads((self.path / _SETTINGS).read_bytes()) == self._settings
        except (OSError, ValueError):
            return False


def _discard(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def file_fingerprint(path: Path) -> str:
    """A digest of a file's size, beginning, middle and end: enough to tell films apart without reading them whole."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as stream:
        for start in sorted({0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)}):
            stream.seek(start)
            digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()


def array_fingerprint(*arrays: np.ndarray) -> str:
    """A digest of arrays' values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
