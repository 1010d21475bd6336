"""The part of a head model that tracking sees: MediaPipe's 468 points, with their trust and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...head.model import HeadModel
from ...rig import JOINTS

Floats = npt.NDArray[np.float64]

COUNT = 468
"""Points of MediaPipe's face mesh without the irises."""

LIPS = (
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191, 267, 269, 270, 291),
    *(308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
)
INNER_LIPS = (13, 14, 78, 80, 81, 82, 87, 88, 95, 178, 191, 308, 310, 311, 312, 317, 318, 324, 402, 415)
EYES = (
    *(7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246),
    *(249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466),
)
BROWS = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
NOSE = (1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 275, 278, 294, 326, 327, 344, 440)
OVAL = (
    *(10, 21, 54, 58, 67, 93, 103, 109, 127, 132, 136, 148, 149, 150, 152, 162, 172, 176),
    *(234, 251, 284, 288, 297, 323, 332, 338, 356, 361, 365, 377, 378, 379, 389, 397, 400, 454),
)
FOREHEAD = (
    *(103, 67, 109, 10, 338, 297, 332, 104, 69, 108, 151, 337, 299, 333, 54, 284, 21, 251, 68, 298, 71, 301),
)  # fmt: skip

GROUPS = {"lips": LIPS, "eyes": EYES, "brows": BROWS, "nose": NOSE, "oval": OVAL}
"""Named sets of points, for reports."""

_TRUST = ((OVAL, 0.25), (FOREHEAD, 0.3), (BROWS, 1.0), (EYES, 1.5), (LIPS, 1.5), (NOSE, 1.0))
_TRUST_ELSEWHERE = 0.5

RIGHT_LIDS = ((159, 145), (158, 153), (160, 144), (157, 154), (161, 163))
LEFT_LIDS = ((386, 374), (385, 380), (387, 373), (384, 381), (388, 390))
_LIP_GAPS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318))

GAPS = np.array(RIGHT_LIDS + LEFT_LIDS + _LIP_GAPS)
"""(17, 2) upper and lower points, whose difference says how far lids and lips are open."""

GAP_TRUST = np.array([8.0] * 10 + [5.0] * 7)
"""(17,) Weights of the gaps. Without them blinks are lost: a lid moves by no more than what landmarks are off."""


@dataclass(frozen=True)
class PointModel:
    """MediaPipe's points as a linear function of identity and expression, before the head moves.

    Attributes
    ----------
    template : (468, 3)
        Metres, in the head model's space.
    identity_basis : (I, 468, 3)
    expression_basis : (E, 468, 3)
    expression_names : tuple of str
    lowest, highest : (E,)
        Range of each expression weight; may be infinite.
    normals : (468, 3)
        Unit normals of the template, outwards.
    trust : (468,)
        Weight of each point: high on lips, lids and nose, low where MediaPipe guesses (outline, forehead) and where the
        skin does not follow the head.
    """

    template: Floats
    identity_basis: Floats
    expression_basis: Floats
    expression_names: tuple[str, ...]
    lowest: Floats
    highest: Floats
    normals: Floats
    trust: Floats

    def points(self, identity: Floats, expression: Floats) -> Floats:
        """Positions (F, 468, 3) for one identity (I,) and expressions (F, E)."""
        neutral = self.template + np.tensordot(identity, self.identity_basis, 1)
        return neutral + np.tensordot(expression, self.expression_basis, 1)


def point_model(head: HeadModel) -> PointModel:
    """MediaPipe's points of a head model."""
    weights = head.landmark_barycentrics.astype(np.float64)[..., None]

    def at_points(values: npt.NDArray[np.float32]) -> Floats:
        return (values[..., head.landmark_triangles, :] * weights).sum(-2, dtype=np.float64)

    # Not the normals of the points' own triangles: on the edges of lids and lips those are slivers that face anywhere.
    normals = at_points(_skin_normals(head))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    follows_head: Floats = (1 - at_points(head.skin_weights)[:, JOINTS.index("root")]).clip(0, 1)
    trust = np.full(COUNT, _TRUST_ELSEWHERE)
    for group, value in _TRUST:
        trust[list(group)] = value
    return PointModel(
        template=at_points(head.template),
        identity_basis=at_points(head.identity_basis),
        expression_basis=at_points(head.expression_basis),
        expression_names=head.expression_names,
        lowest=head.expression_range[:, 0].astype(np.float64),
        highest=head.expression_range[:, 1].astype(np.float64),
        normals=normals,
        trust=trust * follows_head,
    )


def _skin_normals(head: HeadModel) -> npt.NDArray[np.float32]:
    """Normals (V, 3) of the template's skin, weighted by area; zero elsewhere."""
    triangles = head.faces[head.regions["skin"]]
    corners = head.template[triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(head.template)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], crosses)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
