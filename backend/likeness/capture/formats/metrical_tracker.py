"""Frames of metrical-tracker (Zielonka et al., ECCV 2022): one file of ``torch.save`` per frame, and its picture.

``checkpoint/00000.frame`` holds ``flame`` (``shape`` 1x300, ``exp`` 1x100, ``jaw`` 1x6, ``eyes`` 1x12, ``eyelids``
1x2), ``opencv`` (``R`` 1x3x3, ``t`` 1x3, ``K`` 1x3x3), ``img_size`` (height, width) and ``frame_id``; pictures lie in
``input``, or with a matte as their transparency in ``images`` or ``matted``. The file is read without PyTorch and
without running anything of it (:mod:`likeness.array_files`).

* A point X of FLAME's space, metres, is seen at K (R X + t): OpenCV's camera, x right, y down, z forwards. Ours is that
  turned by diag(1, -1, -1). The plane is measured from the picture's corner.
* The root and the neck do not turn; all of the head's motion is the camera's.
* Rotations are six numbers: the first two rows of the matrix before they are made orthonormal (Zhou et al., CVPR 2019).
* ``eyes``: FLAME's joints 3 and 4 in turn; ``eyelids``: weights of the left and the right eyelid, which add
  displacements to FLAME's that its model file lacks. They are kept if the head model has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ...array_files import read_torch_file
from ...errors import LikenessError
from ...head.flame import EYELIDS
from ...head.model import HeadModel
from ...pickled_values import UnsafePickleError, array_of
from ..checks import MAXIMUM_FRAMES
from ..told_paths import lies_in
from .fields import MAXIMUM_WEIGHT
from .flame_frames import FlameFrames, SourcePicture, check_camera, check_flame, last_part, rigid
from .source_pictures import SUFFIXES, picture_size

Floats = npt.NDArray[np.float64]

OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""From OpenCV's camera to ours, and back."""

MAXIMUM_FRAME_BYTES = 16 * 2**20
EXPRESSIONS, IDENTITIES = 100, 300

_PICTURE_FOLDERS = ("images", "matted", "input", "source")
_SHAPES = {
    ("flame", "shape"): (None,),
    ("flame", "exp"): (None,),
    ("flame", "jaw"): (6,),
    ("flame", "eyes"): (12,),
    ("flame", "eyelids"): (2,),
    ("opencv", "R"): (3, 3),
    ("opencv", "t"): (3,),
    ("opencv", "K"): (3, 3),
}


def find_frames(folder: Path) -> list[Path]:
    """The frame files of a tracked video, in order; empty if it is none."""
    for place in (folder / "checkpoint", folder):
        if place.is_dir() and (found := sorted(place.glob("*.frame"))):
            return found
    return []


def read_metrical_tracker(folder: Path, head: HeadModel, held_out_part: float = 0.2) -> FlameFrames:
    """Read what metrical-tracker wrote for one video.

    Parameters
    ----------
    folder : Path
        The actor's folder, with ``checkpoint`` and ``input`` in it, or the folder of frame files.
    head : HeadModel
        FLAME.
    held_out_part : float
        Part at the end that nothing is fitted on.

    Raises
    ------
    LikenessError
        Naming the file and the field that is missing or wrong.
    """
    files = find_frames(folder)
    if not 0 < len(files) <= MAXIMUM_FRAMES:
        raise LikenessError(f"{folder} holds {len(files)} .frame files; give the folder that metrical-tracker wrote.")
    check_flame(head, folder, EXPRESSIONS, IDENTITIES)
    read = [_read_frame(file) for file in files]
    first = read[0]
    for file, frame in zip(files, read, strict=True):
        if not np.allclose(frame["K"], first["K"], rtol=1e-3):
            raise LikenessError(f"{file} has another focal length than {files[0]}, which a capture cannot hold.")
        if not np.allclose(frame["shape"], first["shape"], atol=1e-3):
            raise LikenessError(f"{file} shows another head than {files[0]}; import the videos one by one.")
    root = folder if (folder / "checkpoint").is_dir() else folder.parent
    pictures = tuple(_picture(root, file) for file in files)
    width, height = picture_size(pictures[0].picture)
    for file, frame in zip(files, read, strict=True):
        told = frame["img_size"].tolist()
        if told != [height, width]:
            raise LikenessError(
                f"{pictures[0].picture} is {width}x{height} pixels where {file} says {told[1]:g}x{told[0]:g}."
            )
    k = first["K"]
    intrinsics = np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]])
    check_camera(f"{files[0]}: field 'opencv.K'", width, height, intrinsics)
    matrices = np.tile(np.eye(4), (len(files), 1, 1))
    matrices[:, :3, :3] = [frame["R"] for frame in read]
    matrices[:, :3, 3] = [frame["t"] for frame in read]
    world_to_camera = OPENCV @ rigid(matrices, f"{folder}: field 'opencv'")
    if (world_to_camera[:, 2, 3] >= 0).any():
        raise LikenessError(f"{folder}: field 'opencv' puts the head behind the camera.")
    pose = np.zeros((len(files), 5, 3))
    pose[:, 2] = _axis_angle(np.array([frame["jaw"] for frame in read]))
    eyes = np.array([frame["eyes"] for frame in read])
    pose[:, 3], pose[:, 4] = _axis_angle(eyes[:, :6]), _axis_angle(eyes[:, 6:])
    expression = np.array([frame["exp"] for frame in read])
    eyelids = np.array([frame["eyelids"] for frame in read])
    notes = {"format": "metrical-tracker"}
    if head.expression_names[-2:] == EYELIDS:
        expression = np.concatenate([expression, eyelids], 1)
    elif np.abs(eyelids).max() > 0:
        notes["left out"] = "eyelids: put l_eyelid.npy and r_eyelid.npy of metrical-tracker beside the FLAME model"
    return FlameFrames(
        width=width,
        height=height,
        intrinsics=intrinsics,
        world_to_camera=world_to_camera,
        identity=first["shape"],
        expression=expression,
        pose=pose,
        pictures=pictures,
        held_out=last_part(len(files), held_out_part),
        notes=notes,
    )


