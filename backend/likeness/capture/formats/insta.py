"""INSTA's data sets (Zielonka, Bolkart, Thies, CVPR 2023): a still head, a moving camera, a mesh per frame.

``transforms_train.json``, ``_test``, ``_val`` (or ``transforms.json`` alone) hold ``w``, ``h``, ``cx``, ``cy``,
``fl_x``, ``fl_y`` in pixels and ``frames`` in no certain order, each with ``file_path`` (RGBA, the matte as its
transparency), ``transform_matrix`` (4x4 camera to world, OpenCV's axes: x right, y down, z forwards, unlike NeRF's),
``mesh_path`` (an .obj of FLAME's 5023 vertices, metres) and ``exp_path`` (100 expression weights as text). Also
``depth_path`` (16 bits, millimetres along the camera's axis) and ``seg_mask_path`` (a face parser's classes in red, see
:data:`.region_labels.INSTA_CLASSES`; read where all frames have them). ``semantic_source`` only we write: how labels
were made that are no face parser's.
``canonical.obj`` is the person without expression, the jaw open by 12 degrees.

Jaw and eyes are only in the meshes, and identity only in ``canonical.obj``: both are fitted back, see
:mod:`.flame_refit`. Meshes may lie anywhere and turn; INSTA's own do not.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ...errors import LikenessError
from ...files import file_size, replacing, write_atomically
from ...head.flame import EYELIDS
from ...head.flame_files import VERTICES
from ...head.model import HeadModel
from ...raster.render_mesh import surface_hits
from ...raster.select import rasteriser
from ...rig import JOINTS, Pose, skinning_transforms
from ..model import Capture
from ..semantics import has_semantics, load_semantics
from ..storage import load_frame, load_matte
from .fields import MAXIMUM_WEIGHT, frame_list, inner_path, number, numbers, read_object, text_numbers
from .flame_frames import FlameFrames, SourcePicture, check_camera, check_flame, last_part, rigid
from .flame_refit import FlameVertices, Posed, chosen_vertices, fit_identity, fit_poses
from .metrical_tracker import OPENCV
from .region_labels import DRAWN, INSTA_CLASSES, PARSED, parser_labels
from .source_pictures import picture_size

Floats = npt.NDArray[np.float64]

EXPRESSIONS = 100
CANONICAL_JAW = math.radians(12)
"""How far the jaw is open in ``canonical.obj``."""
WORST_FIT = 0.003
"""Root mean square distance, metres, above which a mesh is not FLAME's with the given identity."""
WORST_FRAME = 3 * WORST_FIT
"""The same for one frame: trackers lose a face now and then, but what they write is still a face."""
VALIDATION_FRAMES = 20

_MAXIMUM_OBJ_BYTES = 16 * 2**20
_BATCH = 16


def find_transforms(folder: Path) -> list[Path]:
    """The descriptions of a data set: train, test and validation, or one for all; empty if it is none."""
    parts = [folder / f"transforms_{name}.json" for name in ("train", "test", "val")]
    found = [path for path in parts if path.is_file()]
    return found or [path for path in (folder / "transforms.json",) if path.is_file()]


