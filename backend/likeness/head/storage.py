"""A head model as one ``.safetensors`` file: no code in it, checked whole before anything is returned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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
        names = tuple(str(name) for name in json.loads(metadata["expression_names"]))
        iris_distance = float(metadata["iris_distance"])
        template = tensors["template"]
        correctives = np.zeros((CORRECTIVE_COUNT, *template.shape), np.float32)
        entries = tensors["pose_corrective_entries"]
        if entries.size and (entries.min() < 0 or entries.max() >= CORRECTIVE_COUNT):
            raise LikenessError(f"{path}: pose_corrective_entries lie outside 0..{CORRECTIVE_COUNT - 1}.")
        correctives[entries] = tensors["pose_correctives"]
        head = HeadModel(
            name=metadata["name"],
            template=template,
            identity_basis=tensors["identity_basis"].astype(np.float32),
            expression_names=names,
            expression_basis=tensors["expression_basis"].astype(np.float32),
            expression_range=tensors["expression_range"],
            pose_correctives=correctives,
            joint_regressor=tensors["joint_regressor"],
            skin_weights=tensors["skin_weights"],
            faces=tensors["faces"],
            uv=tensors["uv"],
            faces_uv=tensors["faces_uv"],
            regions={
                name.removeprefix("region."): value.astype(bool)
                for name, value in tensors.items()
                if name.startswith("region.")
            },
            landmark_triangles=tensors["landmark_triangles"],
            landmark_barycentrics=tensors["landmark_barycentrics"],
            iris_distance=iris_distance,
            licence=metadata.get("licence", ""),
        )
    except (KeyError, ValueError) as error:
        raise LikenessError(f"{path} is a damaged head model: {error}.") from error
    check_head(head, str(path))
    return head


def check_head(head: HeadModel, origin: str) -> None:
    """Check that a head model's arrays agree with one another.

    Raises
    ------
    LikenessError
        Naming the first field that does not.
    """
    vertices, expressions, triangles = len(head.template), head.expression_count, len(head.faces)
    expected = {
        "template": (head.template, (vertices, 3)),
        "identity_basis": (head.identity_basis, (len(head.identity_basis), vertices, 3)),
        "expression_basis": (head.expression_basis, (expressions, vertices, 3)),
        "expression_range": (head.expression_range, (expressions, 2)),
        "pose_correctives": (head.pose_correctives, (CORRECTIVE_COUNT, vertices, 3)),
        "joint_regressor": (head.joint_regressor, (len(JOINTS), vertices)),
        "skin_weights": (head.skin_weights, (vertices, len(JOINTS))),
        "faces": (head.faces, (triangles, 3)),
        "uv": (head.uv, (len(head.uv), 2)),
        "faces_uv": (head.faces_uv, (triangles, 3)),
        "landmark_triangles": (head.landmark_triangles, (468, 3)),
        "landmark_barycentrics": (head.landmark_barycentrics, (468, 3)),
        **{f"region {name}": (value, (triangles,)) for name, value in head.regions.items()},
    }
    if not 0 < vertices <= MAXIMUM_VERTICES:
        raise LikenessError(f"{origin}: a head model of {vertices} vertices; it must have 1 to {MAXIMUM_VERTICES}.")
    for name, (value, shape) in expected.items():
        if value.shape != shape:
            raise LikenessError(f"{origin}: {name} has the shape {value.shape} where {shape} is needed.")
        if name != "expression_range" and not np.isfinite(value).all():
            raise LikenessError(f"{origin}: {name} holds numbers that are not finite.")
    for name, limit in (("faces", vertices), ("faces_uv", len(head.uv)), ("landmark_triangles", vertices)):
        value = getattr(head, name)
        if value.size and (value.min() < 0 or value.max() >= limit):
            raise LikenessError(f"{origin}: {name} points outside 0..{limit - 1}.")
    if len(set(head.expression_names)) != expressions:
        raise LikenessError(f"{origin}: expression names are not unique.")
