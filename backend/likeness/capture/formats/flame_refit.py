"""From posed meshes of FLAME back to its parameters: identity from one mesh, pose of every frame from another.

FLAME's own definition is used (Li et al., TOG 2017): with coefficients b, e and rotations R_j, the unposed head is
v = T + S b + B e + P (R - I), the joints are J = J_regressor (T + S b + B e), and every vertex moves by its blend of
the joints' transforms. Vertices are linear in b while rotations are fixed, so the identity of a mesh of known pose is
one linear least squares; poses are found by Gauss-Newton steps on a few hundred vertices of all parts.

Meshes that a rig posed follow another definition: its joints rest where J has them without B e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ...head.flame import EYELIDS
from ...head.model import HeadModel
from ...rig import JOINTS, PARENTS

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

RIDGE = 1e-12
"""Square metres: what a squared coefficient of deviation one costs against squared distances, a thousandth of a mm."""

STEPS = 12
_SMALL = 1e-6
_PER_PART, _PER_LID = 160, 40
_LID_REACH = 0.025
"""Metres around an eye's joint in which unknown eyelids may move the skin."""


@dataclass(frozen=True)
class Posed:
    """Poses of F frames: what :func:`fit_poses` finds.

    Attributes
    ----------
    pose : (F, 5, 3)
        Axis-angle of root, neck, jaw, left eye, right eye.
    translation : (F, 3)
        Of everything, after the pose.
    eyelids : (F, 2)
        Weights of the left and the right eyelid; zero for a head model without them.
    distance : (F,)
        Root mean square distance, metres, that is left.
    """

    pose: Floats
    translation: Floats
    eyelids: Floats
    distance: Floats


class FlameVertices:
    """FLAME on some of its vertices, in double precision, many frames at once."""

    def __init__(self, head: HeadModel, vertices: Indices, joints_drift: bool = True) -> None:
        """``vertices`` are the numbers of those wanted, n of them; joints of a rig do not drift."""
        regressor = head.joint_regressor.astype(np.float64)
        own = sum(name.startswith("expression_") for name in head.expression_names)
        self.template = head.template[vertices].astype(np.float64)
        self.identity = head.identity_basis[:, vertices].astype(np.float64)
        self.expression = head.expression_basis[:own, vertices].astype(np.float64)
        has_lids = head.expression_names[-2:] == EYELIDS
        self.eyelids = head.expression_basis[-2:, vertices].astype(np.float64) if has_lids else None
        self.correctives = head.pose_correctives[:, vertices].astype(np.float64)
        self.weights = head.skin_weights[vertices].astype(np.float64)
        self.joints = regressor @ head.template
        self.identity_joints = np.einsum("jv,ivc->ijc", regressor, head.identity_basis)
        self.expression_joints = np.einsum("jv,evc->ejc", regressor, head.expression_basis[:own])
        if not joints_drift:
            self.expression_joints = np.zeros_like(self.expression_joints)

    def unposed(self, identity: Floats, expression: Floats) -> tuple[Floats, Floats]:
        """Vertices (F, n, 3) and joints (F, 5, 3) before anything turns, for expressions (F, <= E)."""
        count = expression.shape[1]
        points = self.template + np.tensordot(identity, self.identity[: len(identity)], 1)
        joints = self.joints + np.tensordot(identity, self.identity_joints[: len(identity)], 1)
        return (
            points + np.tensordot(expression, self.expression[:count], 1),
            joints + np.tensordot(expression, self.expression_joints[:count], 1),
        )

    def posed(self, points: Floats, joints: Floats, pose: Floats) -> Floats:
        """Vertices (F, n, 3) of unposed ones (F, n, 3) and joints (F, 5, 3) under poses (F, 5, 3)."""
        turns = _rotations(pose)
        features = (turns[:, 1:] - np.eye(3)).reshape(len(pose), -1)
        moved = points + np.tensordot(features, self.correctives, 1)
        world_turn, world_place = [turns[:, 0]], [joints[:, 0]]
        for joint, parent in enumerate(PARENTS[1:], 1):
            world_turn.append(world_turn[parent] @ turns[:, joint])
            offset = (joints[:, joint] - joints[:, parent])[..., None]
            world_place.append((world_turn[parent] @ offset)[..., 0] + world_place[parent])
        turn, place = np.stack(world_turn, 1), np.stack(world_place, 1)
        shift = place - np.einsum("fjab,fjb->fja", turn, joints)
        blended = np.einsum("nj,fjab->fnab", self.weights, turn, optimize=True)
        return (blended @ moved[..., None])[..., 0] + np.einsum("nj,fja->fna", self.weights, shift)


