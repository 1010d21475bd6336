"""Geometry of a frame: expression, pose correctives, linear blend skinning, smooth normals (steps 2 to 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..asset.layered import Layer, LayeredAvatar
from ..rig import Pose, corrective_features, skinning_transforms
from .normals import vertex_normals

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DeformedLayer:
    """A layer's vertices in one frame.

    Attributes
    ----------
    positions : (V, 3) float32
        World space, metres.
    normals : (V, 3) float32
        World space, unit, smooth across texture seams.
    """

    positions: Array
    normals: Array


def deform(avatar: LayeredAvatar, pose: Pose) -> list[DeformedLayer]:
    """All layers of an avatar in a pose, inner to outer.

    Raises
    ------
    ValueError
        If the pose has another number of expressions than the avatar.
    """
    if len(pose.expression) != len(avatar.expression_names):
        raise ValueError(f"the pose has {len(pose.expression)} expressions, the avatar {len(avatar.expression_names)}")
    features = corrective_features(pose.joint_rotations)[avatar.corrective_entries]
    transforms = skinning_transforms(pose, avatar.joints)
    deformed = []
    for layer in avatar.layers:
        positions = posed_positions(layer, pose.expression, features, transforms)
        deformed.append(DeformedLayer(positions, vertex_normals(positions, layer.faces, layer.weld)))
    return deformed


def posed_positions(layer: Layer, expression: Array, features: Array, transforms: Array) -> Array:
    """World positions of a layer's vertices.

    v' = v + sum_k e_k B_k + sum_m f_m P_m, then x = sum_j w_j T_j v': Blender's relative shape keys followed by its
    armature modifier, without volume preservation.

    Parameters
    ----------
    layer : Layer
    expression : (E,)
        Weights e.
    features : (K,)
        The entries of R - I that drive the layer's corrective targets.
    transforms : (6, 3, 4)
        T = G_j G_j,rest^-1, see :func:`likeness.rig.skinning_transforms`.

    Returns
    -------
    (V, 3) float32
    """
    points = layer.positions.astype(np.float64)
    points += np.tensordot(np.asarray(expression, np.float64), layer.expression_targets, 1)
    points += np.tensordot(np.asarray(features, np.float64), layer.corrective_targets, 1)
    blended = np.tensordot(layer.skin_weights, transforms, 1)
    return (np.einsum("vab,vb->va", blended[:, :, :3], points) + blended[:, :, 3]).astype(np.float32)
