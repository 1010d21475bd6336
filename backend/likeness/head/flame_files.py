"""Reading FLAME's own files: the model, and what its makers give beside it; every size checked, nothing executed.

The model is a pickle (FLAME 2020 ``generic_model.pkl``, FLAME 2023 ``flame2023.pkl``; written by Python 2 or 3, with
chumpy's and scipy's objects in it) or a .npz of the same names:

    v_template   (5023, 3)       metres, +Y up, +Z out of the face, +X to the subject's left
    f            (9976, 3)       triangles
    shapedirs    (5023, 3, 400)  300 identity directions, then 100 expression directions, each of deviation one
    posedirs     (5023, 3, 36)   displacements per entry of R_j - I of neck, jaw, left eye, right eye, rows first
    J_regressor  (5, 5023)       joints root, neck, jaw, left eye, right eye; often a sparse matrix
    weights      (5023, 5)       linear blend skinning
    kintree_table (2, 5)         parents in its first row

Files beside it that are used where they are there are named in :data:`COMPANIONS`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..array_files import read_array_archive, read_array_file
from ..errors import LikenessError
from ..files import file_size
from ..pickled_values import UnsafePickleError, array_of
from ..rig import CORRECTIVE_COUNT, JOINTS, PARENTS
from ..unpickling import read_pickle_file

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

VERTICES, TRIANGLES = 5023, 9976
IDENTITIES, EXPRESSIONS = 300, 100
SUFFIXES = (".pkl", ".npz")
KIND = "a FLAME model"

MODEL_NAMES = ("generic_model", "flame2023", "flame2023_Open", "FLAME_NEUTRAL", "flame2020")
"""What model files are called, first choice first, when a folder is given."""

COMPANIONS = {
    "masks": ("FLAME_masks.pkl", "FLAME_masks/FLAME_masks.pkl", "masks/FLAME_masks.pkl"),
    "uv": ("FLAME_texture.npz", "head_template.obj", "head_template_mesh.obj"),
    "mediapipe": ("mediapipe_landmark_embedding.npz", "mediapipe/mediapipe_landmark_embedding.npz"),
    "landmarks": ("landmark_embedding.npy", "landmark_embedding.npz", "flame_static_embedding.pkl"),
    "left eyelid": ("l_eyelid.npy", "blendshapes/l_eyelid.npy"),
    "right eyelid": ("r_eyelid.npy", "blendshapes/r_eyelid.npy"),
}
"""Files that are looked for in the model's folder, by what they give."""

_ARRAYS = {
    "v_template": (VERTICES, 3),
    "f": (TRIANGLES, 3),
    "shapedirs": (VERTICES, 3, IDENTITIES + EXPRESSIONS),
    "posedirs": (VERTICES, 3, CORRECTIVE_COUNT),
    "J_regressor": (len(JOINTS), VERTICES),
    "weights": (VERTICES, len(JOINTS)),
    "kintree_table": (2, len(JOINTS)),
}
_LARGEST_COORDINATE = 10.0
"""Metres. A head's are below one; more means another unit, or hostile numbers."""

_MAXIMUM_OBJ_BYTES = 16 * 2**20


@dataclass(frozen=True)
class FlameArrays:
    """FLAME's arrays as its files hold them, see the module's text; float64 and int64."""

    template: Floats
    faces: Indices
    shape_directions: Floats
    pose_directions: Floats
    joint_regressor: Floats
    skin_weights: Floats


@dataclass(frozen=True)
class Embedding:
    """Points on FLAME's surface: L numbered landmarks.

    Attributes
    ----------
    numbers : (L,) int64
        Which of MediaPipe's 468 points each is.
    faces : (L,) int64
        Triangle that carries it.
    barycentrics : (L, 3) float64
    """

    numbers: Indices
    faces: Indices
    barycentrics: Floats


