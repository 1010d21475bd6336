"""Drivers of the shape keys: simple expressions, which Blender evaluates without Python and without permission."""

from __future__ import annotations

import bpy
import numpy as np

from ..backend.likeness.asset.invariants import corrective_name
from ..backend.likeness.asset.layered import LayeredAvatar
from ..backend.likeness.rig import POSED_JOINTS
from .handles import FACE

ROTATION_ENTRIES = (
    ("-2*(y*y+z*z)", "2*(x*y-w*z)", "2*(x*z+w*y)"),
    ("2*(x*y+w*z)", "-2*(x*x+z*z)", "2*(y*z-w*x)"),
    ("2*(x*z-w*y)", "2*(y*z+w*x)", "-2*(x*x+y*y)"),
)
"""Entries of R - I for a unit quaternion (w, x, y, z)."""


def drive_shape_keys(mesh: bpy.types.Object, rig: bpy.types.Object, avatar: LayeredAvatar) -> None:
    """Let the rig's sliders drive the expressions, and its joints' rotations the pose correctives.

    Parameters
    ----------
    mesh, rig : bpy.types.Object
    avatar : LayeredAvatar
    """
    keys = mesh.data.shape_keys.key_blocks
    for name in avatar.expression_names:
        driver = _add_driver(keys[name], "value")
        variable = driver.variables.new()
        variable.name = "value"
        variable.targets[0].id = rig
        variable.targets[0].data_path = f'pose.bones["{FACE}"]["{bpy.utils.escape_identifier(name)}"]'
    for entry in avatar.corrective_entries:
        joint, row, column = np.unravel_index(int(entry), (len(POSED_JOINTS), 3, 3))
        expression = ROTATION_ENTRIES[row][column]
        driver = _add_driver(keys[corrective_name(int(entry))], expression)
        for component in "wxyz":
            if component in expression:
                _add_rotation_variable(driver, rig, POSED_JOINTS[joint], component)


def _add_driver(key: bpy.types.ShapeKey, expression: str) -> bpy.types.Driver:
    driver = key.driver_add("value").driver
    driver.type = "SCRIPTED"
    driver.expression = expression
    return driver


def _add_rotation_variable(driver: bpy.types.Driver, rig: bpy.types.Object, joint: str, component: str) -> None:
    """One component of a joint's rotation as it is after constraints, whatever rotation mode the bone is set to."""
    variable = driver.variables.new()
    variable.name = component
    variable.type = "TRANSFORMS"
    target = variable.targets[0]
    target.id = rig
    target.bone_target = joint
    target.rotation_mode = "QUATERNION"
    target.transform_space = "LOCAL_SPACE"
    target.transform_type = f"ROT_{component.upper()}"