def read_insta(folder: Path, head: HeadModel, held_out_part: float = 0.2) -> FlameFrames:
    """Read a data set; frames come in the order of their pictures' names.

    Parameters
    ----------
    folder : Path
    head : HeadModel
        FLAME.
    held_out_part : float
        Part at the end that nothing is fitted on, where the data set does not tell.

    Raises
    ------
    LikenessError
        Naming the file and the field that is missing or wrong.
    """
    places = find_transforms(folder)
    if not places:
        raise LikenessError(f"{folder} holds no transforms.json; give the folder of an INSTA data set.")
    check_flame(head, folder, EXPRESSIONS, 0)
    entries: dict[str, tuple[str, dict[str, Any]]] = {}
    trained, tested = set(), set()
    for place in places:
        for index, entry in enumerate(frame_list(place, read_object(place))):
            origin = f"{place}, frame {index + 1}"
            name = inner_path(folder, origin, entry, "file_path").relative_to(folder).as_posix()
            entries[name] = (origin, entry)
            (trained if place.stem in ("transforms_train", "transforms") else tested).add(name)
    names = sorted(entries)
    held_out = tuple(index for index, name in enumerate(names) if name not in trained)
    for name in names:
        if not (folder / name).is_file():
            raise LikenessError(f"{entries[name][0]}: there is no picture {folder / name}.")
    width, height, intrinsics = _camera(places, folder / names[0])
    canonical = folder / "canonical.obj"
    identity, off = fit_identity(head, read_obj_vertices(canonical), _canonical_pose())
    if not off <= WORST_FIT:
        raise LikenessError(f"{canonical} is {1e3 * off:.1f} mm off FLAME's heads; take the FLAME it was made with.")
    told = [entries[name] for name in names]
    matrices = np.array([numbers(origin, entry, "transform_matrix", (4, 4)) for origin, entry in told])
    world_to_camera = OPENCV @ np.linalg.inv(rigid(matrices, f"{folder}: field 'transform_matrix'"))
    expression = np.array([_expression(folder, origin, entry) for origin, entry in told])
    meshes = [inner_path(folder, origin, entry, "mesh_path") for origin, entry in told]
    posed, joints_drift = _poses(head, identity, expression, meshes)
    if not np.isfinite(posed.distance).all() or np.median(posed.distance) > WORST_FIT:
        raise LikenessError(
            f"{folder}: meshes are {1e3 * np.median(posed.distance):.1f} mm off FLAME's; see 'exp_path'."
        )
    worst = int(posed.distance.argmax())
    if posed.distance[worst] > WORST_FRAME:
        raise LikenessError(
            f"{meshes[worst]} is {1e3 * posed.distance[worst]:.1f} mm off FLAME with the expression of "
            f"{told[worst][0]}; mend it or leave that frame out."
        )
    world_to_camera[:, :3, 3] += np.einsum("nab,nb->na", world_to_camera[:, :3, :3], posed.translation)
    if (world_to_camera[:, 2, 3] >= 0).any():
        raise LikenessError(f"{folder}: field 'transform_matrix' puts the head behind the camera.")
    has_lids = head.expression_names[-2:] == EYELIDS
    labels = _labels(folder, told)
    # Those of a parser must not hide that others were drawn.
    drawn = any(read_object(place).get("semantic_source") == DRAWN for place in places)
    return FlameFrames(
        width=width,
        height=height,
        intrinsics=intrinsics,
        world_to_camera=world_to_camera,
        identity=identity,
        expression=np.concatenate([expression, posed.eyelids], 1) if has_lids else expression,
        pose=posed.pose,
        pictures=tuple(
            SourcePicture(folder / name, labels=label, classes_in_red=INSTA_CLASSES)
            for name, label in zip(names, labels, strict=True)
        ),
        held_out=held_out if 0 < len(held_out) < len(names) else last_part(len(names), held_out_part),
        joints_drift=joints_drift,
        notes={
            "format": "INSTA",
            "identity fitted to canonical.obj": f"{1e3 * off:.3f} mm rms",
            "poses fitted to meshes": f"{1e3 * float(posed.distance.mean()):.3f} mm rms,"
            f" worst frame {1e3 * float(posed.distance.max()):.3f} mm",
            **({"labels": DRAWN if drawn else PARSED} if labels[0] is not None else {}),
        },
    )


def _camera(places: list[Path], picture: Path) -> tuple[int, int, Floats]:
    width, height = picture_size(picture)
    found = []
    for place in places:
        description = read_object(place)
        told = tuple(number(str(place), description, name) for name in ("w", "h"))
        if told != (width, height):
            raise LikenessError(f"{picture} is {width}x{height} pixels where {place} says {told[0]:g}x{told[1]:g}.")
        found.append(np.array([number(str(place), description, name) for name in ("fl_x", "fl_y", "cx", "cy")]))
        if (found[-1][:2] <= 0).any():
            raise LikenessError(f"{place}: a focal length, fl_x or fl_y, is not positive.")
        check_camera(str(place), width, height, found[-1])
        if not np.allclose(found[-1], found[0], rtol=1e-4):
            raise LikenessError(f"{place} tells of another camera than {places[0]}, which a capture cannot hold.")
    return width, height, found[0]


def _labels(folder: Path, told: list[tuple[str, dict[str, Any]]]) -> list[Path | None]:
    """Where each frame's mask of parts is; nowhere if the data set came without them."""
    places = [
        inner_path(folder, origin, entry, "seg_mask_path") if "seg_mask_path" in entry else None
        for origin, entry in told
    ]
    there = [place is not None and place.is_file() for place in places]
    if any(there) and not all(there):
        missing = there.index(False)
        raise LikenessError(
            f"{told[missing][0]} has no labels ({places[missing] or 'no seg_mask_path'}) where other frames have; add "
            "them, or move the folder of labels away to import without."
        )
    return places if any(there) else [None] * len(places)


