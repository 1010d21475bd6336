"""How the rig's bones look: rings to grab, in front of what they move."""

from __future__ import annotations

from math import pi, tau

import bpy
import numpy as np

from ..backend.likeness.asset.layered import LayeredAvatar
from ..backend.likeness.rig import AVATAR_JOINTS, JOINTS

FACE = "face"
"""Bone whose custom properties are the expression weights."""

RADII = {"root": 0.13, "neck": 0.085, "jaw": 0.02, "eye_l": 0.012, "eye_r": 0.012, FACE: 0.02}
"""Metres."""

COLORS = {
    "root": "THEME01",
    "neck": "THEME04",
    "jaw": "THEME09",
    "eye_l": "THEME03",
    "eye_r": "THEME03",
    FACE: "THEME06",
}
"""Blender's colour sets."""

DISTANCE = 0.015
"""From the surface to a ring in front of it, metres."""

_SEGMENTS = 32


def dress(rig: bpy.types.Object, avatar: LayeredAvatar) -> None:
    """Give the bones of a new rig their rings and colours, and put away the one that never moves.

    Parameters
    ----------
    rig : bpy.types.Object
    avatar : LayeredAvatar
    """
    rig.show_in_front = True
    ring = _ring(f"{rig.name} Handle")
    for name, place in handle_places(avatar).items():
        bone = rig.pose.bones[name]
        bone.custom_shape = ring
        bone.use_custom_shape_bone_size = False
        bone.custom_shape_scale_xyz = (RADII[name],) * 3
        bone.custom_shape_translation = place
        if name in ("root", "neck"):
            bone.custom_shape_rotation_euler = (pi / 2, 0, 0)
        bone.color.palette = COLORS[name]
    still = rig.data.collections.new("Still")
    still.assign(rig.data.bones[AVATAR_JOINTS[-1]])
    still.is_visible = False


def handle_places(avatar: LayeredAvatar) -> dict[str, np.ndarray]:
    """Where each bone's ring is, relative to the bone and in its axes, which are the run-time's.

    Rings of the jaw and the eyes lie before the foremost point that mostly moves with them, the face's above the head;
    those of root and neck lie around their joints.
    """
    points = np.concatenate([layer.positions for layer in avatar.layers[:2]])
    weights = np.concatenate([layer.skin_weights for layer in avatar.layers[:2]])
    places = {"root": np.zeros(3, np.float32), "neck": np.zeros(3, np.float32)}
    for name in ("jaw", "eye_l", "eye_r"):
        joint = JOINTS.index(name)
        moved = points[weights[:, joint] > 0.5 * max(weights[:, joint].max(), 1e-6)]
        foremost = moved[moved[:, 2].argmax()] if len(moved) else avatar.joints[joint]
        places[name] = foremost + np.array([0, 0, DISTANCE], np.float32) - avatar.joints[joint]
    top = points[points[:, 1].argmax()] + np.array([0, 2 * DISTANCE, 0], np.float32)
    places[FACE] = top - avatar.joints[JOINTS.index("jaw")]
    return places


def _ring(name: str) -> bpy.types.Object:
    """A circle of radius one across the bone's forward axis, kept out of every scene."""
    angles = np.arange(_SEGMENTS) * tau / _SEGMENTS
    corners = np.stack([np.cos(angles), np.sin(angles), np.zeros(_SEGMENTS)], 1)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners.tolist(), [(index, (index + 1) % _SEGMENTS) for index in range(_SEGMENTS)], [])
    return bpy.data.objects.new(name, mesh)
