"""The vendor extension ``LIKENESS_layered_avatar``: what a plain glTF viewer lacks, as JSON and as a dataclass.

It stands at the document's root. In short::

    version        1
    units          "metre"; +Y up, +Z out of the face, +X to the subject's left, as in all of glTF
    head           the head model's name
    mesh, skin     which mesh holds the layers (its primitives, inner to outer), and which skin moves it
    expressions    [{name, range: [low, high]}]: morph targets 0..E-1; null stands for no bound
    correctives    [{joint, row, column, target}]: morph target E + i follows entry (row, column) of R - I of the
                   joint's local rotation R, both counted from 0
    tiles          {size, gutter, columns}: texels of a texture tile's inside, of the border on each of its sides, and
                   basis tiles per row of the atlas
    layers         [{level, features, bases}]: images of the position features and of the basis atlas, per primitive
    decoder        {inputs, spatial_inputs, hidden_size, basis_count, feature_size, weights, biases, slopes}
    report         metrics, provenance, consent statement

The decoder's arrays are ``{accessor, shape}``, float, row-major (out, in). Vertices of a primitive with equal ``_WELD``
are one vertex of the surface; glTF forbids 32-bit integers there, hence floats that hold whole numbers (below 2^24).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ..errors import LikenessError
from ..rig import POSED_JOINTS
from . import invariants
from .fields import Field

NAME = "LIKENESS_layered_avatar"
VERSION = 1
UNITS = "metre"
INPUTS = ["jaw", "eye_l", "eye_r", "expressions"]
"""What the global network takes, in order: axis-angle rotations in radians, then the expression weights."""
SPATIAL_INPUTS = ["features", "normal", "view"]
"""What the spatial network takes, in order: both vectors unit, in camera space, the view from camera to point."""


@dataclass(frozen=True)
class Tensor:
    """An array of the decoder: the accessor that holds it, and its shape."""

    accessor: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class LayerImages:
    """What the extension says about one layer: its level, and the images of its features and bases."""

    level: float
    features: int
    bases: int


@dataclass(frozen=True)
class Description:
    """The extension's content; names as in :class:`likeness.asset.layered.LayeredAvatar`."""

    head_name: str
    mesh: int
    skin: int
    expression_names: tuple[str, ...]
    expression_range: tuple[tuple[float, float], ...]
    corrective_entries: tuple[int, ...]
    tile_size: int
    gutter: int
    atlas_columns: int
    layers: tuple[LayerImages, ...]
    basis_count: int
    feature_size: int
    hidden_size: int
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    report: dict[str, Any]


