"""A folder beside a capture in which tracking keeps what it has done, so that a run that was killed can go on."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import ExitStack
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

VERSION = 2
"""Raised whenever tracking changes in a way that makes older stages useless."""

_SETTINGS = "likeness-tracking.json"
_SAMPLE = 2**20


class WorkFolder:
    """Stages of work on disk; use as a context manager.

    The folder goes when the block ends, by an error or an interrupt too: nothing half-made is left behind. Only a
    process that is killed leaves it, and the next one finds the stages again if video and settings are the same. One
    process works there at a time.

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
        if self.path.exists() and not (self.path / _SETTINGS).is_file():
            raise LikenessError(f"{self.path} is in the way and not from tracking; move it elsewhere.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock.enter_context(locked(self.path, "it tracks a video into the same place: wait, or choose another"))
        if not self._is_ours():
            for old in self.path.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
                elif old.name != LOCK:
                    old.unlink()
        write_atomically(self.path / _SETTINGS, json.dumps(self._settings).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        # Some systems keep what is locked.
        shutil.rmtree(self.path, ignore_errors=True)

    def stage(self, name: str) -> Arrays | None:
        """The arrays of a stage that is done; None if it is not."""
        place = self.path / f"{name}.safetensors"
        try:
            return load_file(place) if place.is_file() else None
        except (OSError, SafetensorError):
            return None

    def finish_stage(self, name: str, arrays: Arrays) -> None:
        """Keep the arrays of a stage, whole or not at all."""
        whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        write_atomically(self.path / f"{name}.safetensors", save(whole))

    def _is_ours(self) -> bool:
        try:
            return json.loads((self.path / _SETTINGS).read_bytes()) == self._settings
        except (OSError, ValueError):
            return False


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
