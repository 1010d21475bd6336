"""Two rows of teeth with gums, and the tongue."""

from __future__ import annotations

import numpy as np

from .distance import Array
from .part import Indices, Part, grid_faces, simple_part

UPPER_WIDTHS = (0.86, 0.66, 0.76, 0.70, 0.68, 0.95)
LOWER_WIDTHS = (0.54, 0.58, 0.66, 0.70, 0.70, 1.0)
"""Widths of the teeth from the midline backwards, cm (averages of dental anatomy)."""
UPPER_EDGE, UPPER_GUM = -4.28, -3.3
LOWER_EDGE, LOWER_GUM = -4.12, -4.95
UPPER_FRONT, LOWER_FRONT = 9.27, 8.97
"""Heights of the biting edges and gum lines, and depth of the front teeth, cm."""
ARCH = 0.13, 0.027
"""How fast an arch falls back from the front teeth, by the second and the fourth power of the distance from them."""
FURROW = 0.07
"""How far a point where two teeth meet lies behind their necks, cm."""


def upper_teeth() -> Part:
    """The upper row."""
    return _row("upper teeth", UPPER_WIDTHS, UPPER_FRONT, UPPER_EDGE, UPPER_GUM)


def lower_teeth() -> Part:
    """The lower row; it bites just behind the upper one."""
    return _row("lower teeth", LOWER_WIDTHS, LOWER_FRONT, LOWER_EDGE, LOWER_GUM)


def upper_gums() -> Part:
    """The upper gums."""
    return _gums("upper gums", UPPER_WIDTHS, UPPER_FRONT, UPPER_GUM, UPPER_EDGE)


def lower_gums() -> Part:
    """The lower gums."""
    return _gums("lower gums", LOWER_WIDTHS, LOWER_FRONT, LOWER_GUM, LOWER_EDGE)


def tongue() -> Part:
    """The tongue at rest behind the lower teeth, root at the back."""
    along = np.array([0.0, 0.14, 0.3, 0.48, 0.66, 0.82, 0.94])
    turn = 2 * np.pi * np.arange(12) / 12
    width = 1.75 * np.sqrt(1 - along**2.6) + 0.12
    thick = 0.62 * np.sqrt(1 - along**3.0) + 0.08
    centre = np.stack([0 * along, -4.75 + 0.25 * np.sin(np.pi * along), 3.6 + 4.6 * along], 1)
    groove = -0.12 * np.exp(-((np.cos(turn) / 0.35) ** 2)) * (np.sin(turn) > 0)
    rings = centre[:, None] + np.stack(
        [
            width[:, None] * np.cos(turn),
            thick[:, None] * (np.sin(turn) * np.where(np.sin(turn) > 0, 0.75, 1.1) + groove),
            np.zeros((len(along), 12)),
        ],
        -1,
    )
    points = np.concatenate([rings.reshape(-1, 3), [[0, -4.75, 8.35]]])
    index = np.arange(rings[..., 0].size).reshape(len(along), 12)
    tip = np.stack([index[-1], np.roll(index[-1], -1), np.full(12, index.size)], 1)
    faces = np.concatenate([grid_faces(index, closed=True), tip])
    radius = (1 - along)[:, None] * 0.9 + 0.1
    flat = np.concatenate([np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1).reshape(-1, 2), [[0, 0]]])
    return simple_part("tongue", points, _outwards(points, faces), flat)


