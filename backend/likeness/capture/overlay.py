"""A video that shows whether tracking can be trusted: landmarks, matte and mesh over the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from .fitting.points import COUNT
from .gaze import IRIS_RADIUS, posed_irises
from .landmarks import LEFT_IRIS, RIGHT_IRIS
from .model import Capture
from .storage import load_frame, load_matte

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SIDE = 512
"""Side of each half of the picture, pixels."""

_SEEN, _OFF, _MATTE = (255, 220, 0), (255, 40, 40), (0, 255, 255)
_SKIN, _EYES = (90, 230, 120), (90, 180, 255)
_SUBPIXEL = 4  # fractional bits of OpenCV's drawing coordinates


def overlay(capture: Capture, predicted: Floats, index: int) -> Picture:
    """One picture (512, 1024, 3) of a frame.

    Left: landmarks seen, red lines to where the rig puts them, and the matte's outline. Right: the posed head model's
    skin and eyeballs as a wire mesh.

    Parameters
    ----------
    capture : Capture
    predicted : (F, 478, 2)
        From :func:`likeness.capture.tracking_report.predicted_landmarks`.
    index : int
    """
    scale = SIDE / capture.width
    left = cv2.resize(load_frame(capture, index), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    right = (left * 0.6).astype(np.uint8)
    matte = cv2.resize(load_matte(capture, index), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    outlines, _ = cv2.findContours((matte > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(left, outlines, -1, _MATTE, 1, cv2.LINE_AA)
    chosen = [*range(COUNT), LEFT_IRIS, RIGHT_IRIS]
    seen, rig = (_fixed(scale * points[index, chosen]) for points in (capture.landmarks, predicted))
    lines = np.stack([seen, rig], 1)
    cv2.polylines(left, list(lines), False, _OFF, 1, cv2.LINE_AA, _SUBPIXEL)
    for x, y in seen:
        cv2.circle(left, (int(x), int(y)), 1 << _SUBPIXEL, _SEEN, -1, cv2.LINE_AA, _SUBPIXEL)
    _draw_mesh(right, capture, index, scale)
    return np.hstack([left, right]).astype(np.uint8)


def write_overlay(capture: Capture, predicted: Floats, path: Path) -> Iterator[int]:
    """Write the overlay of all frames as H.264 video; yields the number of frames done.

    Raises
    ------
    LikenessError
        If the video cannot be written.
    """
    frame_rate: Any = capture.frame_rate  # A fraction serves, whatever the library's default value suggests.
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (2 * SIDE, SIDE),
        fps=frame_rate,
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        ffmpeg_log_level="quiet",
        output_params=["-crf", "23", "-preset", "veryfast"],
    )
    try:
        writer.send(None)
        for index in range(len(capture)):
            writer.send(overlay(capture, predicted, index))
            yield index + 1
    except OSError as error:
        raise LikenessError(f"Cannot write {path}: {error.strerror or 'the video encoder stopped'}.") from error
    finally:
        writer.close()


def _draw_mesh(picture: Picture, capture: Capture, index: int, scale: float) -> None:
    """Draw front-facing triangles of the posed skin, and the irises, in place."""
    head, camera, pose = capture.head, capture.camera(index), capture.pose(index)
    corners = scale * camera.project(head.posed(pose, capture.identity))[head.faces[head.regions["skin"]]]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # Pixels count downwards, so counter-clockwise triangles have a negative area here.
    facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
    wires = np.zeros_like(picture)
    cv2.polylines(wires, list(_fixed(corners[facing])), True, _SKIN, 1, cv2.LINE_8, _SUBPIXEL)
    np.maximum(picture, (0.55 * wires).astype(np.uint8), out=picture)
    rings = scale * camera.project(posed_irises(head, capture.identity, pose, radius=IRIS_RADIUS, corners=24))
    cv2.polylines(picture, list(_fixed(rings)), True, _EYES, 1, cv2.LINE_AA, _SUBPIXEL)


def _fixed(points: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    """Pixel positions as OpenCV's fixed-point numbers; its pixel centres are at whole numbers, ours at halves."""
    return np.rint((points - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)