def is_flame(path: Path) -> bool:
    """Whether a path is a pickle, a .npz with FLAME's names in it, or a folder with a FLAME model file."""
    if path.is_dir():
        return any((path / f"{name}{suffix}").is_file() for name in MODEL_NAMES for suffix in SUFFIXES)
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".pkl"
    try:
        file_size(path)
        with zipfile.ZipFile(path) as archive:
            return "shapedirs.npy" in archive.NameToInfo
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def model_file(path: Path) -> Path:
    """The model file that a path names: itself, or the first known one in a folder.

    Raises
    ------
    LikenessError
        If a folder has none.
    """
    if not path.is_dir():
        return path
    for name in MODEL_NAMES:
        for suffix in SUFFIXES:
            if (path / f"{name}{suffix}").is_file():
                return path / f"{name}{suffix}"
    raise LikenessError(f"{path} holds no FLAME model; put generic_model.pkl or flame2023.pkl into it.")


def companions(model: Path) -> dict[str, Path]:
    """Files of :data:`COMPANIONS` that lie beside a model file."""
    found = {}
    for what, names in COMPANIONS.items():
        for name in names:
            if (model.parent / name).is_file():
                found[what] = model.parent / name
                break
    return found


def read_flame(path: Path) -> FlameArrays:
    """Read and check a FLAME model file.

    Raises
    ------
    LikenessError
        If the file is missing, damaged, unsafe, or not FLAME's.
    """
    if path.suffix.lower() == ".npz":
        found: Any = read_array_archive(path, KIND, _ARRAYS)
    else:
        found = read_pickle_file(path, KIND)
    if not isinstance(found, dict):
        raise LikenessError(f"{path} is no FLAME model: it holds no table of arrays.")
    arrays = {name: _array(path, found, name, shape) for name, shape in _ARRAYS.items()}
    del found
    faces = _indices(path, "f", arrays["f"], VERTICES)
    parents = arrays["kintree_table"][0].astype(np.int64)
    if tuple(parents[1:]) != PARENTS[1:]:
        raise LikenessError(f"{path}: kintree_table has the parents {parents.tolist()}; FLAME's joints are 0 0 1 1 1.")
    model = FlameArrays(
        template=arrays["v_template"],
        faces=faces,
        shape_directions=arrays["shapedirs"],
        pose_directions=arrays["posedirs"],
        joint_regressor=arrays["J_regressor"],
        skin_weights=arrays["weights"],
    )
    weights = model.skin_weights
    if weights.min() < -1e-4 or np.abs(weights.sum(1) - 1).max() > 1e-3:
        raise LikenessError(f"{path}: weights of FLAME are not shares that sum to one.")
    joints = model.joint_regressor @ model.template
    if not joints[JOINTS.index("eye_l"), 0] > joints[JOINTS.index("eye_r"), 0]:
        raise LikenessError(f"{path}: the left eye lies on the subject's right, so this is not FLAME in its own axes.")
    return model


def read_masks(path: Path) -> dict[str, Indices]:
    """Vertices of FLAME's named regions (``FLAME_masks.pkl``).

    Raises
    ------
    LikenessError
        If the file is missing, damaged, unsafe, or names vertices that FLAME has not.
    """
    found = read_pickle_file(path, "FLAME's masks", 2**24)
    if not isinstance(found, dict) or not found:
        raise LikenessError(f"{path} holds no table of FLAME's regions.")
    return {
        name: _indices(path, name, _values(path, value, name).ravel(), VERTICES)
        for name, value in ((str(name)[:60], value) for name, value in found.items())
    }


def read_mediapipe_embedding(path: Path) -> Embedding:
    """Where some of MediaPipe's points lie on FLAME (``mediapipe_landmark_embedding.npz``, 105 points).

    Raises
    ------
    LikenessError
        If the file is missing, damaged, unsafe, or does not fit FLAME.
    """
    names = ("landmark_indices", "lmk_face_idx", "lmk_b_coords")
    found = read_array_archive(path, "an embedding of landmarks", names, 2**24)
    return _embedding(path, found, *names)


