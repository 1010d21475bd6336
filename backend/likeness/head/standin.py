"""The built-in head: a plain human head that ships with Likeness, for trying things out and for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .model import HeadModel
from .storage import load_head

FILE = Path(__file__).with_name("standin.safetensors")
"""The shipped head, written by ``python -m likeness.head.sculpt``."""


@cache
def standin() -> HeadModel:
    """The stand-in head, read once. Its arrays are shared by all callers and must not be written to."""
    return load_head(FILE)