def to_json(description: Description) -> dict[str, Any]:
    """The extension's JSON.

    Raises
    ------
    LikenessError
        If the report holds anything that JSON cannot.
    """
    first_corrective = len(description.expression_names)
    return {
        "version": VERSION,
        "units": UNITS,
        "head": description.head_name,
        "mesh": description.mesh,
        "skin": description.skin,
        "expressions": [
            {"name": name, "range": [None if math.isinf(bound) else bound for bound in bounds]}
            for name, bounds in zip(description.expression_names, description.expression_range, strict=True)
        ],
        "correctives": [
            {
                "joint": POSED_JOINTS[entry // 9],
                "row": entry % 9 // 3,
                "column": entry % 3,
                "target": first_corrective + index,
            }
            for index, entry in enumerate(description.corrective_entries)
        ],
        "tiles": {
            "size": description.tile_size,
            "gutter": description.gutter,
            "columns": description.atlas_columns,
        },
        "layers": [
            {"level": layer.level, "features": layer.features, "bases": layer.bases} for layer in description.layers
        ],
        "decoder": {
            "inputs": INPUTS,
            "spatial_inputs": SPATIAL_INPUTS,
            "hidden_size": description.hidden_size,
            "basis_count": description.basis_count,
            "feature_size": description.feature_size,
            "weights": [_tensor_json(tensor) for tensor in description.weights],
            "biases": [_tensor_json(tensor) for tensor in description.biases],
            "slopes": [_tensor_json(tensor) for tensor in description.slopes],
        },
        "report": _plain(description.report),
    }


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    return {"accessor": tensor.accessor, "shape": list(tensor.shape)}


def _plain(report: dict[str, Any]) -> dict[str, Any]:
    """The report as JSON gives it back, so that what is read equals what was written."""
    try:
        plain = json.loads(json.dumps(report, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise LikenessError(f"report cannot be written as JSON: {error}") from None
    if not isinstance(plain, dict):
        raise LikenessError("report is not a dictionary")
    return plain


def from_json(extension: Field) -> Description:
    """Read the extension.

    Parameters
    ----------
    extension : Field
        The extension's object.

    Raises
    ------
    LikenessError
        If a member is missing, of the wrong kind or out of range, or if another version wrote it.
    """
    version = extension.member("version")
    if version.integer(1, 1 << 30) != VERSION:
        raise LikenessError(
            f"{version.path} is {version.value}, but this Likeness reads version {VERSION}: "
            "use the Likeness that wrote it"
        )
    extension.member("units").must_be(UNITS)
    expressions = extension.member("expressions").items(0, invariants.MOST_EXPRESSIONS)
    tiles, decoder = extension.member("tiles"), extension.member("decoder")
    decoder.member("inputs").must_be(INPUTS)
    decoder.member("spatial_inputs").must_be(SPATIAL_INPUTS)
    basis_count = decoder.member("basis_count").integer(1, invariants.MOST_BASES)
    report = extension.member("report")
    if not isinstance(report.value, dict):
        report.refuse("an object")
    return Description(
        head_name=extension.member("head").text(),
        mesh=extension.member("mesh").integer(0, 1 << 20),
        skin=extension.member("skin").integer(0, 1 << 20),
        expression_names=tuple(item.member("name").text() for item in expressions),
        expression_range=tuple(_range(item.member("range")) for item in expressions),
        corrective_entries=tuple(
            _entry(item, len(expressions) + index) for index, item in enumerate(extension.member("correctives").items())
        ),
        tile_size=tiles.member("size").integer(1, invariants.LARGEST_TILE),
        gutter=tiles.member("gutter").integer(0, invariants.LARGEST_GUTTER),
        atlas_columns=tiles.member("columns").integer(1, basis_count),
        layers=tuple(
            LayerImages(
                level=item.member("level").number(),
                features=item.member("features").integer(0, 1 << 20),
                bases=item.member("bases").integer(0, 1 << 20),
            )
            for item in extension.member("layers").items(1, invariants.MOST_LAYERS)
        ),
        basis_count=basis_count,
        feature_size=decoder.member("feature_size").integer(4, invariants.LARGEST_FEATURE),
        hidden_size=decoder.member("hidden_size").integer(1, invariants.LARGEST_HIDDEN),
        weights=_tensors(decoder.member("weights"), 3, 2),
        biases=_tensors(decoder.member("biases"), 3, 1),
        slopes=_tensors(decoder.member("slopes"), 2, 1),
        report=report.value,
    )


def _range(field: Field) -> tuple[float, float]:
    low, high = field.items(2, 2)
    return (
        -math.inf if low.value is None else low.number(),
        math.inf if high.value is None else high.number(),
    )


def _entry(field: Field, target: int) -> int:
    """Which of the 36 corrective features drives a target."""
    joint = field.member("joint")
    if joint.value not in POSED_JOINTS:
        joint.refuse("one of " + ", ".join(POSED_JOINTS))
    field.member("target").must_be(target)
    return (
        9 * POSED_JOINTS.index(joint.value)
        + 3 * field.member("row").integer(0, 2)
        + field.member("column").integer(0, 2)
    )


def _tensors(field: Field, count: int, dimensions: int) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            item.member("accessor").integer(0, 1 << 20),
            tuple(size.integer(1, 1 << 20) for size in item.member("shape").items(dimensions, dimensions)),
        )
        for item in field.items(count, count)
    )