def read_landmark_embedding(path: Path) -> Embedding:
    """Where the 51 inner of the 68 usual landmarks lie on FLAME, by the number of MediaPipe's nearest point.

    From ``landmark_embedding.npy`` (``static_lmk_faces_idx``, ``static_lmk_bary_coords``) or
    ``flame_static_embedding.pkl`` (``lmk_face_idx``, ``lmk_b_coords``). The dynamic ones, on the outline, move over the
    surface with the view and name no fixed place, so they are left out.

    Raises
    ------
    LikenessError
        If the file is missing, damaged, unsafe, or does not fit FLAME.
    """
    kind = "an embedding of landmarks"
    pairs = (("static_lmk_faces_idx", "static_lmk_bary_coords"), ("lmk_face_idx", "lmk_b_coords"))
    names = [name for pair in pairs for name in pair]
    readers: dict[str, Callable[[], Any]] = {
        ".npy": lambda: read_array_file(path, kind, 2**26),
        ".npz": lambda: read_array_archive(path, kind, names, 2**26),
    }
    found = readers.get(path.suffix.lower(), lambda: read_pickle_file(path, kind, 2**26))()
    if isinstance(found, dict):
        for faces, weights in pairs:
            if faces in found and weights in found:
                return _embedding(path, {**found, "numbers": np.array(INNER_LANDMARKS)}, "numbers", faces, weights)
    raise LikenessError(f"{path} holds no static landmarks of FLAME; take landmark_embedding.npy of its makers.")


def read_eyelid(path: Path) -> Floats:
    """Displacements (5023, 3), metres, that close one eye of FLAME (``l_eyelid.npy``, ``r_eyelid.npy``).

    Raises
    ------
    LikenessError
        If the file is missing, damaged, or does not fit FLAME.
    """
    found = {"eyelid": read_array_file(path, "an eyelid of FLAME", 2**24)}
    return _array(path, found, "eyelid", (VERTICES, 3))


def read_uv(path: Path, faces: Indices) -> tuple[Floats, Indices]:
    """FLAME's texture coordinates (T, 2) and texture corners (9976, 3) in the order of its triangles.

    From ``FLAME_texture.npz`` (``vt``, ``ft``) or ``head_template.obj``, whose triangles may begin at another corner or
    come in another order.

    Raises
    ------
    LikenessError
        If the file is missing, damaged, or of another mesh.
    """
    if path.suffix.lower() == ".npz":
        found = read_array_archive(path, "FLAME's texture coordinates", ("vt", "ft"), 2**26)
        corners = _values(path, found.get("ft"), "ft")
        uv = _values(path, found.get("vt"), "vt").astype(np.float64)
        if uv.ndim != 2 or uv.shape[1] != 2 or not len(uv) or corners.shape != (TRIANGLES, 3):
            raise LikenessError(f"{path}: vt and ft have the shapes {uv.shape} and {corners.shape}.")
    else:
        uv, corners = _obj_uv(path, faces)
    if not np.isfinite(uv).all() or uv.min() < -1e-6 or uv.max() > 1 + 1e-6:
        raise LikenessError(f"{path}: texture coordinates lie outside 0..1.")
    return uv.clip(0, 1), _indices(path, "ft", corners, len(uv))


def _obj_uv(path: Path, faces: Indices) -> tuple[Floats, Indices]:
    try:
        if file_size(path) > _MAXIMUM_OBJ_BYTES:
            raise LikenessError(f"{path} is larger than any mesh of FLAME.")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        uv = np.array([line.split()[1:3] for line in lines if line.startswith(b"vt ")], np.float64)
        rows = np.array(
            [[corner.split(b"/")[:2] for corner in line.split()[1:4]] for line in lines if line.startswith(b"f ")],
            np.int64,
        )
    except (ValueError, IndexError, OverflowError) as error:
        raise LikenessError(f"{path} is no mesh of triangles with texture coordinates.") from error
    if rows.shape != (TRIANGLES, 3, 2) or uv.ndim != 2 or uv.shape[1] != 2:
        raise LikenessError(
            f"{path} is not FLAME's template: it has {len(rows)} triangles where {TRIANGLES} are needed."
        )
    vertices, corners = rows[..., 0] - 1, rows[..., 1] - 1
    keys, wanted = _turned(vertices), _turned(faces)
    order, sought = np.lexsort(keys[0].T), np.lexsort(wanted[0].T)
    if (keys[0][order] != wanted[0][sought]).any():
        raise LikenessError(f"{path} has other triangles than the FLAME model beside it.")
    result = np.empty_like(faces)
    turned = np.take_along_axis(corners, (np.arange(3) + keys[1][:, None]) % 3, 1)[order]
    # Back from beginning at the smallest vertex to where the model's triangle begins.
    result[sought] = np.take_along_axis(turned, (np.arange(3) - wanted[1][sought][:, None]) % 3, 1)
    return uv, result


