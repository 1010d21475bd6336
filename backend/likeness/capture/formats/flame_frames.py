"""Between FLAME's parameters, as data sets keep them, and a capture: one picture, two ways to say who moves.

A data set gives, per frame, a rigid world-to-camera transform and FLAME's expression and pose (axis-angle of root,
neck, jaw, left eye, right eye). :class:`FlameFrames` holds that in our units and axes (:mod:`likeness.camera`). Two
conversions leave every projected point where it is:

* :func:`capture_of` makes the camera stand still. With A_f the camera's transform of frame f and G_f the root's,
  x -> R_f (x - J) + J + t_f, the product A_f G_f is what is seen; for one camera C the root moves by
  G'_f = C^-1 A_f G_f. C is chosen so that the head rests in the world as it does in its own space: its turn is the mean
  of A_f R_f, its position puts the mean root joint at rest.
* :func:`flame_frames_of` gives all motion to the root, and the camera no rotation: C G_f with the turn of C in the
  root, as IMavatar's data have it.

FLAME's joints drift with the expression where ours stay; see :mod:`likeness.head.flame_joints`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ...errors import LikenessError
from ...head.flame_joints import drift_translation
from ...head.model import HeadModel
from ...rig import JOINTS, rotation_matrices
from ..checks import LANDMARKS
from ..model import Capture
from ..storage import picture_names

Floats = npt.NDArray[np.float64]

DEFAULT_FRAME_RATE = 25.0
"""Frames per second where a format does not tell; the field's data sets are mostly filmed at this."""

FOCAL_OVER_SIDE = (0.1, 100.0)
"""Focal lengths of possible cameras, in multiples of the picture's longer side: views of 157 to half a degree."""

CENTRE_OVER_SIDE = 10.0
"""How far the principal point may lie from the corner, in the same measure: a small part of a large picture."""


@dataclass(frozen=True)
class SourcePicture:
    """Where a frame's picture and matte come from.

    Attributes
    ----------
    picture : Path
        RGB, RGBA or grey.
    matte : Path, optional
        A grey picture; without it the picture's own transparency, then the labels, then a segmentation network.
    labels : Path, optional
        A picture of class numbers, zero for the background.
    classes_in_red : tuple of int
        The values by which the red channel of ``labels`` tells classes 0, 1, 2, ...; empty if it is the numbers.
    """

    picture: Path
    matte: Path | None = None
    labels: Path | None = None
    classes_in_red: tuple[int, ...] = ()


@dataclass(frozen=True)
class FlameFrames:
    """A data set's frames in FLAME's terms; N frames.

    Attributes
    ----------
    width, height : int
        Pixels.
    intrinsics : (4,)
        fx, fy, cx, cy in pixels, focal lengths positive.
    world_to_camera : (N, 4, 4)
        Rigid, metres, from FLAME's space to a camera with x right, y up, z towards the viewer.
    identity : (<= 300,)
    expression : (N, <= E)
    pose : (N, 5, 3)
        Axis-angle of root, neck, jaw, left eye, right eye, radians; the root turns about FLAME's root joint.
    pictures : tuple of SourcePicture
    held_out : tuple of int
    joints_drift : bool
        Whether the parameters mean FLAME's own joints, which drift with the expression, or a rig's, which do not.
    notes : dict of str to str
        Goes into the capture's provenance.
    """

    width: int
    height: int
    intrinsics: Floats
    world_to_camera: Floats
    identity: Floats
    expression: Floats
    pose: Floats
    pictures: tuple[SourcePicture, ...]
    held_out: tuple[int, ...]
    joints_drift: bool = True
    notes: dict[str, str] = field(default_factory=dict)


def check_flame(head: HeadModel, origin: Path, expressions: int, identities: int) -> None:
    """Make sure that a head model can carry a data set's parameters.

    Raises
    ------
    LikenessError
        If it is not FLAME, or has been reduced.
    """
    if head.name != "flame":
        raise LikenessError(
            f"{origin} holds FLAME's parameters, which the {head.name!r} head cannot carry; give your own FLAME model"
            " with --head."
        )
    own = sum(name.startswith("expression_") for name in head.expression_names)
    if own < expressions or len(head.identity_basis) < identities:
        raise LikenessError(
            f"{origin} has {expressions} expressions and {identities} identity coefficients, the head model only {own}"
            f" and {len(head.identity_basis)}."
        )


def check_camera(origin: str, width: int, height: int, intrinsics: Floats) -> None:
    """Make sure that fx, fy, cx, cy in pixels are those of a camera that may have taken pictures of this size.

    Raises
    ------
    LikenessError
        If they are so far off that they are in other units, or of another picture.
    """
    side = max(width, height)
    fx, fy, cx, cy = intrinsics.tolist()
    if not FOCAL_OVER_SIDE[0] * side <= min(fx, fy) <= max(fx, fy) <= FOCAL_OVER_SIDE[1] * side:
        raise LikenessError(
            f"{origin} makes focal lengths of {fx:.4g} and {fy:.4g} pixels for pictures of {width}x{height}; check its "
            "units."
        )
    if max(abs(cx), abs(cy)) > CENTRE_OVER_SIDE * side:
        raise LikenessError(
            f"{origin} puts the centre at {cx:.4g}, {cy:.4g} in pictures of {width}x{height} pixels; check its units."
        )


