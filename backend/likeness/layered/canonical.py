"""The canonical space in which geometry is learned: the subject's head with its mouth half open.

In the rest pose the lips touch, and a distance field cannot tell the upper lip from the lower. Half open, every point
of the skin has a neighbourhood of its own. A canonical point x_c and its rest point x_o are related by

    x_c = T_c (x_o + E psi_c + P f_c)

where psi_c and f_c are the canonical pose's expression and corrective features, E and P the displacements at that
point, and T_c its blended skinning transform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..head.model import HeadModel
from ..rig import AVATAR_JOINTS, JOINTS, POSED_JOINTS, Pose, corrective_features, skinning_transforms

Array = npt.NDArray[np.float32]

OPENING_EXPRESSION = "jawOpen"
OPENING_WEIGHT = 0.5
OPENING_ANGLE = 0.3

_BROW_LANDMARKS = [105, 334]


@dataclass(frozen=True)
class Attributes:
    """What moves a point: the same three things at every vertex of a layer.

    Attributes
    ----------
    expression_basis : (N, 3, E) float32
        Displacements at weight one, metres.
    corrective_basis : (N, 3, 36) float32
        Displacements per corrective feature.
    skin_weights : (N, 6) float32
        Over :data:`likeness.rig.AVATAR_JOINTS`; rows sum to one.
    """

    expression_basis: Array
    corrective_basis: Array
    skin_weights: Array

    def __getitem__(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Attributes:
        """The attributes of some of the points."""
        return Attributes(self.expression_basis[index], self.corrective_basis[index], self.skin_weights[index])


@dataclass(frozen=True)
class CanonicalHead:
    """A subject's head and its canonical pose.

    Attributes
    ----------
    model : HeadModel
    rest : (V, 3) float32
        Vertices at rest, identity applied.
    points : (V, 3) float32
        The same vertices in canonical space.
    joints : (5, 3) float32
        Rest positions of the joints.
    pose : Pose
        The canonical pose.
    features : (36,) float32
        Its corrective features.
    transforms : (6, 3, 4) float32
        Its skinning transforms.
    attributes : Attributes
        Of the head's own vertices.
    """

    model: HeadModel
    rest: Array
    points: Array
    joints: Array
    pose: Pose
    features: Array
    transforms: Array
    attributes: Attributes

    def to_canonical(self, rest_points: Array, attributes: Attributes) -> Array:
        """Canonical positions (N, 3) of rest points (N, 3)."""
        moved = rest_points + self._offsets(attributes)
        blended = np.tensordot(attributes.skin_weights, self.transforms, 1)
        return (np.einsum("nab,nb->na", blended[:, :, :3], moved) + blended[:, :, 3]).astype(np.float32)

    def to_rest(self, canonical_points: Array, attributes: Attributes) -> Array:
        """Rest positions (N, 3) of canonical points (N, 3): the inverse of :meth:`to_canonical`."""
        blended = np.tensordot(attributes.skin_weights, self.transforms, 1).astype(np.float64)
        moved = np.linalg.solve(blended[:, :, :3], (canonical_points - blended[:, :, 3])[..., None])[..., 0]
        return (moved - self._offsets(attributes)).astype(np.float32)

    def _offsets(self, attributes: Attributes) -> Array:
        return attributes.expression_basis @ self.pose.expression + attributes.corrective_basis @ self.features


def canonical_pose(head: HeadModel) -> Pose:
    """The pose of canonical space: mouth half open, by an expression made for it or by the jaw joint."""
    expression = np.zeros(head.expression_count, np.float32)
    rotations = np.zeros((len(POSED_JOINTS), 3), np.float32)
    if OPENING_EXPRESSION in head.expression_names:
        expression[head.expression_names.index(OPENING_EXPRESSION)] = OPENING_WEIGHT
    else:
        rotations[POSED_JOINTS.index("jaw"), 0] = OPENING_ANGLE
    return Pose(expression, joint_rotations=rotations)


def canonical_head(head: HeadModel, identity: npt.ArrayLike, torso_follows: float = 0.0) -> CanonicalHead:
    """A subject's head in canonical space.

    Parameters
    ----------
    head : HeadModel
    identity : (<= I,)
        Identity coefficients.
    torso_follows : float
        How much of the head model's root weight stays with the root, 0..1; the rest goes to the avatar's ``body``
        joint, which never moves. What follows the root alone are shoulders; :mod:`.sway` tells how they move.

    Returns
    -------
    CanonicalHead
    """
    rest = head.shaped(identity).astype(np.float32)
    joints = head.joints(rest)
    pose = canonical_pose(head)
    weights = np.zeros((len(rest), len(AVATAR_JOINTS)), np.float32)
    weights[:, : len(JOINTS)] = head.skin_weights
    weights[:, AVATAR_JOINTS.index("body")] = (1 - torso_follows) * weights[:, 0]
    weights[:, 0] *= torso_follows
    attributes = Attributes(
        np.ascontiguousarray(head.expression_basis.transpose(1, 2, 0)),
        np.ascontiguousarray(head.pose_correctives.transpose(1, 2, 0)),
        weights,
    )
    transforms = skinning_transforms(pose, joints)
    features = corrective_features(pose.joint_rotations)
    unmoved = CanonicalHead(head, rest, rest, joints, pose, features, transforms, attributes)
    points = unmoved.to_canonical(rest, attributes)
    return CanonicalHead(head, rest, points, joints, pose, features, transforms, attributes)


def brow_height(head: CanonicalHead) -> float:
    """Height just above the brows in canonical space, metres: hair may hang down to there."""
    return float(head.model.landmarks(head.points)[_BROW_LANDMARKS, 1].mean()) + 0.008


def bare_vertices(head: CanonicalHead) -> npt.NDArray[np.intp]:
    """Vertices (N,) of the face below the brows, where the head model knows the surface and no hair is expected."""
    face = np.unique(head.model.faces[head.model.regions["face"]])
    return face[head.points[face, 1] < brow_height(head)]
