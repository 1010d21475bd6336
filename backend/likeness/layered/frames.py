"""A capture's pictures, mattes, face masks and cameras at a working size; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..camera import Camera
from ..capture.model import Capture
from ..errors import LikenessError

SOLID = 240
"""Matte from which a pixel counts as all person, 0..255."""

KEPT_BYTES = 2**28
"""Memory for frames that were read: all frames of ten seconds at 512 pixels. Others are read again when they are asked
for, which takes some milliseconds."""


class FilmedFrame(NamedTuple):
    """What was filmed in one frame, at the working size.

    Attributes
    ----------
    picture : (H, W, 3) uint8
        sRGB-encoded.
    matte : (H, W) uint8
        255 is the person.
    face_mask : (H, W) bool
        Inside of the convex hull of the landmarks; empty where the face was not seen.
    """

    picture: torch.Tensor
    matte: torch.Tensor
    face_mask: torch.Tensor


@dataclass(frozen=True)
class TrainingFrames:
    """N frames of a capture, resized by area so that none of the original pixels is skipped.

    Attributes
    ----------
    film : callable
        Gives the :class:`FilmedFrame` of an index.
    device : torch.device
        Where tensors are.
    cameras : tuple of Camera
        At the working size.
    expression : (N, E) float32
    root_rotation, root_translation : (N, 3) float32
    joint_rotations : (N, 4, 3) float32
    training, held_out : tuple of int
        Frames that may, and that may not, be fitted on.
    """

    film: Callable[[int], FilmedFrame]
    device: torch.device
    cameras: tuple[Camera, ...]
    expression: torch.Tensor
    root_rotation: torch.Tensor
    root_translation: torch.Tensor
    joint_rotations: torch.Tensor
    training: tuple[int, ...]
    held_out: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the working pictures, pixels."""
        return self.cameras[0].width, self.cameras[0].height


def load_frames(
    capture: Capture, longer_side: int, device: torch.device | str = "cpu", *, clean_outlines: bool = True
) -> TrainingFrames:
    """Read a capture's pictures at a working size.

    Parameters
    ----------
    capture : Capture
    longer_side : int
        Size of the longer side, pixels; pictures are never enlarged.
    device : torch.device or str
        Where the tensors shall live.
    clean_outlines : bool
        Remove what shines through at outlines, see :func:`without_background`.

    Raises
    ------
    LikenessError
        If a picture or a matte cannot be read, or has another size than the capture says.
    """
    width, height = working_size(capture, longer_side)
    kept = max(1, KEPT_BYTES // (5 * width * height))
    film = lru_cache(kept)(partial(_filmed, capture, (width, height), torch.device(device), clean_outlines))
    for index in range(len(capture)):
        # A picture that cannot be read is told now and not after minutes.
        film(index)
    return TrainingFrames(
        film=film,
        device=torch.device(device),
        cameras=tuple(capture.camera(index).resized(width, height) for index in range(len(capture))),
        expression=_tensor(capture.expression, device),
        root_rotation=_tensor(capture.root_rotation, device),
        root_translation=_tensor(capture.root_translation, device),
        joint_rotations=_tensor(capture.joint_rotations, device),
        training=capture.training,
        held_out=capture.held_out,
    )


def working_size(capture: Capture, longer_side: int) -> tuple[int, int]:
    """Width and height of a capture's pictures, pixels, so that the longer side is ``longer_side``, or its own."""
    scale = min(1.0, longer_side / max(capture.width, capture.height))
    return max(1, round(capture.width * scale)), max(1, round(capture.height * scale))


def _filmed(
    capture: Capture, size: tuple[int, int], device: torch.device, clean_outlines: bool, index: int
) -> FilmedFrame:
    picture = _read(capture, capture.frames[index], cv2.IMREAD_COLOR)
    picture = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    matte = _read(capture, capture.mattes[index], cv2.IMREAD_GRAYSCALE)
    matte = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    picture = without_background(picture, matte) if clean_outlines else picture
    mask = face_mask(capture.landmarks[index] * np.divide(size, (capture.width, capture.height)), *size)
    return FilmedFrame(*(torch.as_tensor(values, device=device) for values in (picture, matte, mask)))


def without_background(picture: npt.NDArray[Any], matte: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A picture whose outlines have the person's colour, not a mixture with what was behind.

    Where the matte says that a pixel is partly background, its colour is a mixture. An avatar that learns it carries a
    fringe of the filmed room. Such pixels take the colour of the nearest one that is all person, the more, the less of
    the person they show.

    Parameters
    ----------
    picture : (H, W, 3) uint8
    matte : (H, W) uint8

    Returns
    -------
    (H, W, 3) uint8
    """
    solid = matte >= SOLID
    if not solid.any():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Every solid pixel has a label of its own; the others have that of the nearest.
    labels = np.asarray(labels, np.intp)
    colours = np.zeros((labels.max() + 1, 3), np.float32)
    colours[labels[solid]] = picture[solid]
    own = np.clip((matte.astype(np.float32) - SOLID / 2) / (SOLID / 2), 0, 1)[..., None]
    return np.rint(own * picture + (1 - own) * colours[labels]).astype(np.uint8)


def spread(indices: tuple[int, ...], count: int) -> list[int]:
    """At most ``count`` of the indices, evenly spread."""
    chosen = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    return [indices[place] for place in chosen]


def showing_somebody(frames: TrainingFrames, indices: list[int]) -> list[int]:
    """Those of some frames whose matte shows anybody; one that failed altogether tells nothing of an outline."""
    return [index for index in indices if bool((frames.film(index).matte > 127).any())]


def face_mask(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Inside of the landmarks' convex hull.

    Parameters
    ----------
    landmarks : (P, 2)
        Pixels; rows that are not finite are left out.
    width, height : int

    Returns
    -------
    (height, width) bool
    """
    mask = np.zeros((height, width), np.uint8)
    seen = landmarks[np.isfinite(landmarks).all(1)]
    if len(seen) >= 3:
        # Pixel (0, 0) covers 0..1, and OpenCV counts from pixel centres.
        hull = cv2.convexHull(np.floor(seen).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, (1,))
    return mask.astype(bool)


def _read(capture: Capture, name: str, flags: int) -> np.ndarray:
    path = capture.folder / name
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise LikenessError(f"Cannot read {path}: it is missing or not a picture. Track the capture again.")
    if picture.shape[:2] != (capture.height, capture.width):
        found, wanted = f"{picture.shape[1]}x{picture.shape[0]}", f"{capture.width}x{capture.height}"
        raise LikenessError(f"{path} measures {found} pixels, but the capture says {wanted}. Track it again.")
    return picture


def _tensor(values: np.ndarray, device: torch.device | str) -> torch.Tensor:
    return torch.tensor(np.asarray(values, np.float32), device=device)
