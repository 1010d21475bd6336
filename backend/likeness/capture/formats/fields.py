"""Fields of other people's JSON and text files, each checked, each problem one sentence that names file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import LikenessError
from ...files import file_size
from ..checks import MAXIMUM_FRAMES
from ..told_paths import is_file_name, leads_inside

Floats = npt.NDArray[np.float64]

MAXIMUM_JSON_BYTES = 128 * 2**20
MAXIMUM_TEXT_BYTES = 2**20

MAXIMUM_WEIGHT = 100.0
"""Largest expression or identity coefficient; they count standard deviations, and faces stay within ten."""
MAXIMUM_TURN = 20.0
"""Largest component of an axis-angle rotation, radians: three whole turns and more."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises
    ------
    LikenessError
        If the file is missing, too large, or holds no JSON object.
    """
    try:
        if file_size(path) > MAXIMUM_JSON_BYTES:
            raise LikenessError(f"{path} is larger than {MAXIMUM_JSON_BYTES} bytes; split the data set.")
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LikenessError(f"{path} is missing; give the folder of a whole data set.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise LikenessError(f"{path} is not valid JSON: {' '.join(str(error).split())}.") from error
    if not isinstance(value, dict):
        raise LikenessError(f"{path} holds no table of fields; give the folder of a whole data set.")
    return value


def frame_list(path: Path, description: dict[str, Any]) -> list[dict[str, Any]]:
    """The list of frames of a data set's description.

    Raises
    ------
    LikenessError
        If there is none, or it is empty or absurdly long.
    """
    frames = description.get("frames")
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise LikenessError(f"{path}: field 'frames' is not a list of frames.")
    if not 0 < len(frames) <= MAXIMUM_FRAMES:
        raise LikenessError(
            f"{path}: field 'frames' has {len(frames)} entries where 1 to {MAXIMUM_FRAMES} are possible."
        )
    return frames


def numbers(
    origin: str, table: dict[str, Any], name: str, shape: tuple[int, ...] | None = None, most: float = 1e6
) -> Floats:
    """A field's numbers, finite and at most ``most``, of a shape; one or more in one dimension where it is not given.

    Raises
    ------
    LikenessError
        If the field is missing or holds anything else.
    """
    if name not in table:
        raise LikenessError(f"{origin}: field {name!r} is missing.")
    try:
        # Text would be read as numbers, so kinds are looked at first.
        values = np.array(table[name])
        if values.dtype.kind not in "iuf":
            raise ValueError
        values = values.astype(np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise LikenessError(f"{origin}: field {name!r} is not a list of numbers.") from None
    if values.shape != shape if shape is not None else values.ndim != 1:
        wanted = shape if shape is not None else "(any,)"
        raise LikenessError(f"{origin}: field {name!r} has the shape {values.shape} where {wanted} is needed.")
    if not values.size:
        raise LikenessError(f"{origin}: field {name!r} is empty.")
    if not np.isfinite(values).all() or np.abs(values).max() > most:
        raise LikenessError(f"{origin}: field {name!r} holds numbers that are not finite, or absurdly large.")
    return values


def number(origin: str, table: dict[str, Any], name: str) -> float:
    """One number of a field."""
    return float(numbers(origin, table, name, ()))


def inner_path(folder: Path, origin: str, table: dict[str, Any], name: str) -> Path:
    """The path that a field names inside a data set's folder; the file need not be there.

    Raises
    ------
    LikenessError
        If the field is missing or leads out of the folder.
    """
    told = table.get(name)
    if not is_file_name(told):
        raise LikenessError(f"{origin}: field {name!r} is not a file name.")
    if not leads_inside(folder, told):
        raise LikenessError(f"{origin}: field {name!r} leads out of the data set's folder; copy the file into it.")
    return folder / told


def text_numbers(path: Path) -> Floats:
    """All numbers (N,) of a text file, one or more per line.

    Raises
    ------
    LikenessError
        If the file is missing, too large or holds anything else.
    """
    try:
        if file_size(path) > MAXIMUM_TEXT_BYTES:
            raise LikenessError(f"{path} is larger than {MAXIMUM_TEXT_BYTES} bytes.")
        words = path.read_bytes().split()
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise LikenessError(f"{path} holds something else than numbers.") from None
    if not np.isfinite(values).all():
        raise LikenessError(f"{path} holds numbers that are not finite.")
    return values
