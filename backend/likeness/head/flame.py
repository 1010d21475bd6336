"""FLAME (Li, Bolkart, Black, Li, Romero, TOG 2017) as a :class:`~likeness.head.model.HeadModel`.

The file is the user's own, under the licence of the Max Planck Society; nothing of it comes with Likeness. FLAME's
axes, unit, joints and corrective features are those of :mod:`likeness.rig`, so its arrays are taken over as they are:

* ``identity_basis``: the 300 identity directions; the head is the template until coefficients are given,
* ``expression_basis``: the 100 expression directions, ``expression_000`` to ``expression_099``, of unbounded weight
  and deviation one; with the eyelid files of metrical-tracker beside the model, ``eyelid_l`` and ``eyelid_r`` in 0..1,
* ``pose_correctives``: all 36, in FLAME's own order (entries of R_j - I, joints neck, jaw, left eye, right eye).

FLAME itself lets its joints move with the expression; here they stay where the identity has them. What a capture of
FLAME's makes of that is in :mod:`likeness.head.flame_joints`.

What FLAME lacks is derived where its makers' files are not beside the model: see :class:`FlameParts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..rig import JOINTS
from .flame_files import (
    EXPRESSIONS,
    IDENTITIES,
    Embedding,
    FlameArrays,
    companions,
    model_file,
    read_eyelid,
    read_flame,
    read_landmark_embedding,
    read_masks,
    read_mediapipe_embedding,
    read_uv,
)
from .flame_landmarks import landmark_table
from .flame_regions import regions_from_masks, regions_from_shape
from .model import HeadModel
from .storage import check_head

Floats = npt.NDArray[np.float64]

LICENCE = "FLAME model licence of the Max Planck Society (https://flame.is.tue.mpg.de); not to be passed on"
IRIS_RADIUS = 0.006
"""Radius of a human iris, metres; it hardly differs between people."""

EYELIDS = ("eyelid_l", "eyelid_r")
"""Names of the expressions that eyelid files add, after FLAME's own."""


@dataclass(frozen=True)
class FlameParts:
    """Where the parts of a FLAME head that its model file lacks came from: sentences for people.

    Attributes
    ----------
    regions : str
        From ``FLAME_masks.pkl``, or from the template's shape: coarser at the hairline and the throat.
    uv : str
        From ``FLAME_texture.npz`` or ``head_template.obj``, or a new layout of small charts.
    landmarks : str
        How many of MediaPipe's 468 points are the makers' own; the rest are carried over from the stand-in.
    eyelids : str
    """

    regions: str
    uv: str
    landmarks: str
    eyelids: str


def load_flame(path: Path, identity: npt.ArrayLike = ()) -> HeadModel:
    """Read FLAME 2020 or 2023 with what lies beside it.

    Parameters
    ----------
    path : Path
        The model file (.pkl or .npz), or the folder that holds it.
    identity : (<= 300,)
        Identity coefficients that become the template; none by default, so the template is FLAME's mean head.

    Returns
    -------
    HeadModel
        5023 vertices, 9976 triangles, 300 identity directions, 100 expressions (102 with eyelids). FLAME has no teeth
        and no inner mouth, so these regions are empty.

    Raises
    ------
    LikenessError
        If a file is missing, damaged, unsafe, or not FLAME's.
    """
    file = model_file(Path(path))
    beside = companions(file)
    arrays = read_flame(file)
    directions = np.moveaxis(arrays.shape_directions, 2, 0)
    coefficients = np.asarray(identity, np.float64)
    if coefficients.ndim != 1 or len(coefficients) > IDENTITIES:
        raise LikenessError(
            f"An identity of the shape {coefficients.shape} is not FLAME's; it has {IDENTITIES} numbers."
        )
    template = arrays.template + np.tensordot(coefficients, directions[: len(coefficients)], 1)
    joints = arrays.joint_regressor @ arrays.template

    eyes = eyeball_triangles(arrays)
    if "masks" in beside:
        regions = regions_from_masks(arrays, eyes, read_masks(beside["masks"]))
    else:
        regions = regions_from_shape(arrays, eyes, joints)
    uv, faces_uv = read_uv(beside["uv"], arrays.faces) if "uv" in beside else _new_layout(arrays)
    triangles, barycentrics = landmark_table(arrays, regions, _embeddings(beside))
    names = [f"expression_{number:03d}" for number in range(EXPRESSIONS)]
    expressions, ranges = directions[IDENTITIES:], np.tile([-np.inf, np.inf], (EXPRESSIONS, 1))
    if _has_eyelids(beside):
        lids = [read_eyelid(beside[name]) for name in ("left eyelid", "right eyelid")]
        expressions = np.concatenate([expressions, np.stack(lids)])
        names, ranges = [*names, *EYELIDS], np.concatenate([ranges, [[0, 1], [0, 1]]])

    head = HeadModel(
        name="flame",
        template=template.astype(np.float32),
        identity_basis=np.ascontiguousarray(directions[:IDENTITIES], np.float32),
        expression_names=tuple(names),
        expression_basis=np.ascontiguousarray(expressions, np.float32),
        expression_range=ranges.astype(np.float32),
        pose_correctives=np.ascontiguousarray(np.moveaxis(arrays.pose_directions, 2, 0), np.float32),
        joint_regressor=arrays.joint_regressor.astype(np.float32),
        skin_weights=arrays.skin_weights.astype(np.float32),
        faces=arrays.faces.astype(np.int32),
        uv=uv.astype(np.float32),
        faces_uv=faces_uv.astype(np.int32),
        regions=regions,
        landmark_triangles=triangles,
        landmark_barycentrics=barycentrics,
        iris_distance=_iris_distance(arrays, joints),
        licence=LICENCE,
    )
    check_head(head, str(file))
    return head