def _arch(length: Array, front: float) -> tuple[Array, Array]:
    """Points (N, 3) of a dental arch at height zero, and outward normals, by signed length from the midline."""
    x = np.linspace(-3.2, 3.2, 641)
    z = front - ARCH[0] * x**2 - ARCH[1] * x**4
    run = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    run -= run[320]
    points = np.stack([np.interp(length, run, x), 0 * length, np.interp(length, run, z)], 1)
    slope = -2 * ARCH[0] * points[:, 0] - 4 * ARCH[1] * points[:, 0] ** 3
    normals = np.stack([-slope, 0 * slope, np.ones_like(slope)], 1)
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _row(name: str, widths: tuple[float, ...], front: float, edge: float, gum: float) -> Part:
    """One row: five lines of points along the arch, four points to a tooth, furrows between teeth."""
    ends = np.concatenate([[0], np.cumsum(widths)])
    # Close to where two teeth meet, so that each looks broad and the furrow narrow.
    within = np.array([0.0, 0.09, 0.5, 0.91])
    half = np.concatenate([*(start + within * w for start, w in zip(ends[:-1], widths, strict=True)), ends[-1:]])
    part_of = np.concatenate([np.tile(within, len(widths)), [1.0]])
    kind = np.concatenate([np.repeat(np.arange(len(widths)), 4), [len(widths) - 1]])
    length = np.concatenate([-half[:0:-1], half])
    part_of, kind = (np.concatenate([a[:0:-1], a]) for a in (part_of, kind))
    base, normal = _arch(length, front)
    bulge = 1 - np.abs(2 * part_of - 1) ** 3
    # Canines are pointed and the teeth behind them are thick.
    depth = np.interp(kind, (0, 2, 3, 5), (0.22, 0.35, 0.65, 0.85))
    direction = np.sign(gum - edge)
    furrow = FURROW * (bulge == 0)
    biting = edge + direction * (0.11 * (1 - bulge) - 0.05 * (kind == 2) * bulge + 0.06 * (kind == 1))
    lines = (
        (0.0, gum + 0.05 * direction * bulge, -0.06),
        (0.10 * bulge - furrow, 0.55 * gum + 0.45 * edge + 0 * biting, 0.0),
        (0.05 * bulge - furrow, biting, -0.02),
        (0.02 * bulge - depth * 0.55, biting, 0.0),
        (-0.05 * bulge - depth, gum + 0 * biting, 0.0),
    )
    rows = []
    for out, height, shift in lines:
        points = base + normal * (np.broadcast_to(out, len(base)) + shift)[:, None]
        points[:, 1] = height
        rows.append(points)
    return _strip(name, np.stack(rows), length)


def _gums(name: str, widths: tuple[float, ...], front: float, gum: float, edge: float) -> Part:
    """Gums: a ridge over the teeth's necks, scalloped between them."""
    ends = np.concatenate([[0], np.cumsum(widths)])
    half = np.sort(np.concatenate([ends, (ends[1:] + ends[:-1]) / 2]))
    scallop = np.arange(len(half)) % 2 == 0
    length, scallop = np.concatenate([-half[:0:-1], half]), np.concatenate([scallop[:0:-1], scallop])
    base, normal = _arch(length, front)
    away = np.sign(gum - edge)
    rows = []
    thickness = np.interp(np.abs(length), (0, 2.2, 4), (0.4, 0.7, 1.0))
    for out, height in (
        (0.03, gum - away * (0.06 + 0.16 * scallop)),
        (0.10, gum + away * 0.25 + 0 * length),
        (0.02, gum + away * 0.8 + 0 * length),
        (-thickness - 0.3, gum + away * 0.7 + 0 * length),
        (-thickness, gum - away * 0.1 + 0 * length),
    ):
        points = base + normal * np.broadcast_to(out, len(base))[:, None]
        points[:, 1] = height
        rows.append(points)
    return _strip(name, np.stack(rows), length)


def _strip(name: str, rows: Array, length: Array) -> Part:
    index = np.arange(rows[..., 0].size).reshape(rows.shape[:2])
    points = rows.reshape(-1, 3)
    across = np.broadcast_to((np.arange(len(rows)) - (len(rows) - 1) / 2)[:, None] * 0.4, index.shape)
    flat: Array = np.stack([np.broadcast_to(length, index.shape), across], -1).reshape(-1, 2).astype(float)
    faces = grid_faces(index)
    turned = _outwards(points, faces)
    # A strip whose triangles were turned is turned on its chart too.
    mirror = np.array([1.0 if turned is faces else -1.0, 1.0])
    return simple_part(name, points, turned, flat * mirror)


def _outwards(points: Array, faces: Indices) -> Indices:
    """The faces, all turned round if most of the surface looks towards the middle of the mouth."""
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Weighting by height keeps a shell that is open on one side from deciding by its hole.
    middle = points.mean(0) * [1, 1, 0] + [0, 0, points[:, 2].max() - 2.5]
    side = np.einsum("fc,fc->f", normal, corners.mean(1) - middle)
    return faces if side.sum() > 0 else faces[:, ::-1]