def _read_frame(file: Path) -> dict[str, Floats]:
    content = read_torch_file(file, "a frame of metrical-tracker", MAXIMUM_FRAME_BYTES)
    found = {name: _array(file, content, (group, name), shape) for (group, name), shape in _SHAPES.items()}
    found["img_size"] = _array(file, content, ("img_size",), (2,))
    if len(found["exp"]) != EXPRESSIONS or len(found["shape"]) != IDENTITIES:
        raise LikenessError(
            f"{file} has {len(found['exp'])} expressions and {len(found['shape'])} identity coefficients where"
            f" metrical-tracker has {EXPRESSIONS} and {IDENTITIES}."
        )
    for name in ("exp", "shape"):
        if np.abs(found[name]).max() > MAXIMUM_WEIGHT:
            raise LikenessError(f"{file}: field 'flame.{name}' holds numbers that are absurdly large.")
    if found["K"][0, 0] <= 0 or found["K"][1, 1] <= 0:
        raise LikenessError(f"{file}: field 'opencv.K' has a focal length that is not positive.")
    plain = np.array([[found["K"][0, 0], 0, found["K"][0, 2]], [0, found["K"][1, 1], found["K"][1, 2]], [0, 0, 1]])
    if not np.allclose(found["K"], plain, atol=1e-3):
        raise LikenessError(f"{file}: field 'opencv.K' is skewed, or its last row is not 0 0 1.")
    return found


def _array(file: Path, content: Any, names: tuple[str, ...], shape: tuple[int | None, ...]) -> Floats:
    """The numbers of a field, without leading axes of length one."""
    value, field = content, ".".join(names)
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise LikenessError(f"{file}: field {field!r} is missing.")
        value = value[name]
    try:
        numbers = array_of(value)
    except UnsafePickleError as error:
        raise LikenessError(f"{file}: field {field!r} {error}.") from error
    if numbers.dtype.kind not in "fiu" or numbers.ndim not in (len(shape), len(shape) + 1):
        raise LikenessError(f"{file}: field {field!r} is {numbers.dtype} of the shape {numbers.shape}.")
    if numbers.ndim > len(shape) and len(numbers) == 1:
        numbers = numbers[0]
    fits = numbers.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(numbers.shape, shape, strict=True)
    )
    if not fits:
        raise LikenessError(f"{file}: field {field!r} has the shape {numbers.shape} where {shape} is needed.")
    numbers = numbers.astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > 1e6:
        raise LikenessError(f"{file}: field {field!r} holds numbers that are not finite, or absurdly large.")
    return numbers


def _axis_angle(six: Floats) -> Floats:
    """Axis-angle (N, 3) of rotations given as six numbers (N, 6)."""
    first = six[:, :3] / np.linalg.norm(six[:, :3], axis=1, keepdims=True).clip(1e-12)
    second = six[:, 3:] - (first * six[:, 3:]).sum(1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=1, keepdims=True).clip(1e-12)
    matrices = np.stack([first, second, np.cross(first, second)], 1)
    if (np.abs(np.linalg.det(matrices) - 1) > 1e-6).any():
        raise LikenessError("A frame of metrical-tracker has a jaw or an eye whose six numbers are no rotation.")
    return Rotation.from_matrix(matrices).as_rotvec()


def _picture(root: Path, file: Path) -> SourcePicture:
    for folder in _PICTURE_FOLDERS:
        for suffix in SUFFIXES:
            if (found := root / folder / f"{file.stem}{suffix}").is_file():
                if not lies_in(root, found):
                    raise LikenessError(f"{found} leads out of the data set's folder; copy the picture into it.")
                return SourcePicture(found)
    raise LikenessError(f"{root} holds no picture {file.stem}.png in {', '.join(_PICTURE_FOLDERS)}.")
