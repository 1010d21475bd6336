"""IMavatar's and PointAvatar's data sets (Zheng et al., CVPR 2022 and 2023), which BakedAvatar reads too.

A clip is a folder of ``image/1.png ...``, ``mask/1.png ...``, maybe ``semantic/1.png ...`` (labels of a face parser of
19 classes, see :mod:`likeness.capture.semantics`: all frames have them or none), and ``flame_params.json``; a data set
is a clip, or a folder of clips, those called ``test`` held out:

* ``intrinsics``: fx, fy, cx, cy as parts of the picture's side, the first one negative; in old files in pixels of a
  picture of 512 (told by a last number above one). The plane is measured from the picture's corner, as ours is.
* ``world_mat``: (3, 4) or (4, 4), world to camera. A point X of the world is seen at u = cx + fx x / z,
  v = cy + fy y / z with (x, y, z) = world_mat X. The negative fx (from NeRFace) makes that OpenGL's camera, x right,
  y up, z towards the viewer. In general, with signs s = diag(-sign fx, sign fy, 1) and k = det(s R), k s world_mat is a
  proper transform to such a camera, for the quotients do not change when all three coordinates change sign.
* The world is FLAME's, four times as large: 1 unit is 25 cm.
* ``expression`` (50), ``pose`` (15: axis-angle of root, neck, jaw, left eye, right eye), ``shape_params`` (100).
* ``semantic_source``, which only we write: how labels were made that are no face parser's.
* ``bbox`` and ``flame_keypoints`` (68 landmarks and two irises) in -1..1 of the picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import LikenessError
from ...files import write_atomically
from ...head.model import HeadModel
from ..gaze import posed_irises
from ..model import Capture
from ..pictures import write_picture
from ..semantics import has_semantics, load_semantics
from ..storage import load_frame, load_matte
from ..told_paths import lies_in
from .fields import MAXIMUM_TURN, MAXIMUM_WEIGHT, frame_list, inner_path, numbers, read_object
from .flame_frames import FlameFrames, SourcePicture, check_camera, check_flame, flame_frames_of, last_part, rigid
from .landmark_sets import LANDMARKS_70
from .region_labels import DRAWN, PARSED, parser_labels
from .source_pictures import SUFFIXES, picture_size

Floats = npt.NDArray[np.float64]

DESCRIPTION = "flame_params.json"
SCALE = 4.0
"""Units of the data set in a metre."""
OLD_SIDE = 512
"""Side of the picture, pixels, that old files' intrinsics are for."""
EXPRESSIONS, IDENTITIES = 50, 100
HELD_OUT_CLIPS = ("test", "val", "MVI_1812")
"""Names of clips that the papers test on."""

_LABEL_FOLDERS = ("semantic", "semantics")


def find_clips(folder: Path) -> list[Path]:
    """Folders of clips in a data set, in the order of their names; empty if it is none.

    Published archives hold ``subject/subject/clip``, so clips are looked for two folders deep.
    """
    for pattern in (DESCRIPTION, f"*/{DESCRIPTION}", f"*/*/{DESCRIPTION}"):
        if found := sorted(place.parent for place in folder.glob(pattern) if place.is_file()):
            return found
    return []


def read_imavatar(folder: Path, head: HeadModel, held_out_part: float = 0.2) -> FlameFrames:
    """Read a clip, or all clips of a subject.

    Parameters
    ----------
    folder : Path
    head : HeadModel
        FLAME, of which the parameters are.
    held_out_part : float
        Part at the end that nothing is fitted on, where no clip is called ``test``.

    Raises
    ------
    LikenessError
        Naming the file and the field that is missing or wrong.
    """
    clips = find_clips(folder)
    if not clips:
        raise LikenessError(f"{folder} holds no {DESCRIPTION}; give the folder of a clip or of a subject.")
    parts = [_read_clip(clip, head) for clip in clips]
    first = parts[0]
    for clip, part in zip(clips, parts, strict=True):
        same = (part.width, part.height) == (first.width, first.height)
        if not same or not np.allclose(part.intrinsics, first.intrinsics, rtol=1e-4):
            raise LikenessError(f"{clip} was filmed with another camera than {clips[0]}; import the clips one by one.")
        if not np.allclose(part.identity, first.identity, atol=1e-4):
            raise LikenessError(f"{clip} shows another head than {clips[0]}; import the clips one by one.")
    counts = [len(part.pictures) for part in parts]
    starts = np.cumsum([0, *counts])
    held_out = [
        index
        for clip, start, count in zip(clips, starts.tolist(), counts, strict=False)
        if len(clips) > 1 and clip.name in HELD_OUT_CLIPS
        for index in range(start, start + count)
    ]
    if len(held_out) in (0, starts[-1]):
        held_out = list(last_part(int(starts[-1]), held_out_part))
    return FlameFrames(
        width=first.width,
        height=first.height,
        intrinsics=first.intrinsics,
        world_to_camera=np.concatenate([part.world_to_camera for part in parts]),
        identity=first.identity,
        expression=np.concatenate([part.expression for part in parts]),
        pose=np.concatenate([part.pose for part in parts]),
        pictures=tuple(picture for part in parts for picture in part.pictures),
        held_out=tuple(held_out),
        notes={"format": "IMavatar", "clips": ", ".join(clip.name for clip in clips), **_notes(parts)},
    )


