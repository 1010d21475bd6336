"""Pictures to be rendered, as a JSON file lists them.

The file holds a list of objects: ``pose`` (the fields of :class:`likeness.rig.Pose`), ``camera`` (the fields of
:class:`likeness.camera.Camera`), ``engine`` (``eevee`` or ``cycles``), ``out`` (a .png or .exr path, relative to the
file) and, if wanted, ``samples`` (per pixel; the default, one, lies at the pixel's centre).
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..backend.likeness.camera import Camera
from ..backend.likeness.errors import LikenessError
from ..backend.likeness.rig import POSED_JOINTS, Pose
from .scene import ENGINES

FORMATS = {".png": "PNG", ".exr": "OPEN_EXR"}
"""Blender's name for what a path's ending asks for."""


@dataclass(frozen=True)
class Job:
    """One picture.

    Attributes
    ----------
    pose : Pose
    camera : Camera
    engine : str
        One of :data:`addon.scene.ENGINES`.
    out : Path
        Absolute.
    samples : int
        Per pixel.
    """

    pose: Pose
    camera: Camera
    engine: str
    out: Path
    samples: int = 1


def read_jobs(path: Path, expression_count: int) -> list[Job]:
    """Read a file of jobs, whole.

    Parameters
    ----------
    path : Path
    expression_count : int
        How many expressions the avatar has.

    Raises
    ------
    LikenessError
        If the file cannot be read or a job is not as the module says.
    """
    try:
        entries = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise LikenessError(f"Cannot read the jobs in {path}: {error.strerror}.") from error
    except ValueError as error:
        raise LikenessError(f"{path} is no JSON file: {error}.") from error
    if not isinstance(entries, list):
        raise LikenessError(f"{path} must hold a list of jobs.")
    folder = Path(path).resolve().parent
    return [_job(entry, folder, expression_count, f"Job {number} of {path}") for number, entry in enumerate(entries, 1)]


def _job(entry: Any, folder: Path, expression_count: int, where: str) -> Job:
    known = {field.name: field for field in fields(Job)}
    required = {name for name, field in known.items() if field.default is MISSING}
    if not isinstance(entry, dict) or not required <= entry.keys() <= known.keys():
        raise LikenessError(f"{where} must have {', '.join(sorted(required))} and may have samples.")
    engine, samples = entry["engine"], entry.get("samples", 1)
    if engine not in ENGINES:
        raise LikenessError(f"{where}: engine is {engine!r}; it must be one of {', '.join(ENGINES)}.")
    if not isinstance(samples, int) or isinstance(samples, bool) or not 1 <= samples <= 4096:
        raise LikenessError(f"{where}: samples must be a whole number from 1 to 4096.")
    if not isinstance(entry["out"], str) or Path(entry["out"]).suffix.lower() not in FORMATS:
        raise LikenessError(f"{where}: out must be a path that ends in {' or '.join(FORMATS)}.")
    pose, camera = entry["pose"], entry["camera"]
    vectors = {
        "expression": (expression_count,),
        "root_rotation": (3,),
        "root_translation": (3,),
        "joint_rotations": (len(POSED_JOINTS), 3),
    }
    sizes = {name: _number(camera, name, where) for name in ("width", "height")}
    lengths = {name: _number(camera, name, where) for name in ("fx", "fy", "cx", "cy")}
    if not all(number.is_integer() and 1 <= number <= 16384 for number in sizes.values()):
        raise LikenessError(f"{where}: the camera's width and height must be whole numbers from 1 to 16384.")
    if not (lengths["fx"] > 0 and lengths["fy"] > 0):
        raise LikenessError(f"{where}: the camera's focal lengths must be positive.")
    return Job(
        Pose(**{name: _array(pose, name, shape, where) for name, shape in vectors.items()}),
        Camera(
            int(sizes["width"]),
            int(sizes["height"]),
            **lengths,
            camera_to_world=_array(camera, "camera_to_world", (4, 4), where),
        ),
        engine,
        folder / entry["out"],
        samples,
    )


def _number(owner: Any, name: str, where: str) -> float:
    value = owner.get(name) if isinstance(owner, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise LikenessError(f"{where}: the camera's {name} must be a number.")
    return float(value)


def _array(owner: Any, name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        array = np.array(owner[name], np.float32)
    except (KeyError, TypeError, ValueError):
        array = None
    if array is None or array.shape != shape or not np.isfinite(array).all():
        raise LikenessError(f"{where}: {name} must be {' x '.join(map(str, shape))} numbers.")
    return array
