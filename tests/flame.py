"""FLAME files of the true layout and size, made here: the licensed ones are not at hand.

The shape is the built-in head's, seen from a point inside it, so that what is derived from FLAME's shape can be held to
what the built-in head knows. Identities, expressions and correctives are smooth random fields.
"""

from __future__ import annotations

import functools
import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
from likeness.head.standin import standin
from likeness.rig import JOINTS, PARENTS
from scipy import sparse
from scipy.spatial.transform import Rotation

RINGS, COLUMNS, SPLIT = 65, 60, 30
EYE_RINGS, EYE_COLUMNS = 16, 34
CENTRE = np.array([0.0, 0.0, 0.02])


@functools.cache
def flame_arrays() -> dict[str, np.ndarray]:
    """Arrays of a plausible FLAME, with the types of the real file (float64, uint32)."""
    guide, random = standin(), np.random.default_rng(7)
    head, faces = _shell(guide)
    eyes = [_ball(guide.joints()[JOINTS.index(name)].astype(float), 0.0125) for name in ("eye_l", "eye_r")]
    template = np.concatenate([head, *(points for points, _ in eyes)])
    starts = [len(head), len(head) + len(eyes[0][0])]
    faces = np.concatenate([faces, *(triangles + start for (_, triangles), start in zip(eyes, starts, strict=True))])

    joints = guide.joints().astype(float)
    weights = np.zeros((len(template), 5))
    root = np.clip((-0.08 - template[:, 1]) / 0.05, 0, 1)
    jaw = np.clip((-0.01 - template[:, 1]) / 0.02, 0, 1) * np.clip((template[:, 2] - 0.03) / 0.04, 0, 1) * (1 - root)
    weights[:, 0], weights[:, 1], weights[:, 2] = root, 1 - root - jaw, jaw
    regressor = np.zeros((5, len(template)))
    for joint in range(3):
        ring = np.argsort(np.linalg.norm(template[: len(head)] - joints[joint], axis=1))[:60]
        affine = np.vstack([template[ring].T, np.ones(len(ring))])
        regressor[joint, ring] = np.linalg.lstsq(affine, np.append(joints[joint], 1), rcond=None)[0]
    for joint, start in zip((3, 4), starts, strict=True):
        ball = slice(start, start + len(eyes[0][0]))
        weights[ball], regressor[joint, ball] = 0, 1 / len(eyes[0][0])
        weights[ball, joint] = 1

    shapes = np.concatenate([_fields(template, 300, 4e-3, random), _fields(template, 100, 3e-3, random)])
    return {
        "v_template": template,
        "f": faces.astype(np.uint32),
        "shapedirs": np.ascontiguousarray(np.moveaxis(shapes, 0, 2)),
        "posedirs": np.ascontiguousarray(np.moveaxis(_fields(template, 36, 1e-3, random), 0, 2)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "J": joints,
    }


def flame_vertices(identity: np.ndarray, expression: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """FLAME's own definition, joints drifting with the expression: vertices for a pose (5, 3) of axis-angle."""
    arrays = flame_arrays()
    coefficients = np.zeros(400)
    coefficients[: len(identity)], coefficients[300 : 300 + len(expression)] = identity, expression
    shaped = arrays["v_template"] + arrays["shapedirs"] @ coefficients
    joints = arrays["J_regressor"] @ shaped
    turns = Rotation.from_rotvec(pose).as_matrix()
    features = (turns[1:] - np.eye(3)).ravel()
    points = np.c_[shaped + arrays["posedirs"] @ features, np.ones(len(shaped))]
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3], local[:3, 3] = turns[joint], joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(world[parent] @ local if parent >= 0 else local)
    moved = [
        matrix @ np.r_[np.c_[np.eye(3), -joint], [[0, 0, 0, 1]]] for matrix, joint in zip(world, joints, strict=True)
    ]
    return np.einsum("vj,jab,vb->va", arrays["weights"], np.array(moved), points)[:, :3]


def _fields(points: np.ndarray, count: int, size: float, random: np.random.Generator) -> np.ndarray:
    """Smooth random displacements (count, V, 3), later ones smaller and finer, as principal components are."""
    rank = np.arange(count)[:, None, None]
    waves = random.normal(size=(count, 3, 3)) * (15 + 0.3 * rank)
    phases = random.uniform(0, 2 * np.pi, (count, 3, 1))
    fields = np.sin(np.einsum("vc,nac->nav", points, waves, optimize=True) + phases)
    return np.moveaxis(fields * size / (1 + 0.15 * rank), 1, 2)


def _shell(guide: Any) -> tuple[np.ndarray, np.ndarray]:
    """3931 vertices and 7800 triangles: a grid about a pole at the crown, open at the neck."""
    turn = np.linspace(0, 2 * np.pi, COLUMNS, endpoint=False)
    turn = turn - 0.35 * np.sin(turn)  # Denser at the face, which lies at zero.
    polar = np.linspace(0, 0.86 * np.pi, RINGS + 1)[1:]
    rings = np.stack(
        [
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], COLUMNS, 1),
            np.sin(polar)[:, None] * np.cos(turn),
        ],
        -1,
    )
    directions = np.concatenate([[[0, 1, 0]], rings.reshape(-1, 3)])
    skin = guide.faces[guide.regions["skin"] | guide.regions["eyes"]]
    points = CENTRE + directions * _distances(directions, guide.template[skin].astype(float) - CENTRE)[:, None]
    index = 1 + np.arange(RINGS * COLUMNS).reshape(RINGS, COLUMNS)
    right = np.roll(index, -1, 1)
    faces = [np.stack([np.zeros(COLUMNS, int), index[0], right[0]], 1)]
    faces.append(np.stack([index[:-1], index[1:], right[1:]], -1).reshape(-1, 3))
    faces.append(np.stack([index[:-1], right[1:], right[:-1]], -1).reshape(-1, 3))
    triangles = np.concatenate(faces)
    split = np.arange(len(triangles))[200 : 200 + 7 * SPLIT : 7]
    new = len(points) + np.arange(SPLIT)
    a, b, c = triangles[split].T
    middle = points[triangles[split]].mean(1)
    kept = np.delete(triangles, split, 0)
    triangles = np.concatenate([kept, np.stack([a, b, new], 1), np.stack([b, c, new], 1), np.stack([c, a, new], 1)])
    return np.concatenate([points, middle]), triangles


