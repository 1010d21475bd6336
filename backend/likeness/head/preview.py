"""A contact picture of any head model: what it looks like, how it is rigged, and each of its expressions."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ..files import write_atomically
from ..rig import JOINTS, Pose
from .model import HeadModel
from .shading import View, draw, reduced

TILE = 240
"""Pixels of an expression's tile; the first two rows have tiles of twice that."""
LARGE = 480
COLUMNS = 8
STRONG = 2.5
"""Weight at which an expression without limits is shown: two and a half standard deviations."""
SHOWN_COMPONENTS = 48
"""Expressions without limits that are shown: principal components, of which later ones hardly move anything."""
JOINT_COLOURS = np.array([[0.55, 0.55, 0.55], [0.2, 0.45, 0.8], [0.85, 0.35, 0.2], [0.3, 0.7, 0.3], [0.75, 0.7, 0.2]])


def preview(head: HeadModel, path: Path) -> None:
    """Write a contact picture (PNG) of a head model.

    The template from four sides; the joints with the skin weights in their colours, from the front and the left, the
    jaw turned, and the head nodding; then every expression at its highest sensible weight, with its name (of principal
    components only the first).

    Raises
    ------
    LikenessError
        If the picture cannot be written.
    """
    view = _framed(head)
    rows = [_row([_shaded(head, head.template, replace(view, yaw=yaw)) for yaw in (0, 40, 90, 180)])]
    rows.append(_row(_rigged(head, view)))
    face = _framed_face(head)
    tiles, components = [], 0
    for number, name in enumerate(head.expression_names):
        highest = head.expression_range[number, 1]
        components += not np.isfinite(highest)
        if not np.isfinite(highest) and components > SHOWN_COMPONENTS:
            continue
        weights = np.zeros(head.expression_count, np.float32)
        weights[number] = highest if np.isfinite(highest) else STRONG
        tiles.append(_labelled(_shaded(head, head.posed(Pose(weights)), face, TILE), name))
    blank = np.zeros((TILE, TILE, 3))
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows += [_row(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    stream = io.BytesIO()
    Image.fromarray(_bytes(np.concatenate(rows))).save(stream, "PNG")
    write_atomically(path, stream.getvalue())


def _framed(head: HeadModel) -> View:
    low, high = head.template.min(0), head.template.max(0)
    middle = (low + high) / 2
    extent = 1.12 * float((high - low).max())
    return View(centre=(float(middle[0]), float(middle[1]), float(middle[2])), extent=extent)


def _framed_face(head: HeadModel) -> View:
    used = np.unique(head.faces[head.regions["face"]])
    low, high = head.template[used].min(0), head.template[used].max(0)
    middle = (low + high) / 2
    return View(
        yaw=12,
        centre=(float(middle[0]), float(middle[1] - 0.01), float(middle[2])),
        extent=1.2 * float(high[1] - low[1]),
    )


def _shaded(head: HeadModel, points: npt.NDArray[np.floating], view: View, size: int = 0) -> npt.NDArray:
    return reduced(draw(head, points, view, 2 * (size or LARGE))[0], 2)


def _rigged(head: HeadModel, view: View) -> list[npt.NDArray]:
    """Skin weights and joints from two sides, the jaw turned by 20 degrees, and a nod of 20 degrees."""
    colours = (head.skin_weights @ JOINT_COLOURS)[head.faces]
    pictures = []
    for yaw in (0, 90):
        aside = replace(view, yaw=yaw)
        picture = reduced(draw(head, head.template, aside, 2 * LARGE, colours)[0], 2)
        pictures.append(_marked(picture, aside, head.joints()))
    for joint, name in ((1, "jaw joint"), (0, "neck joint")):
        pose = head.neutral()
        pose.joint_rotations[joint, 0] = np.radians(20)
        pictures.append(_labelled(_shaded(head, head.posed(pose), replace(view, yaw=40)), name))
    return pictures


def _marked(picture: npt.NDArray, view: View, joints: npt.NDArray[np.floating]) -> npt.NDArray:
    pixels, _ = view.project(joints, len(picture))
    image = Image.fromarray(_bytes(picture))
    pen = ImageDraw.Draw(image)
    for (x, y), name in zip(pixels.tolist(), JOINTS, strict=True):
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(255, 255, 255), outline=(0, 0, 0))
        pen.text((x + 7, y - 6), name, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(image) / 255


def _labelled(picture: npt.NDArray, name: str) -> npt.NDArray:
    image = Image.fromarray(_bytes(picture))
    ImageDraw.Draw(image).text((6, 4), name, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(image) / 255


def _row(tiles: list[npt.NDArray]) -> npt.NDArray:
    return np.concatenate(tiles, 1)


def _bytes(picture: npt.NDArray) -> npt.NDArray[np.uint8]:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
