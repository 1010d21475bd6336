"""The rig that a capture stores puts landmarks and irises exactly where the fit had them."""

from __future__ import annotations

import numpy as np
import pytest
from likeness.camera import Camera
from likeness.capture.fitting.points import point_model
from likeness.capture.fitting.residuals import Unknowns, project
from likeness.capture.gaze import gaze_rotations, posed_irises, track_gaze
from likeness.capture.landmarks import LEFT_IRIS, POINTS, RIGHT_IRIS
from likeness.capture.world import motion
from likeness.head.standin import standin
from likeness.rig import JOINTS, Pose
from scipy.spatial.transform import Rotation

FRAMES, FOCAL, SIDE = 12, 1100.0, 512
TRAINING = np.arange(9)


@pytest.fixture(scope="module", params=["standin", "ict"])
def head(request):
    return standin() if request.param == "standin" else request.getfixturevalue("ict_head")


@pytest.fixture(scope="module")
def unknowns(head) -> Unknowns:
    random = np.random.default_rng(5)
    return Unknowns(
        identity=random.normal(size=len(head.identity_basis)).astype(np.float32).astype(np.float64),
        log_focal=float(np.log(FOCAL)),
        rotation=Rotation.from_rotvec([0.2, -0.3, 0.1] + 0.2 * random.normal(size=(FRAMES, 3))).as_matrix(),
        translation=[0.02, -0.05, -0.8] + 0.02 * random.normal(size=(FRAMES, 3)),
        expression=random.uniform(0, 0.5, (FRAMES, head.expression_count))
        * (random.random(head.expression_count) < 0.2),
    )


def pixels(points: np.ndarray) -> np.ndarray:
    """Pixels from the top left of points given from the centre, y upwards."""
    return points * [1, -1] + SIDE / 2


def test_the_posed_head_projects_onto_the_tracked_points(head, unknowns):
    gaze = np.zeros((FRAMES, 2, 2))
    rig = motion(head, unknowns, gaze, TRAINING)
    camera = Camera(SIDE, SIDE, FOCAL, FOCAL, SIDE / 2, SIDE / 2, rig.camera_to_world)
    tracked = pixels(project(point_model(head), unknowns)[0])
    for frame in range(FRAMES):
        pose = Pose(
            unknowns.expression[frame].astype(np.float32),
            root_translation=rig.root_translation[frame],
            joint_rotations=rig.joint_rotations[frame],
        )
        posed = camera.project(head.landmarks(head.posed(pose, unknowns.identity)))
        # Single precision keeps 1e-7 of a metre, and a metre is 1400 pixels here; a few roundings add up.
        assert np.abs(posed - tracked[frame]).max() < 5e-4


def test_the_world_is_the_mean_pose_of_the_training_frames(head, unknowns):
    rig = motion(head, unknowns, np.zeros((FRAMES, 2, 2)), TRAINING)
    neck = Rotation.from_rotvec(rig.joint_rotations[TRAINING, JOINTS.index("neck") - 1])
    assert np.degrees(np.linalg.norm(neck.mean().as_rotvec())) < 1e-5
    assert np.abs(rig.root_translation[TRAINING].mean(0)).max() < 1e-6
    assert (rig.joint_rotations[:, JOINTS.index("jaw") - 1] == 0).all()
    rotation = rig.camera_to_world[:3, :3]
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-6


def test_a_steady_gaze_is_found_and_lies_in_the_eye_joints(head, unknowns):
    shown = np.tile(np.radians([[8.0, -12.0], [8.0, -12.0]]), (FRAMES, 1, 1))
    landmarks = np.zeros((FRAMES, POINTS, 2))
    landmarks[:, :468] = project(point_model(head), unknowns)[0]
    for corner, place in ((386, (0, 8)), (374, (0, 0)), (263, (15, 4)), (362, (-15, 4))):
        landmarks[:, corner] = place  # wide open eyes, so that irises count
    for corner, place in ((159, (0, 8)), (145, (0, 0)), (33, (-15, 4)), (133, (15, 4))):
        landmarks[:, corner] = place
    rig = motion(head, unknowns, shown, TRAINING)
    camera = Camera(SIDE, SIDE, FOCAL, FOCAL, SIDE / 2, SIDE / 2, rig.camera_to_world)
    for frame in range(FRAMES):
        pose = Pose(
            head.neutral().expression,
            root_translation=rig.root_translation[frame],
            joint_rotations=rig.joint_rotations[frame],
        )
        irises = camera.project(posed_irises(head, unknowns.identity, pose)[:, 0])
        landmarks[frame, [LEFT_IRIS, RIGHT_IRIS]] = (irises - SIDE / 2) * [1, -1]
    found, distance = track_gaze(head, unknowns, landmarks)
    # An iris moves by some 18 pixels a radian; the pull to rest, against its square, costs half a per cent of
    # twelve degrees.
    assert np.degrees(np.abs(found - shown)).max() < 0.15
    assert distance.max() < 0.05


def test_positive_angles_look_down_and_to_the_subjects_left():
    down, left = gaze_rotations(np.array([[0.2, 0.0], [0.0, 0.2]])) @ [0, 0, 1]
    assert down[1] < 0 and left[0] > 0
