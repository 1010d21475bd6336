"""FLAME's joints drift with the expression, ours stay: what to add to the root so that the head is where FLAME has it.

FLAME regresses its joints from the template with identity **and expression**: J' = J + dJ, dJ = J_regressor (B e). A
rig's joints rest where the neutral expression has them. With R_0 the root's and R_1 the neck's rotation, FLAME's
transform of whatever follows the neck is R_0 (R_1 (v - J_1') + J_1' - J_0') + J_0', and ours with a translation c of
the root is R_0 (R_1 (v - J_1) + J_1 - J_0) + J_0 + c. They are equal, for all v, where

    c = (I - R_0) dJ_0 + R_0 (I - R_1) dJ_1

What follows the jaw or an eye, j, still lies R_0 R_1 (I - R_j) dJ_j beside FLAME's own place: some tenths of a
millimetre on the chin of an open mouth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..rig import JOINTS, rotation_matrices
from .model import HeadModel

Floats = npt.NDArray[np.float64]


def joint_drift(head: HeadModel, expression: npt.ArrayLike) -> Floats:
    """How far FLAME's joints move with expressions (N, <= E): (N, 5, 3), metres. Eyelids move none."""
    weights = np.asarray(expression, np.float64)
    own = sum(name.startswith("expression_") for name in head.expression_names)
    count = min(own, weights.shape[1])
    basis = np.einsum("jv,evc->ejc", head.joint_regressor.astype(np.float64), head.expression_basis[:count])
    return np.tensordot(weights[:, :count], basis, 1)


def drift_translation(
    head: HeadModel, expression: npt.ArrayLike, root_rotation: npt.ArrayLike, neck_rotation: npt.ArrayLike
) -> Floats:
    """The root's translations c (N, 3), metres, that put our head where FLAME's own joints put it.

    Parameters
    ----------
    head : HeadModel
        FLAME.
    expression : (N, <= E)
    root_rotation, neck_rotation : (N, 3)
        Axis-angle, radians.
    """
    drift = joint_drift(head, expression)
    root = rotation_matrices(root_rotation).astype(np.float64)
    neck = rotation_matrices(neck_rotation).astype(np.float64)
    identity = np.eye(3)
    of_root = np.einsum("nab,nb->na", identity - root, drift[:, JOINTS.index("root")])
    of_neck = np.einsum("nab,nbc,nc->na", root, identity - neck, drift[:, JOINTS.index("neck")])
    return of_root + of_neck
