"""A head model as one ``.safetensors`` file: no code in it, checked whole before anything is returned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from ..errors import LikenessError
from ..files import write_atomically
from ..rig import CORRECTIVE_COUNT, JOINTS
from ..tensors import read_tensors
from .model import HeadModel

FORMAT = "likeness-head"
VERSION = 1
MAXIMUM_BYTES = 256 * 2**20
MAXIMUM_VERTICES = 200_000
LARGEST = 10.0
"""Metres that a head's points and displacements stay below; its shares and weights do so too."""

REGIONS = ("skin", "face", "mouth", "teeth", "eyes", "neck")
"""Regions that every head model has."""
NEVER_EMPTY = ("skin", "face")

_AGAIN = "take the original file, or import the head again with `likeness head import`"


def save_head(head: HeadModel, path: Path) -> None:
    """Write a head model; large bases are stored as float16 (at most 0.03 mm off for a displacement of 5 cm).

    FLAME's are kept in single precision: coefficients come from elsewhere, by the hundred, and must put every vertex
    where its other readers put it.
    """
    of_bases = np.float32 if head.name == "flame" else np.float16
    tensors = {
        "template": head.template.astype(np.float32),
        "identity_basis": head.identity_basis.astype(of_bases),
        "expression_basis": head.expression_basis.astype(of_bases),
        "expression_range": head.expression_range.astype(np.float32),
        "joint_regressor": head.joint_regressor.astype(np.float32),
        "skin_weights": head.skin_weights.astype(np.float32),
        "faces": head.faces.astype(np.int32),
        "uv": head.uv.astype(np.float32),
        "faces_uv": head.faces_uv.astype(np.int32),
        "landmark_triangles": head.landmark_triangles.astype(np.int32),
        "landmark_barycentrics": head.landmark_barycentrics.astype(np.float32),
    }
    # Most correctives of most heads are zero; the indices say which ones are not.
    used = np.flatnonzero(np.abs(head.pose_correctives).max(axis=(1, 2)) > 0)
    tensors["pose_correctives"] = head.pose_correctives[used].astype(np.float32)
    tensors["pose_corrective_entries"] = used.astype(np.int32)
    for name, faces in head.regions.items():
        tensors[f"region.{name}"] = faces.astype(np.uint8)
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "name": head.name,
        "licence": head.licence,
        "expression_names": json.dumps(head.expression_names),
        "iris_distance": repr(float(head.iris_distance)),
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    write_atomically(path, save(contiguous, metadata=metadata))