def chosen_vertices(head: HeadModel) -> Indices:
    """A few hundred vertices that show every joint's turn; skin that unknown eyelids move is left out."""
    joints = head.joints()
    usable = np.ones(len(head.template), bool)
    chosen = []
    if head.expression_names[-2:] == EYELIDS:
        moved = np.linalg.norm(head.expression_basis[-2:], axis=2)
        chosen = [np.argsort(lid)[-_PER_LID:] for lid in moved]
    else:
        for name in ("eye_l", "eye_r"):
            joint = JOINTS.index(name)
            near = np.linalg.norm(head.template - joints[joint], axis=1) < _LID_REACH
            usable &= ~near | (head.skin_weights[:, joint] > 0.5)
    for joint in range(len(JOINTS)):
        # The root's own share may nowhere be large: take where it is largest.
        weight = np.where(usable, head.skin_weights[:, joint], 0)
        members = np.flatnonzero(weight > 0.5 * weight.max(initial=1e-9))
        chosen.append(members[np.linspace(0, len(members) - 1, min(_PER_PART, len(members))).astype(int)])
    return np.unique(np.concatenate(chosen))


def fit_identity(head: HeadModel, vertices: Floats, pose: Floats) -> tuple[Floats, float]:
    """Identity coefficients (I,) of a mesh (5023, 3) without expression in a pose (5, 3), and the rms distance left."""
    flame = FlameVertices(head, np.arange(len(head.template)))
    count = len(flame.identity)

    def seen(points: Floats, joints: Floats) -> Floats:
        return flame.posed(points, joints, np.tile(pose, (len(points), 1, 1)))

    start = seen(flame.template[None], flame.joints[None])[0]
    # Linear in the identity, so differences of whole steps are exact; a few at a time, for memory.
    slopes = np.concatenate(
        [
            seen(flame.template + flame.identity[i : i + 20], flame.joints + flame.identity_joints[i : i + 20]) - start
            for i in range(0, count, 20)
        ]
    ).reshape(count, -1)
    curvature = slopes @ slopes.T + RIDGE * np.eye(count)
    identity = np.linalg.solve(curvature, slopes @ (vertices - start).ravel())
    left = (vertices - start).ravel() - identity @ slopes
    return identity, float(np.sqrt((left**2).sum() / len(vertices)))


def fit_poses(flame: FlameVertices, identity: Floats, expression: Floats, vertices: Floats) -> Posed:
    """Poses of frames from their meshes.

    Parameters
    ----------
    flame : FlameVertices
        On n vertices.
    identity : (I,)
    expression : (F, <= E)
    vertices : (F, n, 3)
        Where those vertices are in each frame, metres.
    """
    frames = len(vertices)
    neutral, joints = flame.unposed(identity, expression)
    lids = 0 if flame.eyelids is None else 2
    unknowns = np.zeros((frames, 18 + lids))

    def seen(values: Floats, repeats: int = 1) -> Floats:
        points = np.repeat(neutral, repeats, 0)
        if flame.eyelids is not None:
            points = points + np.tensordot(values[:, 18:], flame.eyelids, 1)
        moved = flame.posed(points, np.repeat(joints, repeats, 0), values[:, :15].reshape(-1, 5, 3))
        return moved + values[:, None, 15:18]

    steps = _SMALL * np.eye(unknowns.shape[1])
    for _ in range(STEPS):
        around = (unknowns[:, None] + np.concatenate([steps, -steps])).reshape(-1, unknowns.shape[1])
        values = seen(around, 2 * len(steps)).reshape(frames, 2, len(steps), -1)
        slopes = (values[:, 0] - values[:, 1]) / (2 * _SMALL)
        left = (vertices - seen(unknowns)).reshape(frames, -1, 1)
        # A part that no vertex shows stays where it is.
        curvature = slopes @ slopes.transpose(0, 2, 1) + 1e-10 * np.eye(len(steps))
        change = np.linalg.solve(curvature, slopes @ left)[..., 0]
        unknowns = unknowns + change
        if np.abs(change).max(initial=0) < 1e-10:
            break
    distance = np.sqrt(((vertices - seen(unknowns)) ** 2).sum(2).mean(1))
    eyelids = unknowns[:, 18:] if lids else np.zeros((frames, 2))
    return Posed(unknowns[:, :15].reshape(-1, 5, 3), unknowns[:, 15:18], eyelids, distance)


def _rotations(axis_angle: Floats) -> Floats:
    """Rotation matrices in double precision, for differences of small steps are taken of them."""
    return Rotation.from_rotvec(axis_angle.reshape(-1, 3)).as_matrix().reshape(*axis_angle.shape, 3)