def _turned(faces: Indices) -> tuple[Indices, Indices]:
    """Triangles with their smallest vertex first, and how far each was turned for that."""
    start = faces.argmin(1)
    return np.take_along_axis(faces, (np.arange(3) + start[:, None]) % 3, 1), start


def _embedding(path: Path, found: dict[str, Any], numbers: str, faces: str, weights: str) -> Embedding:
    chosen = {name: _values(path, found.get(name), name) for name in (numbers, faces, weights)}
    count = chosen[numbers].size
    barycentrics = chosen[weights].astype(np.float64)
    if not count or chosen[faces].size != count or barycentrics.size != 3 * count or barycentrics.shape[-1] != 3:
        raise LikenessError(
            f"{path}: {faces} and {weights} have the shapes {chosen[faces].shape} and {chosen[weights].shape} for "
            f"{count} landmarks."
        )
    barycentrics = barycentrics.reshape(count, 3)
    if not np.isfinite(barycentrics).all() or np.abs(barycentrics.sum(1) - 1).max() > 1e-2:
        raise LikenessError(f"{path}: {weights} are not shares that sum to one.")
    return Embedding(
        _indices(path, numbers, chosen[numbers].ravel(), 468),
        _indices(path, faces, chosen[faces].ravel(), TRIANGLES),
        barycentrics / barycentrics.sum(1, keepdims=True),
    )


def _values(path: Path, value: Any, name: str) -> np.ndarray:
    if value is None:
        raise LikenessError(f"{path} holds no {name!r}.")
    try:
        values = array_of(value)
    except UnsafePickleError as error:
        raise LikenessError(f"{path}: {name!r} {error}.") from error
    if values.dtype.kind not in "fiu":
        raise LikenessError(f"{path}: {name!r} holds no numbers but {values.dtype}.")
    return values


def _array(path: Path, found: dict[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    if name not in found:
        raise LikenessError(f"{path} is no FLAME model: it holds no {name!r}.")
    values = _values(path, found[name], name)
    if values.shape != shape:
        raise LikenessError(f"{path} is no FLAME model: {name!r} has the shape {values.shape} where FLAME has {shape}.")
    values = np.ascontiguousarray(values, np.float64)
    if not np.isfinite(values).all():
        raise LikenessError(f"{path}: {name!r} holds numbers that are not finite.")
    if name not in ("f", "kintree_table") and np.abs(values).max() > _LARGEST_COORDINATE:
        raise LikenessError(f"{path}: {name!r} reaches {np.abs(values).max():.3g}; FLAME is measured in metres.")
    return values


def _indices(path: Path, name: str, values: np.ndarray, end: int) -> Indices:
    whole = np.isfinite(values).all() and (np.asarray(values) == np.floor(values)).all()
    if not whole or (values.size and (values.min() < 0 or values.max() >= end)):
        raise LikenessError(f"{path}: {name!r} points outside 0..{end - 1}.")
    return values.astype(np.int64)


INNER_LANDMARKS = (
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows, from the subject's right
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose: bridge to tip, then along its base
    *(33, 160, 158, 133, 153, 144),  # right eye
    *(362, 385, 387, 263, 373, 380),  # left eye
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)
"""MediaPipe's points nearest to landmarks 18 to 68 of the usual 68 (iBUG 300-W), in their order."""
