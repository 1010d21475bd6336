"""Blender's pictures of an avatar against the NumPy run-time's, which defines what an avatar looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..asset.layered import LayeredAvatar
from ..camera import Camera
from ..rig import Pose
from ..runtime.deform import deform
from ..runtime.rasterise import rasterise
from ..runtime.render import render, unpack_all_textures
from .blender_jobs import ENGINES
from .pictures import captioned, load_straight, over, to_bytes

Array = npt.NDArray[np.float32]
BLACK = (0.0, 0.0, 0.0)
ERROR_GAIN = 16


@dataclass(frozen=True)
class Comparison:
    """How far each engine is from the run-time.

    Attributes
    ----------
    marks : dict
        ``ENGINE_mae_255`` and ``ENGINE_p99_255``, mean and 99th percentile, and ``crossed_percent``.
    sheet : (H, W, 3) uint8
        A row for each view: the run-time's picture, then each engine's and its error times 16.
    """

    marks: dict[str, dict[str, Any]]
    sheet: npt.NDArray[np.uint8]


def compare_engines(avatar: LayeredAvatar, jobs: Sequence[dict[str, Any]], folder: Path) -> Comparison:
    """Compare what Blender rendered with the run-time.

    Errors are of sRGB values times 255, over the pixels where either picture shows anything. Pictures are laid over
    black and over white, and the larger error counts: transparency that differs is seen on at least one of them.

    Parameters
    ----------
    avatar : LayeredAvatar
    jobs : sequence of dict
        Jobs as in ``blender-jobs.json``, named ``VIEW_ENGINE.png``; each view in every engine.
    folder : Path
        What the jobs' ``out`` is relative to.

    Raises
    ------
    LikenessError
        If a picture is missing.
    """
    textures = unpack_all_textures(avatar)
    views: dict[str, dict[str, dict[str, Any]]] = {}
    for job in jobs:
        view = Path(job["out"]).stem.rsplit("_", 1)[0]
        views.setdefault(view, {})[job["engine"]] = job
    errors: dict[str, list[Array]] = {engine: [] for engine in ENGINES}
    crossings, rows = [], []
    for view, by_engine in views.items():
        first = next(iter(by_engine.values()))
        pose, camera = _pose(first["pose"]), _camera(first["camera"])
        reference = render(avatar, pose, camera, textures=textures)
        crossings.append(crossed(avatar, pose, camera)[reference[..., 3] > 0])
        strip = [to_bytes(over(reference))]
        for engine in ENGINES:
            picture = load_straight(folder / by_engine[engine]["out"])
            difference = differences(picture, reference)
            errors[engine].append(difference[covered(picture, reference)].ravel())
            strip += [to_bytes(over(picture)), to_bytes(difference / 255 * ERROR_GAIN)]
        title = f"{view}: reference | {' | '.join(f'{engine} | error x {ERROR_GAIN}' for engine in ENGINES)}"
        rows.append(captioned(np.concatenate(strip, 1), title))
    marks: dict[str, dict[str, Any]] = {}
    for engine, parts in errors.items():
        together = np.concatenate(parts)
        marks[f"{engine}_mae_255"] = {"value": float(together.mean()), "unit": "1/255"}
        marks[f"{engine}_p99_255"] = {"value": float(np.percentile(together, 99)), "unit": "1/255"}
    marks["crossed_percent"] = {"value": 100 * float(np.concatenate(crossings).mean()), "unit": "% of pixels"}
    return Comparison(marks, np.concatenate(rows))


def differences(picture: Array, reference: Array) -> Array:
    """Errors (H, W, 3) of linear, premultiplied RGBA pictures, 0..255, the larger of those on black and on white."""
    on_black = np.abs(over(picture, BLACK) - over(reference, BLACK))
    on_white = np.abs(over(picture) - over(reference))
    return np.asarray(255 * np.maximum(on_black, on_white), np.float32)


def covered(picture: Array, reference: Array) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) where either picture is more than an 8-bit step from nothing."""
    return (picture[..., 3] > 1 / 255) | (reference[..., 3] > 1 / 255)


def crossed(avatar: LayeredAvatar, pose: Pose, camera: Camera) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) where an inner layer lies before an outer one.

    The run-time lays outer layers over inner ones all the same; Blender's engines go by depth. No engine can be right
    there, so layers ought to be nested.
    """
    before = np.full(camera.height * camera.width, np.inf, np.float32)
    found = np.zeros(camera.height * camera.width, bool)
    for layer, deformed in zip(avatar.layers, deform(avatar, pose), strict=True):
        hits = rasterise(camera.to_camera(deformed.positions), layer.faces, camera)
        found[hits.pixels] |= before[hits.pixels] < hits.depths
        before[hits.pixels] = np.minimum(before[hits.pixels], hits.depths)
    return found.reshape(camera.height, camera.width)


def engine_jobs(jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a report's jobs that compare engines."""
    return [job for job in jobs if Path(job["out"]).parent.name == "engines"]


def _pose(fields: dict[str, Any]) -> Pose:
    return Pose(**{name: np.array(value, np.float32) for name, value in fields.items()})


def _camera(fields: dict[str, Any]) -> Camera:
    return Camera(**{**fields, "camera_to_world": np.array(fields["camera_to_world"], np.float32)})