def _expression(folder: Path, origin: str, entry: dict[str, Any]) -> Floats:
    place = inner_path(folder, origin, entry, "exp_path")
    weights = text_numbers(place)
    if len(weights) != EXPRESSIONS:
        raise LikenessError(f"{place} holds {len(weights)} numbers where {EXPRESSIONS} are needed.")
    if np.abs(weights).max() > MAXIMUM_WEIGHT:
        raise LikenessError(f"{place} holds an expression weight of {np.abs(weights).max():g}, which no face has.")
    return weights


def _poses(head: HeadModel, identity: Floats, expression: Floats, meshes: list[Path]) -> tuple[Posed, bool]:
    """Poses of all frames, a few meshes in memory at a time, and whether the meshes' joints drift as FLAME's do."""
    chosen = chosen_vertices(head)

    def fitted(flame: FlameVertices, start: int) -> Posed:
        members = slice(start, start + _BATCH)
        vertices = np.stack([read_obj_vertices(mesh)[chosen] for mesh in meshes[members]])
        return fit_poses(flame, identity, expression[members], vertices)

    # FLAME's own data have drifting joints, what a rig exported has not: whichever fits the first meshes better.
    models = {drift: FlameVertices(head, chosen, drift) for drift in (True, False)}
    off = {drift: float(fitted(flame, 0).distance.mean()) for drift, flame in models.items()}
    joints_drift = off[True] <= off[False]
    parts = [fitted(models[joints_drift], start) for start in range(0, len(meshes), _BATCH)]
    joined = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Posed))
    return Posed(*joined), joints_drift


def read_obj_vertices(path: Path) -> Floats:
    """Vertices (5023, 3) of an .obj file of FLAME, metres.

    Raises
    ------
    LikenessError
        If it is missing, damaged or of another mesh.
    """
    try:
        if file_size(path) > _MAXIMUM_OBJ_BYTES:
            raise LikenessError(f"{path} is larger than any mesh of FLAME.")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        vertices = np.array([line.split()[1:4] for line in lines if line.startswith(b"v ")], np.float64)
    except ValueError:
        raise LikenessError(f"{path} holds a vertex that is no three numbers.") from None
    if vertices.shape != (VERTICES, 3):
        raise LikenessError(f"{path} has {len(vertices)} vertices where FLAME has {VERTICES}.")
    if not np.isfinite(vertices).all() or np.abs(vertices).max() > 100:
        raise LikenessError(f"{path} holds vertices that are not finite, or not in metres.")
    return vertices


def _canonical_pose() -> Floats:
    pose = np.zeros((len(JOINTS), 3))
    pose[JOINTS.index("jaw"), 0] = CANONICAL_JAW
    return pose


def write_insta(capture: Capture, folder: Path) -> dict[str, str]:
    """Write a capture as INSTA's data set: the head stands still, and the camera has its motion.

    Meshes, depths and masks are of the posed head model without its eyeballs' triangles, as INSTA's own are; vertices
    are all there. Masks are the capture's labels, or drawn from the head model, see :mod:`.region_labels`. Held-out
    frames are the test set.

    Parameters
    ----------
    capture : Capture
        With any head model of at most 100 expressions besides eyelids; INSTA itself was made for FLAME.
    folder : Path
        New or empty.

    Returns
    -------
    dict of str to str
        What the format cannot hold, by name; empty if nothing is lost.

    Raises
    ------
    LikenessError
        If the capture does not fit the format, or the folder cannot be written.
    """
    head = capture.head
    weights = sum(name not in EYELIDS for name in head.expression_names)
    if weights > EXPRESSIONS:
        raise LikenessError(f"{capture.folder} has {weights} expressions; INSTA's data sets hold {EXPRESSIONS}.")
    try:
        for name in ("images", "meshes", "flame/exp", "depth", "seg_mask"):
            (folder / name).mkdir(parents=True)
    except OSError as error:
        raise LikenessError(f"Cannot write {folder}: {error.strerror}.") from error
    faces = head.faces[~head.regions["eyes"]]
    jaw = np.zeros((4, 3), np.float32)
    jaw[JOINTS.index("jaw") - 1, 0] = CANONICAL_JAW
    canonical = Pose(np.zeros(head.expression_count, np.float32), joint_rotations=jaw)
    _write_obj(folder / "canonical.obj", head.posed(canonical, capture.identity), faces)
    frames = [_write_frame(capture, index, faces, weights, folder) for index in range(len(capture))]

    drawn = not has_semantics(capture) or capture.provenance.get("labels") == DRAWN
    fx, fy, cx, cy = (float(value) for value in capture.intrinsics)
    angles = [2 * math.atan(side / (2 * focal)) for side, focal in ((capture.width, fx), (capture.height, fy))]
    shared = {
        "w": float(capture.width),
        "h": float(capture.height),
        **{"cx": cx, "cy": cy, "fl_x": fx, "fl_y": fy},
        **{"camera_angle_x": angles[0], "camera_angle_y": angles[1]},
        **{"x_fov": math.degrees(angles[0]), "y_fov": math.degrees(angles[1])},
        "integer_depth_scale": 0.001,
        **({"semantic_source": DRAWN} if drawn else {}),
    }
    test = list(capture.held_out) or list(capture.training)[-VALIDATION_FRAMES:]
    sets = {"": range(len(frames)), "_train": capture.training, "_test": test, "_val": test[-VALIDATION_FRAMES:]}
    for name, members in sets.items():
        description = {**shared, "frames": [frames[index] for index in members]}
        write_atomically(folder / f"transforms{name}.json", json.dumps(description, indent=1).encode())
    return {} if head.name == "flame" else {"head": f"INSTA was made for FLAME; these are meshes of {head.name!r}"}


