"""The one interface to a head model, whatever its origin: named arrays of fixed meaning.

Nothing downstream knows whether a head came from FLAME, ICT-FaceKit or the built-in stand-in, nor how many
expressions it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..rig import JOINTS, Pose, corrective_features, skinning_transforms

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class HeadModel:
    """A parametric head. Space: metres, +Y up, +Z out of the face, +X to the subject's left.

    Attributes
    ----------
    name : str
        ``"flame"``, ``"ict"`` or ``"standin"``.
    template : (V, 3) float32
        Neutral head, mouth closed.
    identity_basis : (I, V, 3) float32
        Identity directions; I may be zero.
    expression_names : tuple of str
        E names, unique.
    expression_basis : (E, V, 3) float32
        Displacements at weight one.
    expression_range : (E, 2) float32
        Lowest and highest sensible weight: (0, 1) for ARKit-like shapes, (-inf, inf) for principal components.
    pose_correctives : (36, V, 3) float32
        Displacements per corrective feature, see :func:`likeness.rig.corrective_features`.
    joint_regressor : (5, V) float32
        Rest joints of an identity: affine weights, each row sums to one.
    skin_weights : (V, 5) float32
        Linear blend skinning weights over :data:`likeness.rig.JOINTS`; rows sum to one.
    faces : (F, 3) int32
        Triangles, counter-clockwise seen from outside.
    uv : (T, 2) float32
        Texture coordinates in 0..1, v upwards, one chart layout without overlaps.
    faces_uv : (F, 3) int32
        Texture corners of each triangle.
    regions : dict of str to (F,) bool
        Named sets of triangles. Always there: ``skin`` (outer skin), ``face`` (the front of the skin: brow to chin, ear
        to ear), ``mouth`` (inner mouth, gums, tongue), ``teeth``, ``eyes`` (eyeballs), ``neck``; all but the first two
        may be empty.
    landmark_triangles : (468, 3) int32
        Vertices that carry each point of MediaPipe's face mesh.
    landmark_barycentrics : (468, 3) float32
        Their weights; rows sum to one.
    iris_distance : float
        Distance from an eye joint to the iris plane, metres, at the template's identity.
    licence : str
        SPDX identifier, or a sentence, of the terms under which the head came.
    """

    name: str
    template: Array
    identity_basis: Array
    expression_names: tuple[str, ...]
    expression_basis: Array
    expression_range: Array
    pose_correctives: Array
    joint_regressor: Array
    skin_weights: Array
    faces: Indices
    uv: Array
    faces_uv: Indices
    regions: dict[str, npt.NDArray[np.bool_]]
    landmark_triangles: Indices
    landmark_barycentrics: Array
    iris_distance: float
    licence: str = field(default="")

    @property
    def expression_count(self) -> int:
        """Number of expressions E."""
        return len(self.expression_names)

    def neutral(self) -> Pose:
        """The rest pose: no expression, nothing moved."""
        return Pose(np.zeros(self.expression_count, np.float32))

    def shaped(self, identity: npt.ArrayLike) -> Array:
        """Template (V, 3) with identity coefficients (<= I,) applied."""
        coefficients = np.asarray(identity, np.float32)
        return self.template + np.tensordot(coefficients, self.identity_basis[: len(coefficients)], 1)

    def joints(self, shaped: Array | None = None) -> Array:
        """Rest positions (5, 3) of :data:`likeness.rig.JOINTS` for a shaped template (V, 3)."""
        return self.joint_regressor @ (self.template if shaped is None else shaped)

    def posed(self, pose: Pose, identity: npt.ArrayLike = ()) -> Array:
        """World positions (V, 3) of the head in a pose: expressions and correctives, then linear blend skinning."""
        shaped = self.shaped(identity)
        points = shaped + np.tensordot(pose.expression, self.expression_basis, 1)
        points = points + np.tensordot(corrective_features(pose.joint_rotations), self.pose_correctives, 1)
        transforms = skinning_transforms(pose, self.joints(shaped))[: len(JOINTS)]
        blended = np.tensordot(self.skin_weights, transforms, 1)
        return (np.einsum("vab,vb->va", blended[:, :, :3], points) + blended[:, :, 3]).astype(np.float32)

    def landmarks(self, points: Array) -> Array:
        """World positions (468, 3) of MediaPipe's face points on a head whose vertices (V, 3) are given."""
        return np.einsum("lk,lkc->lc", self.landmark_barycentrics, points[self.landmark_triangles])
