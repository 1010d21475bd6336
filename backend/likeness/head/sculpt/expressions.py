"""The expressions, under ARKit's names with ``_L`` and ``_R`` for the subject's sides."""

from __future__ import annotations

import numpy as np

from ...rig import rotation_matrices
from . import lids, mouth
from .anatomy import JAW_CENTRE
from .body import Body
from .distance import Array
from .fields import Skin
from .weights import JAW_ANGLE, jaw_weights, smoothstep

CORNER = (2.5, -4.0, 9.1)
"""The left corner of the mouth."""
LIPS = (0.0, mouth.SEAM_HEIGHT, 10.0)


def expressions(body: Body) -> dict[str, Array]:
    """Displacements (V, 3) in centimetres at weight one, by name; mirror images where a name has two sides."""
    skin = Skin(body)
    one_sided = {**_eyes(skin), **_brows(skin), **_cheeks(skin), **_mouth_sides(skin)}
    shapes: dict[str, Array] = {}
    for name, displacement in one_sided.items():
        shapes[f"{name}_L"] = displacement
        shapes[f"{name}_R"] = skin.mirrored(displacement)
    shapes |= _jaw(body, skin)
    shapes |= _mouth_whole(body, skin, shapes["jawOpen"])
    return dict(sorted(shapes.items()))


