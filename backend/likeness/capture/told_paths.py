"""Paths that a file from a stranger tells: names that every system can hold, and that stay in their folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard
from unicodedata import category

MAXIMUM_PATH, MAXIMUM_NAME = 1024, 250
"""Most characters of a path, and most bytes of each part of it: systems allow 255, suffix included."""

_NO_NAME = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of what no file name holds: control characters, halves of characters, ends of lines."""


def is_file_name(told: Any) -> TypeGuard[str]:
    """Whether a value is a path that every system can hold: no control characters, no part of too many bytes."""
    if not isinstance(told, str) or not 0 < len(told) <= MAXIMUM_PATH or _NO_NAME & {*map(category, told)}:
        return False
    return all(len(part.encode()) <= MAXIMUM_NAME for part in PurePosixPath(told).parts)


def leads_inside(folder: Path, told: str) -> bool:
    """Whether a path that a file tells stays in a folder, on every system and links followed."""
    parts = PurePosixPath(told)
    outside = parts.is_absolute() or ".." in parts.parts or "\\" in told or ":" in told
    return not outside and lies_in(folder, folder / told)


def lies_in(folder: Path, path: Path) -> bool:
    """Whether a path stays in a folder, links followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False
