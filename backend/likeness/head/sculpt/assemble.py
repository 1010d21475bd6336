"""From the sculpted pieces to a head model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...rig import rotation_matrices
from ..model import HeadModel
from . import borders
from .anatomy import EYE_RADIUS, IRIS_ANGLE
from .body import Body
from .charts import charts
from .distance import Array
from .expressions import expressions
from .identities import identity_basis
from .weights import JAW_ANGLE, JOINT_PLACES, joint_regressor, skin_weights

METRES = 0.01
LICENCE = "GPL-3.0-or-later; made by likeness.head.sculpt"
JAW_FEATURES = (9 + 5, 9 + 7)
"""The corrective features that hold minus and plus the sine of the jaw's turn: rows y and z of the jaw's R - I."""


def make_head(sculpted: Body) -> HeadModel:
    """The stand-in head from its sculpted body, all landmarks still at the first vertex; see :mod:`.landmarks`."""
    shapes = {name: displacement.astype(np.float16).astype(float) for name, displacement in _in_metres(sculpted)}
    weights = skin_weights(sculpted)
    uv, faces_uv = charts(sculpted)
    return HeadModel(
        name="standin",
        template=(sculpted.points * METRES).astype(np.float32),
        identity_basis=(identity_basis(sculpted) * METRES).astype(np.float32),
        expression_names=tuple(shapes),
        expression_basis=np.stack(list(shapes.values())).astype(np.float32),
        expression_range=np.tile([0, 1], (len(shapes), 1)).astype(np.float32),
        pose_correctives=_correctives(sculpted, weights, shapes["jawOpen"]).astype(np.float32),
        joint_regressor=joint_regressor(sculpted).astype(np.float32),
        skin_weights=weights.astype(np.float32),
        faces=sculpted.faces.astype(np.int32),
        uv=uv.astype(np.float32),
        faces_uv=faces_uv.astype(np.int32),
        regions=regions(sculpted),
        landmark_triangles=np.zeros((468, 3), np.int32),
        landmark_barycentrics=np.tile([1, 0, 0], (468, 1)).astype(np.float32),
        iris_distance=float(EYE_RADIUS * np.cos(np.radians(IRIS_ANGLE)) * METRES),
        licence=LICENCE,
    )


def _in_metres(sculpted: Body) -> list[tuple[str, Array]]:
    return [(name, displacement * METRES) for name, displacement in expressions(sculpted).items()]


def _correctives(sculpted: Body, weights: Array, jaw_open: Array) -> Array:
    """Pose correctives (36, V, 3) that make the turned jaw look like ``jawOpen``.

    With A, t the blended transform of the jaw turned by the angle of ``jawOpen``, C = A^-1 (T + D - t) - T is what
    skinning must find added to the template T to end at T + D. The turn's sine is in two entries of R - I, with
    opposite signs, each of which drives half of C.
    """
    rest = sculpted.points * METRES
    angle = np.radians(JAW_ANGLE)
    turn = rotation_matrices([angle, 0, 0]).astype(float)
    centre = JOINT_PLACES[2] * METRES
    share = weights[:, 2, None, None]
    blended = np.eye(3) + share * (turn - np.eye(3))
    shift = share[:, :, 0] * (centre - turn @ centre)
    corrective = np.linalg.solve(blended, (rest + jaw_open - shift)[..., None])[..., 0] - rest
    corrective[np.abs(corrective).max(1) < 1e-7] = 0.0
    correctives = np.zeros((36, len(rest), 3))
    upper, lower = JAW_FEATURES
    correctives[lower] = corrective / (2 * np.sin(angle))
    correctives[upper] = -correctives[lower]
    return correctives


def regions(sculpted: Body) -> dict[str, npt.NDArray[np.bool_]]:
    """Named sets of triangles."""
    faces, points = sculpted.faces, sculpted.points
    owner = sculpted.owner[faces[:, 0]]
    centre = points[faces].mean(1)
    height, depth = centre[:, 1], centre[:, 2]
    lip, lid = sculpted.rows("lip")[faces], sculpted.rows("lid")[faces]
    brow = sculpted.rows("brow")[faces]
    sheet = owner == "skin"
    bag = (lip >= 6).any(1) & sheet
    ears = np.isin(owner, ("ear_l", "ear_r"))
    skin = (sheet & ~bag) | ears
    scalp = sheet & ~bag & borders.above_hairline(centre)
    return {
        "skin": skin,
        "face": skin & ~ears & (depth > 2.2) & (height > -8.8) & (height < 10.0) & ~scalp,
        "mouth": bag | np.isin(owner, ("upper gums", "lower gums", "tongue")),
        "teeth": np.isin(owner, ("upper teeth", "lower teeth")),
        "eyes": np.isin(owner, ("eye_l", "eye_r")),
        "neck": skin & ~ears & (height < -8.0) & ~((depth > 5.0) & (height > -9.6)),
        "lips": sheet & (lip >= 3).all(1) & (lip <= 6).all(1) & ~bag,
        "brows": sheet & (brow >= 0).all(1) & (np.ptp(brow, axis=1) > 0),
        "ears": ears,
        "scalp": scalp,
        "gums": np.isin(owner, ("upper gums", "lower gums")),
        "tongue": owner == "tongue",
        "lids": sheet & (lid >= 2).all(1),
    }