def jaw_turned(body: Body, degrees: float, axis: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Array:
    """Displacements (V, 3) of the whole head if it turned rigidly with the jaw."""
    turn = rotation_matrices(np.radians(degrees) * np.asarray(axis)).astype(float)
    return (body.points - JAW_CENTRE) @ turn.T - (body.points - JAW_CENTRE)


def _eyes(skin: Skin) -> dict[str, Array]:
    body = skin.body
    lower_lid = skin.push((3.2, 1.5, 8.6), (1.8, 0.8, 1.5), (0, 0.22, 0.05))
    return {
        "eyeBlink": lids.blink(body),
        "eyeLookDown": lids.lid_turn(body, 0.5, -0.15),
        "eyeLookUp": lids.lid_turn(body, -0.2, 0.25) + skin.push((3.2, 4.6, 8.8), (1.6, 0.7, 1.5), (0, 0.1, 0), 0.8),
        "eyeLookIn": lids.sideways(body, -3.0),
        "eyeLookOut": lids.sideways(body, 3.0),
        "eyeSquint": lids.lid_turn(body, 0.12, 0.55) + lower_lid,
        "eyeWide": lids.lid_turn(body, -0.24, -0.12) + skin.push((3.2, 4.6, 8.8), (1.8, 0.8, 1.5), (0, 0.15, 0), 0.8),
    }


def _brows(skin: Skin) -> dict[str, Array]:
    inner = skin.left(0.5)[:, None]
    down = skin.push((1.5, 4.8, 9.2), (1.7, 1.0, 2.0), (-0.28, -0.5, 0.08), 0.5)
    down += skin.push((3.6, 5.1, 8.2), (1.7, 0.9, 2.0), (-0.1, -0.35, 0.02), 0.5)
    return {
        "browDown": down * inner,
        "browInnerUp": skin.push((1.3, 5.4, 9.3), (1.5, 1.7, 2.5), (0.06, 0.62, 0), 0.9) * inner,
        "browOuterUp": skin.push((4.0, 5.5, 7.8), (1.7, 1.6, 2.5), (0.03, 0.62, 0), 0.9) * inner,
    }


def _cheeks(skin: Skin) -> dict[str, Array]:
    sneer = skin.push((1.25, -0.4, 10.0), (0.75, 1.2, 1.5), (0.06, 0.36, -0.02), 0.4)
    sneer += skin.push((1.0, 1.8, 9.6), (0.8, 0.9, 1.5), (-0.05, 0.12, 0.05))
    sneer += _upper(skin)[:, None] * skin.push((1.3, -2.8, 10.0), (1.1, 0.9, 2.0), (0, 0.2, 0))
    puff = skin.swell((3.7, -3.4, 7.0), (2.0, 1.9, 2.4), 0.95)
    puff += skin.swell((1.2, -2.7, 10.0), (1.0, 0.5, 1.5), 0.12)
    return {
        "cheekPuff": puff * skin.left()[:, None],
        "cheekSquint": skin.push((3.7, 0.3, 7.8), (1.7, 1.1, 2.0), (0.02, 0.42, 0.06), 0.3)
        + lids.lid_turn(skin.body, 0.0, 0.25),
        "noseSneer": sneer * skin.left(0.4)[:, None],
    }


def _upper(skin: Skin) -> Array:
    return 1 - skin.lower


def _mouth_sides(skin: Skin) -> dict[str, Array]:
    side = skin.left(0.6)[:, None]
    upper, lower = _upper(skin)[:, None], skin.lower[:, None]
    smile = skin.push(CORNER, (1.5, 1.5, 2.2), (0.62, 0.78, -0.62))
    smile += skin.push((1.1, -4.0, 10.0), (1.3, 0.9, 1.5), (0.28, 0.10, -0.16))
    smile += skin.push((3.6, -0.9, 7.9), (1.7, 1.5, 2.0), (0.12, 0.38, 0.22))
    frown = skin.push((2.5, -4.3, 9.0), (1.3, 1.3, 2.0), (0.08, -0.7, -0.1))
    frown += skin.push((1.2, -4.6, 9.9), (1.4, 1.0, 1.5), (0, -0.1, 0))
    stretch = skin.push((2.6, -4.4, 9.0), (1.6, 1.6, 2.2), (0.7, -0.32, -0.5))
    stretch += skin.push((1.0, -4.2, 10.0), (1.2, 0.9, 1.5), (0.28, -0.06, -0.12))
    dimple = skin.push(CORNER, (1.1, 1.1, 2.0), (0.34, 0.08, -0.42))
    raise_lip = upper * skin.push((1.1, -3.4, 10.2), (1.3, 1.2, 2.0), (0.03, 0.6, 0.0))
    raise_lip += skin.push((1.6, -1.8, 9.6), (1.0, 0.8, 1.5), (0, 0.16, 0.04))
    lower_lip = lower * skin.push((1.1, -4.6, 10.1), (1.3, 1.2, 2.0), (0.05, -0.62, -0.02))
    squeeze = skin.lip_ring >= 3
    press = skin.push((1.2, -3.95, 10.1), (1.7, 0.75, 1.5), (0.0, 0.0, -0.18))
    press += squeeze[:, None] * skin.near((1.2, -3.95, 10.1), (1.7, 1.2, 1.5))[:, None] * _towards_seam(skin, 0.35)
    return {
        "mouthSmile": smile * side,
        "mouthFrown": frown * side,
        "mouthStretch": stretch * side,
        "mouthDimple": dimple * side,
        "mouthUpperUp": raise_lip * side,
        "mouthLowerDown": lower_lip * side,
        "mouthPress": press * side,
    }


def _towards_seam(skin: Skin, share: float) -> Array:
    height = np.where(np.abs(skin.points[:, 1] - mouth.SEAM_HEIGHT) < 1.2, mouth.SEAM_HEIGHT - skin.points[:, 1], 0.0)
    return share * np.stack([0 * height, height, 0 * height], 1)


def _jaw(body: Body, skin: Skin) -> dict[str, Array]:
    weight = jaw_weights(body)[:, None]
    opened = weight * jaw_turned(body, JAW_ANGLE)
    # An open mouth is narrower, and its cheeks are drawn in.
    narrow = skin.push(CORNER, (1.4, 1.6, 2.2), (-0.28, 0, 0.05))
    hollow = skin.swell((4.3, -3.2, 6.0), (1.4, 2.2, 2.2), -0.22)
    extra = narrow + hollow
    aside = weight * jaw_turned(body, 4.5, (0.0, 1.0, 0.0))
    return {
        "jawOpen": opened + extra + skin.mirrored(extra),
        "jawForward": weight * np.array([0.0, -0.12, 0.75]),
        "jawLeft": aside,
        "jawRight": skin.mirrored(aside),
    }


def _mouth_whole(body: Body, skin: Skin, jaw_open: Array) -> dict[str, Array]:
    points = skin.points
    upper, lower = _upper(skin)[:, None], skin.lower[:, None]
    around = skin.near(LIPS, (2.9, 1.7, 2.6))[:, None]
    inwards = np.stack([-points[:, 0], 0 * points[:, 0], 0 * points[:, 0]], 1)
    seam = skin.near(LIPS, (2.6, 1.1, 2.0))[:, None]
    red = np.interp(skin.lip_ring, (-1, 1, 2, 3, 4, 5, 6, 7), (0, 0, 0.35, 0.85, 1, 1, 1, 0.5))[:, None]
    red *= smoothstep(2.75 - np.abs(points[:, 0]), 0.0, 1.6)[:, None]
    slid = skin.push((1.2, -4.0, 9.9), (2.6, 1.6, 2.4), (0.38, 0, -0.05))
    slid += skin.push((-1.2, -4.0, 9.9), (2.6, 1.6, 2.4), (0.38, 0, 0.05))
    pucker = around * (0.46 * inwards + [0, 0, 0.35]) + seam * [0, 0, 0.38]
    funnel = around * (0.34 * inwards + [0, 0, 0.45]) + seam * (upper * [0, 0.34, 0.16] + lower * [0, -0.42, 0.16])
    return {
        "mouthPucker": pucker,
        "mouthFunnel": funnel,
        "mouthLeft": slid,
        "mouthRight": skin.mirrored(slid),
        "mouthRollLower": lower * red * [0, 0.32, -0.42],
        "mouthRollUpper": upper * red * [0, -0.3, -0.42],
        "mouthShrugLower": lower * seam * [0, 0.3, 0.22] + skin.push((0, -6.8, 9.9), (1.6, 1.2, 2.0), (0, 0.4, -0.05)),
        "mouthShrugUpper": upper * seam * [0, 0.28, 0.2],
        "mouthClose": _closing(body, jaw_open),
        "tongueOut": _tongue_out(body),
    }


def _closing(body: Body, jaw_open: Array) -> Array:
    """What closes the lips over an open jaw: column by column, both lips go to the same place between."""
    ring, column = body.rows("lip"), body.column
    fade = np.interp(ring, (-1, 0, 1, 2, 3, 6, 7, 8), (0, 0.25, 0.55, 0.85, 1, 1, 0.4, 0))[:, None]
    displacement = np.zeros_like(jaw_open)
    for side in (1, -1):
        for number in range(mouth.RINGS):
            chosen = np.flatnonzero((ring == number) & (body.points[:, 0] * side > -1e-9))
            line = chosen[np.argsort(column[chosen])]
            moved = jaw_open[line]
            upper_column = np.minimum(np.arange(mouth.COLUMNS), np.arange(mouth.COLUMNS)[::-1])
            upper, lower = moved[upper_column], moved[::-1][upper_column]
            displacement[line] = fade[line] * (0.4 * lower + 0.6 * upper - moved)
    return displacement


def _tongue_out(body: Body) -> Array:
    tongue = body.of("tongue")
    forward = smoothstep(body.points[:, 2], 3.5, 8.3)[:, None]
    return np.where(tongue[:, None], forward * np.array([0.0, 0.0, 3.0]) + forward**2 * [0, 0.15, 0], 0.0)