def _write_frame(
    capture: Capture, index: int, faces: npt.NDArray[np.int32], weights: int, folder: Path
) -> dict[str, Any]:
    head, pose, camera = capture.head, capture.pose(index), capture.camera(index)
    posed = head.posed(pose, capture.identity)
    # The frame of reference is what follows the neck: there the head is still.
    neck = np.eye(4)
    joints = head.joints(head.shaped(capture.identity))
    neck[:3] = skinning_transforms(pose, joints)[JOINTS.index("neck")]
    still = (posed.astype(np.float64) - neck[:3, 3]) @ neck[:3, :3]
    camera_to_head = np.linalg.inv(neck) @ camera.camera_to_world.astype(np.float64) @ OPENCV
    name = f"{index:05d}"
    _write_obj(folder / "meshes" / f"{name}.obj", still, faces)
    expression = np.zeros(EXPRESSIONS)
    expression[:weights] = pose.expression[:weights]
    write_atomically(folder / "flame" / "exp" / f"{name}.txt", "".join(f"{w:.8f}\n" for w in expression).encode())
    matte = load_matte(capture, index)
    _write_png(folder / "images" / f"{name}.png", np.dstack([load_frame(capture, index), matte]))
    classes = load_semantics(capture, index) if has_semantics(capture) else parser_labels(capture, index, matte)
    red = np.array(INSTA_CLASSES, np.uint8)[classes]
    _write_png(folder / "seg_mask" / f"{name}.png", np.dstack([red, np.zeros_like(red), np.zeros_like(red)]))
    hits = surface_hits(rasteriser(torch.device("cpu")), posed, torch.from_numpy(faces), camera)
    depth = np.zeros(capture.width * capture.height, np.uint16)
    away = -camera.to_camera(posed)[:, 2][faces[hits.faces.numpy()]]
    depth[hits.pixels.numpy()] = np.rint(1000 * (away * hits.barycentrics.numpy()).sum(1)).clip(0, 65535)
    _write_png(folder / "depth" / f"{name}.png", depth.reshape(capture.height, capture.width))
    return {
        "transform_matrix": camera_to_head.tolist(),
        "file_path": f"images/{name}.png",
        "mesh_path": f"meshes/{name}.obj",
        "exp_path": f"flame/exp/{name}.txt",
        "depth_path": f"depth/{name}.png",
        "seg_mask_path": f"seg_mask/{name}.png",
    }


def _write_obj(path: Path, vertices: npt.NDArray[np.floating], faces: npt.NDArray[np.int32]) -> None:
    lines = [f"v {x:.8f} {y:.8f} {z:.8f}\n" for x, y, z in vertices.tolist()]
    lines += [f"f {a} {b} {c}\n" for a, b, c in (faces + 1).tolist()]
    write_atomically(path, "".join(lines).encode())


def _write_png(path: Path, picture: npt.NDArray[np.integer]) -> None:
    try:
        with replacing(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
    except OSError as error:
        raise LikenessError(f"Cannot write {path}: {error.strerror or error}.") from error
