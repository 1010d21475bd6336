"""Where the eyes look: eyeballs turned so that their irises lie where the pictures show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ..head.model import HeadModel
from ..rig import JOINTS, Pose, skinning_transforms
from .fitting.banded import solve_chain
from .fitting.residuals import Frames, Unknowns
from .landmarks import LEFT_IRIS, RIGHT_IRIS

Floats = npt.NDArray[np.float64]

REST, TOGETHER, SMOOTH = 1.5, 30.0, 20.0
"""Weights of small angles, of both eyes turning alike, and of slow change; against pixels with a deviation of one."""

HIDDEN = 0.13
"""Openness of an eye below which its iris is not seen; at twice of that it is seen well."""

IRIS_RADIUS = 0.006
"""Radius of a human iris, metres; it hardly differs between people."""

_ITERATIONS = 8
_LIDS = {"eye_l": (386, 374, 263, 362), "eye_r": (159, 145, 33, 133)}  # upper, lower, outer corner, inner corner


@dataclass(frozen=True)
class Eyeball:
    """One eye at rest in the head model's space: centre (3,), and distance of the iris's plane from it, metres."""

    centre: Floats
    iris_distance: float

    def irises(self, angles: Floats) -> Floats:
        """Iris centres (F, 3) for angles (F, 2): pitch about X, then yaw about Y."""
        return self.centre + self.iris_distance * gaze_rotations(angles)[..., 2]


def gaze_rotations(angles: Floats) -> Floats:
    """Rotations (F, 3, 3) of an eyeball for angles (F, 2), radians: pitch (down) and yaw (to the subject's left)."""
    return Rotation.from_euler("xy", angles).as_matrix()


def eyeballs(head: HeadModel, identity: npt.ArrayLike) -> list[Eyeball]:
    """The left and the right eyeball of an identity; the iris's distance grows with the eyeball."""
    shaped = head.shaped(identity).astype(np.float64)
    found = []
    for name in ("eye_l", "eye_r"):
        joint = JOINTS.index(name)
        ball = head.skin_weights[:, joint] > 0.5
        centre, usual = head.joint_regressor[joint] @ shaped, head.joint_regressor[joint] @ head.template
        growth = (
            _mean_distance(shaped[ball], centre) / _mean_distance(head.template[ball], usual) if ball.any() else 1.0
        )
        found.append(Eyeball(centre, head.iris_distance * growth))
    return found


def track_gaze(
    head: HeadModel, unknowns: Unknowns, landmarks: Floats, starts: Frames | None = None
) -> tuple[Floats, Floats]:
    """Turn both eyes in every frame.

    Parameters
    ----------
    head : HeadModel
    unknowns : Unknowns
        The fit of the head.
    landmarks : (F, 478, 2)
        Pixels of a picture 512 wide, from the camera's principal point, y upwards.
    starts : (S,) int, optional
        Frames before which the film was cut.

    Returns
    -------
    angles : (F, 2, 2)
        Pitch and yaw of the left and the right eye, radians, against the head.
    distances : (F, 2)
        Between the iris seen and the iris predicted, pixels.
    """
    balls = eyeballs(head, unknowns.identity)
    seen = landmarks[:, [LEFT_IRIS, RIGHT_IRIS]]
    count = len(seen)
    angles = np.zeros((count, 4))
    # A closing eye hides its iris, and MediaPipe's guess goes down with the lid: the gaze around it tells more.
    trust = np.stack([((openness(landmarks, name) - HIDDEN) / HIDDEN).clip(0.01, 1) for name in ("eye_l", "eye_r")], 1)
    weight = np.repeat(trust, 2, axis=1)
    alike = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]])
    curvature = REST * np.eye(4) + TOGETHER * alike.T @ alike
    tie = np.full((count - 1, 4), SMOOTH)
    if starts is not None:
        tie[starts - 1] = 0
    stiffness = np.zeros((count, 4))
    stiffness[1:] += tie
    stiffness[:-1] += tie
    for _ in range(_ITERATIONS):
        predicted = _project(balls, angles, unknowns)
        small = 1e-5
        slopes = np.stack(
            [(_project(balls, angles + small * axis, unknowns) - predicted) / small for axis in np.eye(4)], -1
        ).reshape(count, 4, 4)
        residual = (seen - predicted).reshape(count, 4)
        weighted = slopes.transpose(0, 2, 1) * weight[:, None, :]
        hessian = weighted @ slopes + curvature + stiffness[:, None] * np.eye(4)
        gradient = -(weighted @ residual[..., None])[..., 0] + angles @ curvature
        change = tie * np.diff(angles, axis=0)
        gradient[1:] += change
        gradient[:-1] -= change
        angles = angles + solve_chain(hessian, -tie, -gradient)
    return angles.reshape(count, 2, 2), np.linalg.norm(seen - _project(balls, angles, unknowns), axis=-1)


def posed_irises(head: HeadModel, identity: npt.ArrayLike, pose: Pose, radius: float = 0.0, corners: int = 1) -> Floats:
    """World positions (2, corners, 3) on a circle around the centre of the left and the right iris of a posed head.

    Parameters
    ----------
    radius : float
        Of the circle, metres; zero gives the centre.
    corners : int
        Number of positions.
    """
    transforms = skinning_transforms(pose, head.joints(head.shaped(identity))).astype(np.float64)
    around = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    circle = radius * np.stack([np.cos(around), np.sin(around), np.zeros(corners)], -1)
    found = []
    for name, ball in zip(("eye_l", "eye_r"), eyeballs(head, identity), strict=True):
        matrix = transforms[JOINTS.index(name)]
        found.append((circle + ball.centre + [0, 0, ball.iris_distance]) @ matrix[:, :3].T + matrix[:, 3])
    return np.array(found)


def _project(balls: list[Eyeball], angles: Floats, unknowns: Unknowns) -> Floats:
    """Pixels (F, 2, 2) of the left and the right iris for angles (F, 4)."""
    irises = np.stack([ball.irises(angles[:, 2 * i : 2 * i + 2]) for i, ball in enumerate(balls)], 1)
    position = irises @ unknowns.rotation.transpose(0, 2, 1) + unknowns.translation[:, None]
    return np.exp(unknowns.log_focal) * position[..., :2] / -position[..., 2:]


def openness(landmarks: npt.NDArray[np.floating], eye: str) -> Floats:
    """Height of the opening between the lids over its width, (F,).

    Parameters
    ----------
    landmarks : (F, 478, 2)
        Pixels.
    eye : {"eye_l", "eye_r"}
    """
    upper, lower, outer, inner = _LIDS[eye]
    height = np.linalg.norm(landmarks[:, upper] - landmarks[:, lower], axis=-1)
    return height / np.linalg.norm(landmarks[:, outer] - landmarks[:, inner], axis=-1).clip(1e-6)


def _mean_distance(points: npt.NDArray[np.floating], centre: npt.NDArray[np.floating]) -> float:
    return float(np.linalg.norm(points - centre, axis=1).mean())
