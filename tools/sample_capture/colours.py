"""Colours of the head's vertices, in linear light."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from anatomy import (
    BROWS,
    CENTIMETRES,
    LIP_SEAM_LINE,
    LOWER_LIDS,
    OUTER_LIPS,
    UPPER_LIDS,
    UPPER_LIP_EDGE,
    above_hairline,
    bump,
    ears,
    hollows,
    inside_polygon,
    near_curve,
    smoothstep,
    vertex_mask,
)
from likeness.head.model import HeadModel

Array = npt.NDArray[np.float64]


def from_srgb(red: float, green: float, blue: float) -> Array:
    """A linear colour (3,) from sRGB values in 0..255."""
    value = np.array([red, green, blue]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


SKIN = from_srgb(217, 165, 138)
BLUSH = from_srgb(206, 122, 104)
SHADE = from_srgb(178, 122, 99)
LIPS = from_srgb(178, 96, 89)
EAR_HOLLOW = from_srgb(138, 80, 64)
LIP_RIDGE = from_srgb(231, 184, 158)
"""The pale edge of skin that catches the light round the upper lip."""
LIP_SEAM = from_srgb(120, 52, 50)
LASH_LINE = from_srgb(92, 56, 46)
HAIR = from_srgb(52, 31, 21)
MOUTH = from_srgb(150, 62, 62)
THROAT = from_srgb(30, 8, 8)
TONGUE = from_srgb(206, 108, 106)
GUMS = from_srgb(204, 112, 108)
TEETH = from_srgb(250, 242, 224)
BETWEEN_TEETH = from_srgb(126, 96, 74)


def vertex_colours(head: HeadModel) -> Array:
    """Base colour (V, 3) of every vertex; eyeballs are painted by the material instead."""
    points = CENTIMETRES * head.template.astype(np.float64)
    landmarks = CENTIMETRES * head.landmarks(head.template).astype(np.float64)
    front = points[:, 2] > landmarks[234, 2]
    colours = np.tile(SKIN, (len(points), 1))
    for centre, width, strength in (
        ((4.6, -0.3, 8.2), 1.6, 0.45),  # cheeks
        ((0.0, -0.3, 12.6), 0.9, 0.45),  # tip of the nose
        ((1.3, -0.9, 10.8), 0.6, 0.35),  # its wings
        ((0.0, -7.0, 10.4), 1.3, 0.3),  # chin
        ((1.5, 8.0, 10.0), 2.2, 0.12),
    ):
        colours = _mix(colours, BLUSH, strength * bump(points, centre, width))
    eye = tuple(CENTIMETRES * head.joints()[3] + [0.0, -0.2, 1.6])
    colours = _mix(colours, SHADE, 0.4 * bump(points, eye, 1.3))
    colours = _shaded_ears(head, points, colours)
    bow = near_curve(points, landmarks[list(UPPER_LIP_EDGE)], 0.16) * front
    colours = _mix(colours, LIP_RIDGE, 0.5 * bow)
    lips = inside_polygon(points[:, :2], landmarks[list(OUTER_LIPS), :2])
    colours = _mix(colours, LIPS, smoothstep((lips + 0.12) / 0.24) * front)
    seam = near_curve(points, landmarks[list(LIP_SEAM_LINE)], 0.13) * front
    colours = _mix(colours, LIP_SEAM, 0.55 * seam)
    for upper, lower in BROWS:
        outline = np.concatenate([landmarks[list(upper)], landmarks[list(lower[::-1])]])
        inside = smoothstep((inside_polygon(points[:, :2], outline[:, :2]) + 0.3) / 0.5)
        colours = _mix(colours, HAIR, 0.25 * inside * front)
    for lids, strength in ((UPPER_LIDS, 0.6), (LOWER_LIDS, 0.3)):
        for lid in lids:
            colours = _mix(colours, LASH_LINE, strength * near_curve(points, landmarks[list(lid)], 0.11) * front)
    scalp = above_hairline(points) * ~ears(head)
    # Not quite down to the hairline, where single hairs show the skin.
    colours = _mix(colours, HAIR, 0.9 * smoothstep((scalp - 0.5) * 2))
    return _inner_mouth(head, points, colours)


def _shaded_ears(head: HeadModel, points: Array, colours: Array) -> Array:
    """Ears a little redder than the face, most of all in their hollows, where light goes astray."""
    hollow = smoothstep((hollows(points, head.faces) + 0.05) / 0.35) * ears(head)
    colours = _mix(colours, BLUSH, 0.18 * ears(head) + 0.3 * hollow)
    return _mix(colours, EAR_HOLLOW, 0.65 * hollow)


def _inner_mouth(head: HeadModel, points: Array, colours: Array) -> Array:
    mouth = vertex_mask(head, "mouth") & ~vertex_mask(head, "skin")
    # Light hardly reaches the throat.
    teeth_front = points[vertex_mask(head, "teeth"), 2].max()
    depth = smoothstep((teeth_front - points[:, 2] - 1.2) / 4.5)
    colours = _where(mouth, _mix(np.tile(MOUTH, (len(points), 1)), THROAT, depth), colours)
    between = smoothstep((hollows(points, head.faces) - 0.02) / 0.3)
    teeth = _mix(np.tile(TEETH, (len(points), 1)), BETWEEN_TEETH, 0.75 * between)
    for region, colour in (("gums", GUMS), ("tongue", TONGUE), ("teeth", teeth)):
        inside = vertex_mask(head, region)
        colours = _where(inside, _mix(np.broadcast_to(colour, points.shape), THROAT, 0.5 * depth), colours)
    return colours


def _mix(colours: Array, other: Array, share: Array) -> Array:
    return colours + np.asarray(share, float)[:, None] * (other - colours)


def _where(mask: npt.NDArray[np.bool_], chosen: Array, otherwise: Array) -> Array:
    return np.where(mask[:, None], chosen, otherwise)


def vertex_roughness(head: HeadModel) -> Array:
    """Roughness (V,) of every vertex: lips are moist, teeth and the mouth's inside wet, the scalp is matt."""
    landmarks = head.landmarks(head.template).astype(np.float64)
    lips = inside_polygon(CENTIMETRES * head.template[:, :2], CENTIMETRES * landmarks[list(OUTER_LIPS), :2])
    moist = smoothstep((lips + 0.12) / 0.24) * (head.template[:, 2] > landmarks[234, 2])
    points = CENTIMETRES * head.template.astype(np.float64)
    # Or lamps behind the head would gleam on skin between the hairs.
    matt = above_hairline(points) * ~ears(head)
    outer = 0.5 - 0.17 * moist + 0.45 * matt
    inner = vertex_mask(head, "mouth") & ~vertex_mask(head, "skin")
    return np.where(vertex_mask(head, "teeth"), 0.14, np.where(inner, 0.22, outer))