def flame_parts(path: Path) -> FlameParts:
    """Where the parts of the head that :func:`load_flame` makes of a path come from.

    Raises
    ------
    LikenessError
        If there is no model, or a file of landmarks beside it cannot be used.
    """
    beside = companions(model_file(Path(path)))
    placed = len({number for embedding in _embeddings(beside) for number in embedding.numbers.tolist()})
    landmarks = "carried over from the stand-in by the shape alone; expect errors of several millimetres"
    if placed:
        files = ", ".join(str(beside[name]) for name in ("landmarks", "mediapipe") if name in beside)
        landmarks = f"{placed} of 468 from {files}, the others carried over from the stand-in between them"
    return FlameParts(
        regions=str(beside.get("masks", "derived from the template's shape")),
        uv=str(beside.get("uv", "a new layout, which FLAME's own textures do not fit")),
        landmarks=landmarks,
        eyelids=f"{beside['left eyelid']}, {beside['right eyelid']}" if _has_eyelids(beside) else "none",
    )


def eyeball_triangles(arrays: FlameArrays) -> npt.NDArray[np.bool_]:
    """Which triangles (9976,) lie on an eyeball: all their vertices turn with one eye."""
    eyes = arrays.skin_weights[:, [JOINTS.index("eye_l"), JOINTS.index("eye_r")]]
    return (eyes[arrays.faces] > 0.5).all(1).any(1)


def _iris_distance(arrays: FlameArrays, joints: Floats) -> float:
    """From an eye's joint to the plane of the iris: the iris's rim lies on the eyeball, a sphere about the joint."""
    radii = []
    for name in ("eye_l", "eye_r"):
        ball = arrays.skin_weights[:, JOINTS.index(name)] > 0.5
        if ball.any():
            distances = np.linalg.norm(arrays.template[ball] - joints[JOINTS.index(name)], axis=1)
            radii.append(float(np.median(distances)))
    radius = np.mean(radii) if radii else 0.0125
    return float(np.sqrt(max(radius**2 - IRIS_RADIUS**2, 0.25 * radius**2)))


def _embeddings(beside: dict[str, Path]) -> list[Embedding]:
    """Landmarks that the makers placed; MediaPipe's own come last, for they are the more exact ones."""
    readers = (("landmarks", read_landmark_embedding), ("mediapipe", read_mediapipe_embedding))
    return [read(beside[name]) for name, read in readers if name in beside]


def _has_eyelids(beside: dict[str, Path]) -> bool:
    return {"left eyelid", "right eyelid"} <= set(beside)


def _new_layout(arrays: FlameArrays) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Texture coordinates (T, 2) and corners (F, 3) without overlaps, by xatlas."""
    import xatlas

    from ..unwrapping import new_atlas

    packing = xatlas.PackOptions()
    packing.resolution, packing.padding = 2048, 4
    with new_atlas() as atlas:
        atlas.add_mesh(arrays.template.astype(np.float32), arrays.faces.astype(np.uint32))
        atlas.generate(pack_options=packing)
        _, corners, uv = atlas[0]
    return uv.astype(np.float64).clip(0, 1), corners.astype(np.int64)