def _distances(directions: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """How far rays from the origin go to the last triangle that they hit (Moeller and Trumbore, 1997)."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    best = np.full(len(directions), 0.08)
    for start in range(0, len(directions), 256):
        rays = directions[start : start + 256]
        across = np.cross(rays[:, None], second[None])
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / np.einsum("rtc,tc->rt", across, first)
            u = -np.einsum("rtc,tc->rt", across, corners[:, 0]) * scale
            other = np.cross(-corners[:, 0], first)
            v = (rays @ other.T) * scale
            along = np.einsum("tc,tc->t", other, second) * scale
            hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (along > 0)
        found = np.where(hit, along, 0).max(1)
        best[start : start + 256] = np.where(found > 0, found, best[start : start + 256])
    return best


def _ball(centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """An eyeball of 546 vertices and 1088 triangles."""
    polar = np.linspace(0, np.pi, EYE_RINGS + 2)[1:-1]
    turn = np.linspace(0, 2 * np.pi, EYE_COLUMNS, endpoint=False)
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], EYE_COLUMNS, 1),
        ],
        -1,
    )
    points = np.concatenate([[[0, 0, 1]], ring.reshape(-1, 3), [[0, 0, -1]]])
    index = 1 + np.arange(EYE_RINGS * EYE_COLUMNS).reshape(EYE_RINGS, EYE_COLUMNS)
    right, last = np.roll(index, -1, 1), len(points) - 1
    top = np.stack([np.zeros(EYE_COLUMNS, int), index[0], right[0]], 1)
    bottom = np.stack([np.full(EYE_COLUMNS, last), right[-1], index[-1]], 1)
    sides = [
        np.stack([index[:-1], index[1:], right[1:]], -1).reshape(-1, 3),
        np.stack([index[:-1], right[1:], right[:-1]], -1).reshape(-1, 3),
    ]
    return centre + radius * points, np.concatenate([top, *sides, bottom])


class Ch:
    """Pickles as chumpy's variable does: its attributes, the value as ``x``."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        self._dirty_vars = {"x"}
        self._itr = None


Ch.__module__ = "chumpy.ch"


_PYTHONS_OWN: Any = pickle.__dict__["_Pickler"]
"""The pickler in Python: the one in C cannot be told other names for classes."""


class _PicklerOfStrangers(_PYTHONS_OWN):
    """Writes classes by the names that other packages gave them, without those packages."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        known = {Ch: "chumpy.ch Ch", sparse.csc_matrix: "scipy.sparse.csc csc_matrix"}.get(obj)
        if known is None:
            super().save_global(obj, name)
            return
        module, attribute = known.split()
        self.write(b"c" + module.encode() + b"\n" + attribute.encode() + b"\n")
        self.memoize(obj)

    dispatch = {**_PYTHONS_OWN.dispatch, type: save_global}


def pickled(arrays: dict[str, Any], protocol: int = 2) -> bytes:
    """A pickle as Python 3 writes it."""
    stream = io.BytesIO()
    _PicklerOfStrangers(stream, protocol).dump(arrays)
    return stream.getvalue()


def as_published(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The same with a chumpy variable and a sparse matrix where the published files have them."""
    return {
        **arrays,
        "shapedirs": Ch(arrays["shapedirs"]),
        "J_regressor": sparse.csc_matrix(arrays["J_regressor"]),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def pickled_by_python_2(arrays: dict[str, np.ndarray]) -> bytes:
    """Protocol 2 as Python 2 wrote it: byte strings for names and contents, ``copy_reg``, the old module names."""
    out = [b"\x80\x02}("]

    def text(value: bytes) -> bytes:
        if len(value) < 256:
            return b"U" + bytes([len(value)]) + value
        return b"T" + struct.pack("<i", len(value)) + value

    def whole(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def array(value: np.ndarray) -> bytes:
        code = value.dtype.str[1:].encode()
        kind = (
            b"cnumpy\ndtype\n(" + text(code) + b"K\x00K\x01tR(K\x03" + text(b"<") + b"NNN" + whole(-1) * 2 + b"K\x00tb"
        )
        shape = b"(" + b"".join(whole(extent) for extent in value.shape) + b"t"
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        return empty + b"(K\x01" + shape + kind + b"\x89" + text(value.tobytes()) + b"tb"

    def instance(module: bytes, name: bytes, state: dict[str, bytes]) -> bytes:
        made = b"ccopy_reg\n_reconstructor\n(c" + module + b"\n" + name + b"\nc__builtin__\nobject\nNtR"
        return made + b"}(" + b"".join(text(key.encode()) + value for key, value in state.items()) + b"ub"

    for name, value in arrays.items():
        out.append(text(name.encode()))
        if name == "shapedirs":
            out.append(instance(b"chumpy.ch", b"Ch", {"x": array(value), "_dirty_vars": b"c__builtin__\nset\n(]tR"}))
        elif name == "J_regressor":
            matrix = sparse.csc_matrix(value)
            parts = {key: array(getattr(matrix, key)) for key in ("data", "indices", "indptr")}
            shape = whole(value.shape[0]) + whole(value.shape[1]) + b"\x86"
            out.append(instance(b"scipy.sparse.csc", b"csc_matrix", {**parts, "_shape": shape, "maxprint": b"K\x32"}))
        else:
            out.append(array(value))
    return b"".join([*out, b"u."])


def write_flame(folder: Path) -> Path:
    """A published-like ``generic_model.pkl`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generic_model.pkl").write_bytes(pickled(as_published(flame_arrays())))
    return folder / "generic_model.pkl"