def load_head(path: Path) -> HeadModel:
    """Read a head model written by :func:`save_head`.

    Raises
    ------
    LikenessError
        If the file is not there, is not a head model, or disagrees with itself.
    """
    tensors, metadata = read_tensors(path, "a head model", MAXIMUM_BYTES)
    if metadata.get("format") != FORMAT:
        raise LikenessError(f"{path} is not a Likeness head model; make one with `likeness head import`.")
    if metadata.get("version") != str(VERSION):
        raise LikenessError(
            f"{path} is a head model of version {metadata.get('version')!r}; this Likeness reads version {VERSION}."
        )
    try:
        head = _head_of(tensors, metadata, str(path))
        check_head(head, str(path))
    except KeyError as error:
        raise LikenessError(f"{path} is a damaged head model: it holds no {error}; {_AGAIN}.") from error
    except (ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        told = " ".join(str(error).split())[:200]
        raise LikenessError(f"{path} is a damaged head model: {told}; {_AGAIN}.") from error
    return head


def _head_of(tensors: dict[str, np.ndarray], metadata: dict[str, str], origin: str) -> HeadModel:
    names = json.loads(metadata["expression_names"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise LikenessError(f"{origin}: expression_names is not a list of names; {_AGAIN}.")
    template = tensors["template"]
    _check_template(template, origin)
    return HeadModel(
        name=metadata["name"],
        template=template,
        identity_basis=_widened(tensors["identity_basis"]),
        expression_names=tuple(names),
        expression_basis=_widened(tensors["expression_basis"]),
        expression_range=tensors["expression_range"],
        pose_correctives=_all_correctives(tensors, len(template), origin),
        joint_regressor=tensors["joint_regressor"],
        skin_weights=tensors["skin_weights"],
        faces=tensors["faces"],
        uv=tensors["uv"],
        faces_uv=tensors["faces_uv"],
        regions={
            name.removeprefix("region."): value.astype(bool) if value.dtype == np.uint8 else value
            for name, value in tensors.items()
            if name.startswith("region.")
        },
        landmark_triangles=tensors["landmark_triangles"],
        landmark_barycentrics=tensors["landmark_barycentrics"],
        iris_distance=float(metadata["iris_distance"]),
        licence=metadata.get("licence", ""),
    )


def _widened(basis: np.ndarray) -> np.ndarray:
    # Other types stay what they are, to be refused with the rest.
    return basis.astype(np.float32) if basis.dtype == np.float16 else basis


def _all_correctives(tensors: dict[str, np.ndarray], vertices: int, origin: str) -> npt.NDArray[np.float32]:
    """All correctives (36, V, 3) from those that are stored because they are not zero."""
    entries, stored = tensors["pose_corrective_entries"], tensors["pose_correctives"]
    _check_array("pose_corrective_entries", entries, (None,), np.int32, origin)
    _check_array("pose_correctives", stored, (len(entries), vertices, 3), np.float32, origin)
    if entries.size and (entries.min() < 0 or entries.max() >= CORRECTIVE_COUNT):
        raise LikenessError(f"{origin}: pose_corrective_entries lie outside 0..{CORRECTIVE_COUNT - 1}; {_AGAIN}.")
    correctives = np.zeros((CORRECTIVE_COUNT, vertices, 3), np.float32)
    correctives[entries] = stored
    return correctives


def check_head(head: HeadModel, origin: str) -> None:
    """Check that a head model's arrays agree with one another and hold what a head can have.

    Raises
    ------
    LikenessError
        Naming the first field that does not.
    """
    _check_template(head.template, origin)
    vertices, expressions = len(head.template), head.expression_count
    _check_array("faces", head.faces, (None, 3), np.int32, origin)
    triangles = len(head.faces)
    points: dict[str, tuple[int | None, ...]] = {
        "template": (vertices, 3),
        "identity_basis": (None, vertices, 3),
        "expression_basis": (expressions, vertices, 3),
        "pose_correctives": (CORRECTIVE_COUNT, vertices, 3),
        "joint_regressor": (len(JOINTS), vertices),
        "skin_weights": (vertices, len(JOINTS)),
        "uv": (None, 2),
        "landmark_barycentrics": (468, 3),
    }
    for name, shape in points.items():
        value = getattr(head, name)
        _check_array(name, value, shape, np.float32, origin)
        if not np.isfinite(value).all():
            raise LikenessError(f"{origin}: {name} holds numbers that are not finite; {_AGAIN}.")
        if value.size and np.abs(value).max() >= LARGEST:
            raise LikenessError(
                f"{origin}: {name} reaches {np.abs(value).max():.3g} where a head in metres stays below {LARGEST:g}; "
                f"{_AGAIN}."
            )
    for name, length, limit in (
        ("faces", triangles, vertices),
        ("faces_uv", triangles, len(head.uv)),
        ("landmark_triangles", 468, vertices),
    ):
        value = getattr(head, name)
        _check_array(name, value, (length, 3), np.int32, origin)
        if value.size and (value.min() < 0 or value.max() >= limit):
            raise LikenessError(f"{origin}: {name} points outside 0..{limit - 1}; {_AGAIN}.")
    _check_regions(head, origin)
    weights = head.skin_weights
    if weights.min() < -1e-4 or np.abs(weights.sum(1) - 1).max() > 1e-3:
        raise LikenessError(f"{origin}: skin_weights are not shares that sum to one; {_AGAIN}.")
    _check_expressions(head, origin)
    if not 0 < head.iris_distance < LARGEST:
        raise LikenessError(f"{origin}: iris_distance is {head.iris_distance}, which is no distance; {_AGAIN}.")


def _check_template(template: np.ndarray, origin: str) -> None:
    _check_array("template", template, (None, 3), np.float32, origin)
    if not 0 < len(template) <= MAXIMUM_VERTICES:
        raise LikenessError(
            f"{origin}: a head model of {len(template)} vertices; it must have 1 to {MAXIMUM_VERTICES}; {_AGAIN}."
        )


def _check_array(
    name: str, value: np.ndarray, shape: tuple[int | None, ...], dtype: npt.DTypeLike, origin: str
) -> None:
    """Check an array's type, and its shape, in which None stands for any length."""
    if value.dtype != dtype:
        raise LikenessError(f"{origin}: {name} is {value.dtype} where {np.dtype(dtype)} is needed; {_AGAIN}.")
    fits = value.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if extent is None else str(extent) for extent in shape)
        raise LikenessError(f"{origin}: {name} has the shape {value.shape} where ({wanted}) is needed; {_AGAIN}.")


def _check_regions(head: HeadModel, origin: str) -> None:
    for name in REGIONS:
        if name not in head.regions:
            raise LikenessError(f"{origin}: the region {name!r} is missing; {_AGAIN}.")
    for name, faces in head.regions.items():
        _check_array(f"region {name!r:.60}", faces, (len(head.faces),), np.bool_, origin)
        if name in NEVER_EMPTY and not faces.any():
            raise LikenessError(f"{origin}: the region {name!r} is empty; {_AGAIN}.")


def _check_expressions(head: HeadModel, origin: str) -> None:
    if len(set(head.expression_names)) != head.expression_count:
        raise LikenessError(f"{origin}: expression names are not unique; {_AGAIN}.")
    if not all(name.isprintable() for name in (head.name, *head.expression_names)):
        raise LikenessError(f"{origin}: names hold characters that cannot be shown; {_AGAIN}.")
    _check_array("expression_range", head.expression_range, (head.expression_count, 2), np.float32, origin)
    low, high = head.expression_range.T
    # Written so that what is no number fails; principal components have no ends.
    if not ((low <= high) & (low < np.inf) & (high > -np.inf)).all():
        raise LikenessError(f"{origin}: expression_range holds weights that are no range; {_AGAIN}.")
