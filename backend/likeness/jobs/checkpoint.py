"""Checkpoints: everything that a stage needs to go on, in one file that is there whole or not at all.

The file is a ``.safetensors``; facts that are no arrays lie as JSON in its metadata. Writing is in two halves. The
first hands the arrays to the operating system without copying them, after which they may change; the second, on
another thread, waits for the disk, and only then the file takes its place.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from ..errors import LikenessError
from ..files import replacing
from ..tensors import read_tensors

FORMAT = "likeness-checkpoint"
VERSION = 1
MAXIMUM_BYTES = 2**38

_DTYPES = {"float32": "F32", "int32": "I32", "uint8": "U8"}
_ALIGNMENT = 64


@dataclass(frozen=True)
class Checkpoint:
    """A stage's state between two steps.

    Attributes
    ----------
    arrays : dict of str to ndarray
        float32, int32 or uint8.
    facts : dict
        JSON values.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any]

    def within(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays whose names begin with ``prefix`` and a dot, without that."""
        return {name[len(prefix) + 1 :]: array for name, array in self.arrays.items() if name.startswith(f"{prefix}.")}


def read_checkpoint(path: Path) -> Checkpoint | None:
    """What lies at ``path``; None where there is nothing.

    Raises
    ------
    LikenessError
        If the file is damaged or of a later version.
    """
    if not path.exists():
        return None
    arrays, metadata = read_tensors(path, "a checkpoint", MAXIMUM_BYTES)
    if metadata.get("format") != FORMAT or metadata.get("version") != str(VERSION):
        raise LikenessError(f"{path} is no checkpoint that this version reads; begin anew without --resume.")
    return Checkpoint(arrays, json.loads(metadata["facts"]))


def stage_of_checkpoint(path: Path) -> str | None:
    """The stage that wrote the checkpoint at ``path``, without reading its arrays; None where there is nothing.

    Raises
    ------
    LikenessError
        If the file is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            return str(json.loads(file.metadata()["facts"])["stage"])
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise LikenessError(f"{path} is damaged ({error}); begin anew without --resume.") from error


def read_result(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays that a finished stage has left at ``path``.

    Raises
    ------
    FileNotFoundError
        If no stage has come so far.
    LikenessError
        If the file is damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise LikenessError(f"{path} is damaged ({error}); begin anew without --resume.") from error


class CheckpointWriter:
    """Writes one checkpoint after another to the same place.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: tuple[threading.Thread, ExitStack, list[OSError]] | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Hand a checkpoint to the disk; :meth:`settle` puts it in place.

        Raises
        ------
        LikenessError
            If it cannot be written, or the one before could not be.
        """
        self.settle(wait=True)
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self._path))
            stream = stack.enter_context(open(temporary, "wb", buffering=0))
            _write(stream, checkpoint)
            problems: list[OSError] = []
            flushing = threading.Thread(target=_flush, args=(stream.fileno(), problems), daemon=True)
            flushing.start()
            self._pending = (flushing, stack.pop_all(), problems)

    def settle(self, *, wait: bool) -> None:
        """Put a checkpoint that the disk has taken in its place; with ``wait``, not before it has.

        Raises
        ------
        LikenessError
            If the disk has not taken it.
        """
        if self._pending is None or not (wait or not self._pending[0].is_alive()):
            return
        (flushing, stack, problems), self._pending = self._pending, None
        with stack:
            flushing.join()
            for problem in problems:
                raise problem


def _write(stream: BinaryIO, checkpoint: Checkpoint) -> None:
    header: dict[str, Any] = {
        "__metadata__": {"format": FORMAT, "version": str(VERSION), "facts": json.dumps(dict(checkpoint.facts))}
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}
    place = 0
    for name, array in arrays.items():
        # ascontiguousarray makes a number a vector of one.
        shape = list(checkpoint.arrays[name].shape)
        end = place + array.nbytes
        header[name] = {"dtype": _DTYPES[array.dtype.name], "shape": shape, "data_offsets": [place, end]}
        place = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-(len(encoded) + 8) % _ALIGNMENT)
    _write_all(stream, struct.pack("<Q", len(encoded)) + encoded)
    for array in arrays.values():
        _write_all(stream, array.reshape(-1).view(np.uint8).data)


def _write_all(stream: BinaryIO, content: bytes | memoryview) -> None:
    """A system takes at most 2 GiB at once, and may take less."""
    left = memoryview(content)
    while left:
        left = left[stream.write(left[: 2**30]) :]


def _flush(handle: int, problems: list[OSError]) -> None:
    try:
        os.fsync(handle)
    except OSError as problem:
        problems.append(problem)