def _read_clip(folder: Path, head: HeadModel) -> FlameFrames:
    place = folder / DESCRIPTION
    description = read_object(place)
    entries = frame_list(place, description)
    identity = numbers(str(place), description, "shape_params", most=MAXIMUM_WEIGHT)
    expressions, poses, cameras, pictures = [], [], [], []
    for index, entry in enumerate(entries):
        origin = f"{place}, frame {index + 1}"
        expressions.append(numbers(origin, entry, "expression", most=MAXIMUM_WEIGHT))
        poses.append(numbers(origin, entry, "pose", (15,), MAXIMUM_TURN))
        cameras.append(_world_mat(origin, entry))
        pictures.append(_pictures(folder, origin, entry))
    labels = _labels(folder, description, pictures)
    if len({len(expression) for expression in expressions}) != 1:
        raise LikenessError(f"{place}: frames have different numbers of expressions.")
    check_flame(head, place, len(expressions[0]), len(identity))
    width, height = picture_size(pictures[0].picture)
    fx, fy, cx, cy = numbers(str(place), description, "intrinsics", (4,))
    if fx == 0 or fy == 0:
        raise LikenessError(f"{place}: field 'intrinsics' has a focal length of zero.")
    across, down = (width / OLD_SIDE, height / OLD_SIDE) if cy > 1 else (width, height)
    intrinsics = np.array([abs(fx) * across, abs(fy) * down, cx * across, cy * down])
    check_camera(f"{place}: field 'intrinsics'", width, height, intrinsics)
    signs = np.array([-np.copysign(1, fx), np.copysign(1, fy), 1, 1], np.float64)
    signed = np.array(cameras, np.float64) * signs[:, None]
    signed[:, :3] *= np.sign(np.linalg.det(signed[:, :3, :3]))[:, None, None]
    world_to_camera = rigid(signed, f"{place}: field 'world_mat'")
    world_to_camera[:, :3, 3] /= SCALE
    if (world_to_camera[:, 2, 3] >= 0).any():
        raise LikenessError(f"{place}: field 'world_mat' puts the head behind the camera.")
    return FlameFrames(
        width=width,
        height=height,
        intrinsics=intrinsics,
        world_to_camera=world_to_camera,
        identity=identity,
        expression=np.array(expressions),
        pose=np.array(poses).reshape(-1, 5, 3),
        pictures=tuple(pictures),
        held_out=(),
        notes={"labels": labels} if labels else {},
    )


def _notes(parts: list[FlameFrames]) -> dict[str, str]:
    """What is known of the labels of several clips: those of a parser must not hide that others were drawn."""
    told = [part.notes["labels"] for part in parts if "labels" in part.notes]
    return {"labels": DRAWN if DRAWN in told else told[0]} if told else {}


def _labels(folder: Path, description: dict[str, Any], pictures: list[SourcePicture]) -> str:
    """Who made a clip's labels; empty if it has none."""
    folders = [folder / name for name in _LABEL_FOLDERS if (folder / name).is_dir() and any((folder / name).iterdir())]
    if not folders:
        return ""
    for source in pictures:
        if source.labels is None:
            raise LikenessError(
                f"{folders[0]} holds no {source.picture.stem}.png, the labels of {source.picture}; add it, or move the "
                "folder away to import without labels."
            )
    told = description.get("semantic_source")
    return DRAWN if told == DRAWN else PARSED


def _world_mat(origin: str, entry: dict[str, Any]) -> Floats:
    rows = entry.get("world_mat")
    shape = (4, 4) if isinstance(rows, list) and len(rows) == 4 else (3, 4)
    matrix = numbers(origin, entry, "world_mat", shape)
    return matrix if len(matrix) == 4 else np.concatenate([matrix, [[0, 0, 0, 1]]])


def _pictures(folder: Path, origin: str, entry: dict[str, Any]) -> SourcePicture:
    told = inner_path(folder, origin, entry, "file_path")
    picture = _with_suffix(told)
    if picture is None:
        raise LikenessError(f"{origin}: there is no picture {told}.png or .jpg.")
    if not lies_in(folder, picture):
        raise LikenessError(f"{picture} leads out of the data set's folder; copy the picture into it.")

    def beside(name: str) -> Path | None:
        # A mask of a JPEG is a PNG.
        stem = told.stem if told.suffix.lower() in SUFFIXES else told.name
        found = _with_suffix(folder / name / stem)
        if found is not None and not lies_in(folder, found):
            raise LikenessError(f"{found} leads out of the data set's folder; copy the picture into it.")
        return found

    labels = (found for found in map(beside, _LABEL_FOLDERS) if found is not None)
    return SourcePicture(picture, beside("mask"), next(labels, None))