def capture_of(frames: FlameFrames, head: HeadModel, frame_rate: float, picture_suffix: str) -> Capture:
    """A capture, not yet on disk and without landmarks, that shows what the data set shows.

    Parameters
    ----------
    frames : FlameFrames
    head : HeadModel
        FLAME.
    frame_rate : float
    picture_suffix : str
        Format of the frames to write: ``".png"`` or ``".jpg"``.
    """
    count = len(frames.pictures)
    expression = np.zeros((count, head.expression_count))
    expression[:, : frames.expression.shape[1]] = frames.expression
    shift = np.zeros((count, 3))
    if frames.joints_drift:
        shift = drift_translation(head, frames.expression, frames.pose[:, 0], frames.pose[:, 1])
    joint = head.joints(head.shaped(frames.identity))[JOINTS.index("root")].astype(np.float64)
    turn = rotation_matrices(frames.pose[:, 0]).astype(np.float64)
    if not count or not np.isfinite(frames.world_to_camera).all():
        raise LikenessError("A data set without frames, or with cameras that are not finite, makes no capture.")
    # What is seen: A_f G_f.
    seen_turn = frames.world_to_camera[:, :3, :3] @ turn
    place = _apply(frames.world_to_camera, joint + shift)

    usual = Rotation.from_matrix(seen_turn).mean().as_matrix()
    origin = place.mean(0) - usual @ joint
    camera_to_world = np.eye(4)
    camera_to_world[:3, :3] = usual.T
    camera_to_world[:3, 3] = -usual.T @ origin
    return Capture(
        folder=Path(),
        head=head,
        identity=frames.identity.astype(np.float32),
        width=frames.width,
        height=frames.height,
        intrinsics=frames.intrinsics.astype(np.float32),
        camera_to_world=np.tile(camera_to_world.astype(np.float32), (count, 1, 1)),
        expression=expression.astype(np.float32),
        root_rotation=Rotation.from_matrix(usual.T @ seen_turn).as_rotvec().astype(np.float32),
        root_translation=((place - origin) @ usual - joint).astype(np.float32),
        joint_rotations=frames.pose[:, 1:].astype(np.float32),
        landmarks=np.full((count, LANDMARKS, 2), np.nan, np.float32),
        frames=picture_names("frames", count, picture_suffix),
        mattes=picture_names("mattes", count, ".png"),
        held_out=frames.held_out,
        frame_rate=frame_rate,
        provenance=dict(frames.notes),
    )


def flame_frames_of(capture: Capture, expressions: int, identities: int) -> FlameFrames:
    """A capture in FLAME's terms: all of the camera's turn is given to the root, so that cameras only shift.

    Parameters
    ----------
    capture : Capture
        With a FLAME head.
    expressions, identities : int
        How many coefficients to keep of each; further ones are left out.
    """
    head = capture.head
    shaped = head.shaped(capture.identity[:identities])
    joint = head.joints(shaped)[JOINTS.index("root")].astype(np.float64)
    camera = np.linalg.inv(capture.camera_to_world.astype(np.float64))
    turn = camera[:, :3, :3] @ rotation_matrices(capture.root_rotation).astype(np.float64)
    pose = np.concatenate(
        [Rotation.from_matrix(turn).as_rotvec()[:, None], capture.joint_rotations.astype(np.float64)], 1
    )
    expression = capture.expression[:, :expressions].astype(np.float64)
    shift = drift_translation(head, expression, pose[:, 0], pose[:, 1])
    place = _apply(camera, joint + capture.root_translation.astype(np.float64))
    world_to_camera = np.tile(np.eye(4), (len(capture), 1, 1))
    # The root joint is seen at `place`; FLAME without a translation leaves it at `joint`, plus the drift's share.
    world_to_camera[:, :3, 3] = place - joint - shift
    return FlameFrames(
        width=capture.width,
        height=capture.height,
        intrinsics=capture.intrinsics.astype(np.float64),
        world_to_camera=world_to_camera,
        identity=capture.identity[:identities].astype(np.float64),
        expression=expression,
        pose=pose,
        pictures=tuple(
            SourcePicture(capture.folder / frame, capture.folder / matte)
            for frame, matte in zip(capture.frames, capture.mattes, strict=True)
        ),
        held_out=capture.held_out,
    )


def rigid(matrix: Floats, origin: str) -> Floats:
    """The rigid transforms (N, 4, 4) nearest to matrices (N, 4, 4) that are rigid up to rounding.

    Raises
    ------
    LikenessError
        If a matrix mirrors, scales or shears.
    """
    turn = matrix[:, :3, :3]
    u, scale, vt = np.linalg.svd(turn)
    if np.abs(scale - 1).max() > 1e-3 or (np.linalg.det(turn) < 0).any():
        raise LikenessError(f"{origin} is not a rigid transform; make the data set again.")
    if not np.allclose(matrix[:, 3], [0, 0, 0, 1]):
        raise LikenessError(f"{origin} has a last row other than 0 0 0 1; make the data set again.")
    result = np.tile(np.eye(4), (len(matrix), 1, 1))
    result[:, :3, :3] = u @ vt
    result[:, :3, 3] = matrix[:, :3, 3]
    return result


def last_part(count: int, part: float) -> tuple[int, ...]:
    """Frames at the end that nothing is fitted on, where a data set names none."""
    return tuple(range(count - round(part * count), count))


def _apply(transforms: Floats, points: Floats) -> Floats:
    """Points (N, 3) or (3,) under transforms (N, 4, 4)."""
    return (
        np.einsum("nab,nb->na", transforms[:, :3, :3], np.broadcast_to(points, (len(transforms), 3)))
        + (transforms[:, :3, 3])
    )
