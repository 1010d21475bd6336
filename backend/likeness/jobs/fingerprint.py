"""A capture's fingerprint: whether a job that goes on still learns from the same pictures and parameters."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np

from ..capture.model import Capture
from ..errors import LikenessError
from ..head.model import HeadModel

_LENGTH = 16
_ASIDE = ("folder", "provenance")
"""Where a capture lies and what is told about it changes nothing that is learnt."""


def capture_fingerprint(capture: Capture) -> str:
    """Hexadecimal digest of everything in a capture that training can depend on, its pictures' bytes included.

    Raises
    ------
    LikenessError
        If a picture cannot be read.
    """
    digest = hashlib.blake2b(digest_size=_LENGTH)
    _add(digest, capture)
    for name in (*capture.frames, *capture.mattes):
        path = capture.folder / name
        try:
            with open(path, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        except OSError as error:
            raise LikenessError(f"Cannot read {path}: {error.strerror}. Track the capture again.") from error
    return digest.hexdigest()


def _add(digest: hashlib.blake2b, part: object) -> None:
    if isinstance(part, Capture | HeadModel):
        for entry in fields(part):
            if entry.name not in _ASIDE:
                digest.update(entry.name.encode())
                _add(digest, getattr(part, entry.name))
    elif isinstance(part, dict):
        for key in sorted(part):
            digest.update(str(key).encode())
            _add(digest, part[key])
    elif isinstance(part, np.ndarray):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    else:
        digest.update(repr(part).encode())
