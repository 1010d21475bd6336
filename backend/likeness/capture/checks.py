"""Whether the fields of a capture agree with one another, wherever they came from."""

from __future__ import annotations

import numpy as np

from ..errors import LikenessError
from ..rig import POSED_JOINTS
from .model import Capture
from .pictures import MAXIMUM_SIDE

LANDMARKS = 478
MAXIMUM_FRAMES = 100_000


def check_fields(capture: Capture, origin: str) -> None:
    """Check that a capture's fields agree with one another; the pictures are not looked at.

    Parameters
    ----------
    capture : Capture
    origin : str
        Where the capture came from, for the message.

    Raises
    ------
    LikenessError
        Naming the first field that is wrong.
    """

    def wrong(field: str, problem: str) -> LikenessError:
        return LikenessError(f"{origin}: field {field!r} {problem}; make the capture again.")

    count = len(capture.frames)
    for name in ("width", "height"):
        if not 0 < getattr(capture, name) <= MAXIMUM_SIDE:
            raise wrong(name, f"is {getattr(capture, name)} where 1 to {MAXIMUM_SIDE} pixels are possible")
    if not 0 < count <= MAXIMUM_FRAMES:
        raise wrong("frames", f"names {count} pictures where 1 to {MAXIMUM_FRAMES} are possible")
    if len(capture.mattes) != count:
        raise wrong("mattes", f"names {len(capture.mattes)} pictures for {count} frames")
    expected = {
        "intrinsics": (4,),
        "camera_to_world": (count, 4, 4),
        "expression": (count, capture.head.expression_count),
        "root_rotation": (count, 3),
        "root_translation": (count, 3),
        "joint_rotations": (count, len(POSED_JOINTS), 3),
        "landmarks": (count, LANDMARKS, 2),
    }
    for name, shape in expected.items():
        if getattr(capture, name).shape != shape:
            raise wrong(name, f"has the shape {getattr(capture, name).shape} where {shape} is needed")
    modes = len(capture.head.identity_basis)
    if capture.identity.ndim != 1 or len(capture.identity) > modes:
        raise wrong("identity", f"has the shape {capture.identity.shape} where at most ({modes},) is possible")
    for name in ("identity", *expected):
        value = getattr(capture, name)
        # A landmark that was not seen is NaN.
        if np.isinf(value).any() or (name != "landmarks" and np.isnan(value).any()):
            raise wrong(name, "holds numbers that are not finite")
    if not (capture.intrinsics[:2] > 0).all():
        raise wrong("intrinsics", "has a focal length that is not positive")
    rotations = capture.camera_to_world[:, :3, :3]
    rigid = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < 1e-3
    if not rigid or (np.linalg.det(rotations) < 0).any() or (capture.camera_to_world[:, 3] != [0, 0, 0, 1]).any():
        raise wrong("camera_to_world", "is not a rigid transform")
    if not 0 < capture.frame_rate <= 1000:
        raise wrong("frame_rate", f"is {capture.frame_rate} where up to 1000 frames per second are possible")
    held_out = capture.held_out
    if list(held_out) != sorted(set(held_out)) or (held_out and not 0 <= held_out[0] <= held_out[-1] < count):
        raise wrong("held_out", f"is not an ascending list of frames from 0 to {count - 1}")
    if len(held_out) == count:
        raise wrong("held_out", "leaves no frame to train on")
