"""Pictures as evaluation sees them: resized, laid over a background in linear light, encoded, saved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..asset.layered import LayeredAvatar
from ..camera import Camera
from ..capture.model import Capture
from ..capture.storage import load_frame, load_matte
from ..errors import LikenessError
from ..files import write_atomically
from ..rig import JOINTS
from ..runtime.colour import linear_to_srgb, srgb_to_linear
from .metrics import face_mask

Array = npt.NDArray[np.float32]
WHITE = (1.0, 1.0, 1.0)
CAPTION = 18
"""Height of a line of text below or above pictures, pixels."""

_FONT, _INDENT = (cv2.FONT_HERSHEY_SIMPLEX, 0.42), 4


@dataclass(frozen=True)
class Truth:
    """What the camera saw, prepared for comparing.

    Attributes
    ----------
    picture : (H, W, 3) float32
        sRGB 0..1, the person over white by the soft matte, mixed in linear light.
    matte : (H, W) float32
        The soft matte, 0..1.
    face : (H, W) bool
        Convex hull of the face's landmarks.
    """

    picture: Array
    matte: Array
    face: npt.NDArray[np.bool_]

    @property
    def foreground(self) -> npt.NDArray[np.bool_]:
        """Pixels that belong more to the person than to what is behind: matte over a half."""
        return self.matte > 0.5


def truth(capture: Capture, index: int, size: int) -> Truth:
    """The ground truth of one frame at ``size`` x ``size`` pixels."""
    frame = cv2.resize(load_frame(capture, index), (size, size), interpolation=cv2.INTER_AREA)
    matte = cv2.resize(load_matte(capture, index), (size, size), interpolation=cv2.INTER_AREA)
    coverage = matte.astype(np.float32) / 255
    linear = srgb_to_linear(frame.astype(np.float32) / 255)
    scale = np.array([size / capture.width, size / capture.height], np.float32)
    return Truth(
        over(np.concatenate([linear * coverage[..., None], coverage[..., None]], -1)),
        coverage,
        face_mask(capture.landmarks[index] * scale, size, size),
    )


def averaged(picture: Array, times: int) -> Array:
    """A linear, premultiplied picture (times H, times W, C) as (H, W, C), each pixel the mean of its samples."""
    height, width, channels = picture.shape
    return picture.reshape(height // times, times, width // times, times, channels).mean((1, 3), dtype=np.float32)


def over(picture: Array, background: tuple[float, float, float] = WHITE) -> Array:
    """Lay a linear, premultiplied RGBA picture over a linear colour; returns sRGB (H, W, 3), 0..1."""
    mixed = picture[..., :3] + (1 - picture[..., 3:]) * np.array(background, np.float32)
    return linear_to_srgb(np.clip(mixed, 0, 1)).astype(np.float32)


def to_bytes(picture: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Round a picture of 0..1 to 8 bits."""
    return np.round(np.clip(np.asarray(picture, np.float32), 0, 1) * 255).astype(np.uint8)


def save_srgb(picture: npt.NDArray[np.uint8], path: Path) -> None:
    """Write an 8-bit RGB or RGBA picture as PNG, whole or not at all."""
    order = cv2.COLOR_RGBA2BGRA if picture.shape[-1] == 4 else cv2.COLOR_RGB2BGR
    write_atomically(path, cv2.imencode(".png", cv2.cvtColor(picture, order))[1].tobytes())


def save_picture(picture: Array, path: Path) -> None:
    """Write a linear, premultiplied RGBA picture as an sRGB PNG with straight alpha."""
    alpha = picture[..., 3:]
    straight = picture[..., :3] / np.maximum(alpha, 1e-6)
    save_srgb(to_bytes(np.concatenate([linear_to_srgb(np.clip(straight, 0, 1)), alpha], -1)), path)


def load_straight(path: Path) -> Array:
    """Read an sRGB PNG with straight alpha as a linear, premultiplied RGBA picture.

    Raises
    ------
    LikenessError
        If there is no such picture.
    """
    encoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if encoded is None or encoded.ndim != 3 or encoded.shape[-1] != 4:
        raise LikenessError(f"There is no RGBA picture at {path}; render it again.")
    highest = 65535 if encoded.dtype == np.uint16 else 255
    straight = cv2.cvtColor(encoded, cv2.COLOR_BGRA2RGBA).astype(np.float32) / highest
    alpha = straight[..., 3:]
    return np.concatenate([srgb_to_linear(straight[..., :3]) * alpha, alpha], -1).astype(np.float32)


def portrait_camera(avatar: LayeredAvatar, size: int, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """A camera that looks at an avatar's whole head, turned about it.

    Parameters
    ----------
    avatar : LayeredAvatar
    size : int
        Side of the square picture, pixels.
    yaw, pitch : float
        Radians; positive yaw moves the camera to the subject's left, positive pitch upwards.
    """
    outermost = avatar.layers[-1].positions
    above = outermost[outermost[:, 1] > avatar.joints[JOINTS.index("neck"), 1]]
    # A file may hold anything, a head below its own neck too.
    above = above if len(above) else outermost
    low, high = above.min(0), above.max(0)
    centre, extent = (low + high) / 2, float((high - low)[:2].max()) * 1.35
    focal = 2.4 * size
    distance = extent * focal / size
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    backward = np.array([sy * cp, sp, cy * cp])
    right = np.array([cy, 0.0, -sy])
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = np.stack([right, np.cross(backward, right), backward], 1)
    matrix[:3, 3] = centre + backward * distance
    return Camera(size, size, focal, focal, size / 2, size / 2, matrix)


def captioned(strip: npt.NDArray[np.uint8], text: str, lines: int = 1) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) with text below it, in a bar of so many lines or more, as it needs."""
    parts = caption_lines(text, strip.shape[1])
    bar = np.full((CAPTION * max(lines, len(parts)), strip.shape[1], 3), 255, np.uint8)
    for number, part in enumerate(parts, 1):
        write_text(bar, part, (_INDENT, CAPTION * number - 5))
    return np.concatenate([strip, bar])


def caption_lines(text: str, width: int) -> list[str]:
    """A caption in lines that fit below a picture of this width, pixels; a longer word stands alone."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and cv2.getTextSize(longer, *_FONT, 1)[0][0] <= width - 2 * _INDENT:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write_text(picture: npt.NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    """Write dark text into a picture (H, W, 3), its lower left corner at ``place`` (x, y), pixels."""
    cv2.putText(picture, text, place, *_FONT, (40, 40, 40), 1, cv2.LINE_AA)
