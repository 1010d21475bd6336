"""A capture: what was filmed and what was found out about it, as a folder on disk.

    capture.json            what the rest means: version, head, camera, frame rate, held-out frames, provenance
    parameters.safetensors  per frame: expression, root, joints, landmarks, camera where it moves
    head.safetensors        the head model, unless it is the built-in stand-in
    frames/00000.jpg        pictures, sRGB, .jpg or .png
    mattes/00000.png        8-bit soft mattes: 255 is the person
    semantics/00000.png     a face parser's class of every pixel, named as the frame is; only some captures have them

World space is the head model's own space at its rest pose: metres, +Y up, +Z out of the face. Camera convention:
:mod:`likeness.camera`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..camera import Camera
from ..head.model import HeadModel
from ..head_turns import head_turns
from ..rig import POSED_JOINTS, Pose

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Capture:
    """A filmed head with its tracked parameters; N frames.

    Attributes
    ----------
    folder : Path
        Where pictures lie.
    head : HeadModel
    identity : (I,) float32
        Identity coefficients of the head model.
    width, height : int
        Size of the pictures, pixels.
    intrinsics : (4,) float32
        fx, fy, cx, cy in pixels.
    camera_to_world : (N, 4, 4) float32
    expression : (N, E) float32
    root_rotation, root_translation : (N, 3) float32
    joint_rotations : (N, 4, 3) float32
    landmarks : (N, 478, 2) float32
        MediaPipe's points in pixels, the last ten on the irises; NaN where not seen.
    frames, mattes : tuple of str
        Paths inside the folder, with forward slashes.
    held_out : tuple of int
        Frames that nothing may be fitted on, ascending.
    frame_rate : float
        Frames per second.
    provenance : dict
        Where the capture came from, by what, under which licence; goes into the avatar's report.
    """

    folder: Path
    head: HeadModel
    identity: Array
    width: int
    height: int
    intrinsics: Array
    camera_to_world: Array
    expression: Array
    root_rotation: Array
    root_translation: Array
    joint_rotations: Array
    landmarks: Array
    frames: tuple[str, ...]
    mattes: tuple[str, ...]
    held_out: tuple[int, ...]
    frame_rate: float
    provenance: dict[str, str]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def training(self) -> tuple[int, ...]:
        """Frames that may be fitted on, ascending."""
        held_out = set(self.held_out)
        return tuple(index for index in range(len(self)) if index not in held_out)

    @property
    def head_turns(self) -> Array:
        """Yaw and pitch (N, 2) of the head against the camera, degrees, see :func:`likeness.head_turns.head_turns`."""
        neck = self.joint_rotations[:, POSED_JOINTS.index("neck")]
        return head_turns(self.root_rotation, neck, self.camera_to_world)

    def pose(self, index: int) -> Pose:
        """The tracked pose of one frame."""
        return Pose(
            self.expression[index],
            self.root_rotation[index],
            self.root_translation[index],
            self.joint_rotations[index],
        )

    def camera(self, index: int) -> Camera:
        """The camera of one frame, at the pictures' own size."""
        fx, fy, cx, cy = (float(value) for value in self.intrinsics)
        return Camera(self.width, self.height, fx, fy, cx, cy, self.camera_to_world[index])
