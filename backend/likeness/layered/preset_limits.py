"""Which numbers of a preset nothing can be learnt with: told before the work begins, and not hours later."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..asset import invariants
from ..errors import LikenessError
from .atlas import SMALLEST_TILE
from .geometry_preset import FIELDS
from .perceptual import KINDS, patch_loss, smallest_patch

if TYPE_CHECKING:
    from .presets import Preset

SMALLEST_PICTURE = 16
"""Pixels of the longer side."""

FEWEST_FACES = 50
"""Triangles of a layer."""

DEEPEST_CORE, HIGHEST_SHELL = -0.05, 0.1
"""Levels beyond which nothing of a head is left, or nothing of it is meant, metres."""

_COUNTS = (
    "picture_size", "hidden_size", "frames_per_step", "geometry.hull_frames", "geometry.stage_one.steps",
    "geometry.stage_one.pixels", "fine_tuning.pixels", "fine_tuning.patch", "fine_tuning.correction_interval",
    "fine_tuning.inspected_frames", "fine_tuning.coarsest_tile", "fine_tuning.turned_interval",
    "geometry.stage_one.network.manifold_width", "geometry.stage_one.network.manifold_depth",
    "geometry.stage_one.network.radiance_width", "geometry.stage_one.network.radiance_depth",
    "geometry.stage_one.network.deformer_width",
)  # fmt: skip
_LENGTHS = ("geometry.cell", "geometry.extraction_cell", "geometry.stage_one.cell")
_TURNS = ("fine_tuning.turned_yaw", "fine_tuning.turned_pitch")
_SHARES = (
    "stage_one_share", "fine_tuning.face_share", "fine_tuning.final_rate", "fine_tuning.correction_start",
    "fine_tuning.perceptual_share", "fine_tuning.condition_dropout", "fine_tuning.coarse_share",
    "fine_tuning.turned_start",
)  # fmt: skip


def check_preset(preset: Preset) -> None:
    """Check that an avatar can be learnt and written with a preset's numbers.

    Raises
    ------
    LikenessError
        That names the first number that is impossible, and what is possible.
    """
    for name, value in _numbers(preset, ""):
        if not math.isfinite(value):
            raise LikenessError(f"{name} is {value}; it must be finite.")
        if value < 0 and name != "geometry.core_level":
            raise LikenessError(f"{name} is {value}; it must be zero or more.")
    for name in _COUNTS:
        _demand(_value(preset, name) >= 1, name, preset, "1 or more are needed")
    for name in _LENGTHS:
        _demand(0.0005 <= _value(preset, name) <= 0.05, name, preset, "0.0005 to 0.05 metres are possible")
    for name in _TURNS:
        _demand(_value(preset, name) <= 90, name, preset, "0 to 90 degrees are possible")
    for name in _SHARES:
        _demand(_value(preset, name) <= 1, name, preset, "it is a share, from 0 to 1")
    for name in ("geometry.core_faces", "geometry.head_faces", "geometry.shell_faces"):
        _demand(
            FEWEST_FACES <= _value(preset, name) <= invariants.MOST_TRIANGLES, name, preset, "50 or more are needed"
        )
    _demand(preset.picture_size >= SMALLEST_PICTURE, "picture_size", preset, f"at least {SMALLEST_PICTURE} are needed")
    _demand(preset.tile_size >= SMALLEST_TILE, "tile_size", preset, f"at least {SMALLEST_TILE} are needed")
    _check_layers(preset)
    _check_perceptual(preset)
    columns = math.ceil(math.sqrt(max(1, preset.basis_count)))
    try:
        invariants.check_layout(
            layers=len(preset.geometry.levels),
            basis_count=preset.basis_count,
            feature_size=preset.feature_size,
            tile_size=preset.tile_size,
            gutter=preset.gutter,
            atlas_columns=columns,
        )
        invariants.check_spatial_network(
            basis_count=preset.basis_count, feature_size=preset.feature_size, hidden_size=preset.hidden_size
        )
    except LikenessError as problem:
        raise LikenessError(f"No avatar's file can hold this: {problem}.") from None


def check_pictures(preset: Preset, size: tuple[int, int]) -> None:
    """Check that a capture's pictures are large enough for what a preset compares in them.

    Parameters
    ----------
    preset : Preset
    size : two int
        Width and height of the pictures that are learnt from, pixels.

    Raises
    ------
    LikenessError
        If a patch of the perceptual loss does not fit into them.
    """
    tuning = preset.fine_tuning
    least = smallest_patch(tuning.perceptual_loss)
    if tuning.perceptual_weight and min(size) < least:
        raise LikenessError(
            f"The capture's pictures measure {size[0]}x{size[1]} pixels with picture_size={preset.picture_size}, but "
            f"the perceptual loss {tuning.perceptual_loss} needs {least} a side; set fine_tuning.perceptual_weight=0."
        )


def _check_layers(preset: Preset) -> None:
    geometry = preset.geometry
    levels = geometry.shell_levels
    if not levels or levels[0] <= 0 or any(above <= below for below, above in pairwise(levels)):
        raise LikenessError(f"geometry.shell_levels is {levels}; give one or more ascending levels above zero, metres.")
    if levels[-1] > HIGHEST_SHELL:
        raise LikenessError(f"geometry.shell_levels is {levels}; these are metres, and {HIGHEST_SHELL} is the most.")
    _demand(geometry.core_level < 0, "geometry.core_level", preset, "the core lies inside, so it is below zero")
    _demand(
        geometry.core_level >= DEEPEST_CORE, "geometry.core_level", preset, f"{DEEPEST_CORE} to 0 metres are possible"
    )
    field = geometry.stage_one.field
    if field not in FIELDS:
        raise LikenessError(f"geometry.stage_one.field is {field!r}; choose one of {', '.join(FIELDS)}.")
    if len(geometry.initial_alpha) < 3 or max(geometry.initial_alpha) > 1:
        raise LikenessError(
            f"geometry.initial_alpha is {geometry.initial_alpha}; give 0 to 1 for the core, the head mesh and shells."
        )


def _check_perceptual(preset: Preset) -> None:
    tuning = preset.fine_tuning
    if tuning.perceptual_loss not in KINDS:
        raise LikenessError(
            f"fine_tuning.perceptual_loss is {tuning.perceptual_loss!r}; choose one of {', '.join(KINDS)}."
        )
    if not tuning.perceptual_weight:
        return
    least = smallest_patch(tuning.perceptual_loss)
    _demand(tuning.perceptual_side >= least, "fine_tuning.perceptual_side", preset, f"at least {least} are needed")
    _demand(
        preset.picture_size >= least,
        "picture_size",
        preset,
        f"the perceptual loss {tuning.perceptual_loss} needs at least {least}",
    )
    # Its weights are looked for on the disk.
    patch_loss(tuning.perceptual_loss)


def _numbers(part: Any, place: str) -> list[tuple[str, float]]:
    """All numbers inside, by their dotted names."""
    found: list[tuple[str, float]] = []
    for entry in fields(part):
        value, name = getattr(part, entry.name), f"{place}{entry.name}"
        if is_dataclass(value):
            found += _numbers(value, f"{name}.")
        elif isinstance(value, tuple):
            found += [(name, float(number)) for number in value]
        elif isinstance(value, int | float):
            found.append((name, float(value)))
    return found


def _value(preset: Preset, name: str) -> float:
    value: Any = preset
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _demand(fine: bool, name: str, preset: Preset, words: str) -> None:
    if not fine:
        raise LikenessError(f"{name} is {_value(preset, name)}; {words}.")