def _with_suffix(path: Path) -> Path | None:
    if path.suffix.lower() in SUFFIXES:
        return path if path.is_file() else None
    return next((found for s in SUFFIXES if (found := path.with_name(path.name + s)).is_file()), None)


def write_imavatar(capture: Capture, folder: Path) -> dict[str, str]:
    """Write a capture of a FLAME head as two clips, ``train`` and ``test`` (only one where nothing is held out).

    All of the head's turn goes into the root's pose and cameras only shift. Labels are the capture's own; where it
    has none they are drawn from the head model: skin, eyes, lips, neck; what the matte shows beside it is hair above
    the chin and cloth below.

    Parameters
    ----------
    capture : Capture
    folder : Path
        New or empty.

    Returns
    -------
    dict of str to str
        What the format cannot hold, by name; empty if nothing is lost.

    Raises
    ------
    LikenessError
        If the capture's head is not FLAME, its pictures are not square, or the folder cannot be written.
    """
    check_flame(capture.head, capture.folder, EXPRESSIONS, 0)
    if capture.width != capture.height:
        raise LikenessError(
            f"{capture.folder} has pictures of {capture.width}x{capture.height} pixels; IMavatar's are square."
        )
    frames = flame_frames_of(capture, EXPRESSIONS, IDENTITIES)
    clips = {"train": capture.training, "test": capture.held_out}
    for name, members in clips.items():
        if members:
            _write_clip(capture, frames, members, folder / name)
    return _lost(capture)


def _write_clip(capture: Capture, frames: FlameFrames, members: Iterable[int], folder: Path) -> None:
    try:
        for name in ("image", "mask", "semantic"):
            (folder / name).mkdir(parents=True)
    except OSError as error:
        raise LikenessError(f"Cannot write {folder}: {error.strerror}.") from error
    side, labelled = capture.width, has_semantics(capture)
    fx, fy, cx, cy = (frames.intrinsics / side).tolist()
    identity = np.zeros(IDENTITIES)
    identity[: len(frames.identity)] = frames.identity
    entries = []
    for number_of_file, index in enumerate(members, 1):
        matrix = frames.world_to_camera[index, :3].copy()
        matrix[:, 3] *= SCALE
        points = _landmarks(capture, index) / side * 2 - 1
        entries.append(
            {
                "file_path": f"./image/{number_of_file}",
                "world_mat": matrix.tolist(),
                "expression": frames.expression[index].tolist(),
                "pose": frames.pose[index].ravel().tolist(),
                "bbox": [*points.min(0).tolist(), *points.max(0).tolist()],
                "flame_keypoints": points.tolist(),
            }
        )
        matte = load_matte(capture, index)
        write_picture(load_frame(capture, index), folder / "image" / f"{number_of_file}.png")
        write_picture(matte, folder / "mask" / f"{number_of_file}.png")
        labels = load_semantics(capture, index) if labelled else parser_labels(capture, index, matte)
        write_picture(labels, folder / "semantic" / f"{number_of_file}.png")
    description = {"frames": entries, "intrinsics": [-fx, fy, cx, cy], "shape_params": identity.tolist()}
    if not labelled or capture.provenance.get("labels") == DRAWN:
        description["semantic_source"] = DRAWN
    write_atomically(folder / DESCRIPTION, json.dumps(description).encode())


def _landmarks(capture: Capture, index: int) -> Floats:
    """The 68 landmarks and the irises (70, 2) of the posed head, pixels."""
    pose = capture.pose(index)
    points = capture.head.landmarks(capture.head.posed(pose, capture.identity)).astype(np.float64)
    left, right = posed_irises(capture.head, capture.identity, pose)[:, 0]
    spread = np.zeros((478, 3))
    spread[:468] = points
    spread[468], spread[473] = right, left
    return capture.camera(index).project(spread[list(LANDMARKS_70)]).astype(np.float64)


def _lost(capture: Capture) -> dict[str, str]:
    """How far the head moves by the coefficients that the format has no room for, in words."""
    head, told = capture.head, {}
    rest = np.tensordot(capture.identity[IDENTITIES:], head.identity_basis[IDENTITIES : len(capture.identity)], 1)
    if np.abs(rest).max(initial=0) > 0:
        told["identity"] = f"coefficients after {IDENTITIES}: {1e3 * np.linalg.norm(rest, axis=1).mean():.2f} mm"
    strong = np.abs(capture.expression[:, EXPRESSIONS:]).max(0, initial=0)
    if strong.max(initial=0) > 0:
        rest = np.tensordot(strong, np.abs(head.expression_basis[EXPRESSIONS:]), 1)
        told["expression"] = f"weights after {EXPRESSIONS}: up to {1e3 * np.linalg.norm(rest, axis=1).mean():.2f} mm"
    return told
