"""How much of the root's motion shoulders follow is read off mattes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import GEOMETRY, ball_capture
from likeness.camera import Camera
from likeness.layered import hull_field
from likeness.layered.frames import FilmedFrame, TrainingFrames
from likeness.layered.sway import torso_follows

COUNT, SIZE, FOCAL, DISTANCE = 24, 128, 280.0, 0.7
JOINTS = np.array([[0, -0.13, 0], [0, -0.08, 0], [0, -0.05, 0.02], [0.03, 0.02, 0.05], [-0.03, 0.02, 0.05]], np.float32)
CAMERA = Camera(
    SIZE,
    SIZE,
    FOCAL,
    FOCAL,
    SIZE / 2,
    SIZE / 2,
    np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, DISTANCE], [0, 0, 0, 1]], np.float32),
)


def filmed(follows: float, sway: float = 0.025, pan: float = 0.0) -> TrainingFrames:
    """A person who leans from side to side: head and neck by ``sway`` metres, shoulders by a share of that.

    The camera moves sideways by up to ``pan`` metres meanwhile.
    """
    places, stands = sway * np.sin(np.linspace(0, 9, COUNT)), pan * np.sin(np.linspace(1, 6, COUNT))
    rows, columns = np.indices((SIZE, SIZE)) + 0.5

    def film(index: int) -> FilmedFrame:
        head_column, body_column = (
            SIZE / 2 + FOCAL / DISTANCE * (share * places[index] - stands[index]) for share in (1, follows)
        )
        head = np.hypot(columns - head_column, rows - 50) < 34
        body = (np.abs(columns - body_column) < 40) & (rows > 105)
        matte = torch.as_tensor((255 * (head | body)).astype(np.uint8))
        return FilmedFrame(torch.zeros(SIZE, SIZE, 3, dtype=torch.uint8), matte, matte > 300)

    translations = torch.zeros(COUNT, 3)
    translations[:, 0] = torch.as_tensor(places)
    still = torch.zeros(COUNT, 3)
    cameras = []
    for stand in stands:
        matrix = CAMERA.camera_to_world.copy()
        matrix[0, 3] = stand
        cameras.append(replace(CAMERA, camera_to_world=matrix))
    return TrainingFrames(
        film=film,
        device=torch.device("cpu"),
        cameras=tuple(cameras),
        expression=torch.zeros(COUNT, 2),
        root_rotation=still,
        root_translation=translations,
        joint_rotations=torch.zeros(COUNT, 4, 3),
        training=tuple(range(COUNT - 4)),
        held_out=tuple(range(COUNT - 4, COUNT)),
    )


@pytest.mark.parametrize("follows", [0.0, 0.35, 0.7, 1.0])
def test_shoulders_follow_by_the_share_that_mattes_show(follows):
    # Half a pixel of ten is what mattes without soft edges leave open.
    assert torso_follows(filmed(follows), JOINTS) == pytest.approx(follows, abs=0.051)


def test_a_moving_camera_is_no_leaning_person():
    assert torso_follows(filmed(0.35, pan=0.02), JOINTS) == pytest.approx(0.35, abs=0.051)


def test_shells_are_carved_around_shoulders_that_follow_so(monkeypatch):
    capture, frames = ball_capture(turns=3, size=48)
    weights = np.zeros_like(capture.head.skin_weights)
    weights[:, 0] = 1
    rooted = replace(capture, head=replace(capture.head, skin_weights=weights))
    monkeypatch.setattr(hull_field, "torso_follows", lambda *_: 0.4)
    carved = hull_field.carved_field(frames, rooted, GEOMETRY)
    assert carved.head.attributes.skin_weights[0] == pytest.approx([0.4, 0, 0, 0, 0, 0.6])


def test_a_root_that_hardly_sways_carries_the_torso():
    assert torso_follows(filmed(0.0, sway=0.004), JOINTS) == 1


def test_a_root_that_turns_is_a_head_that_shoulders_do_not_follow():
    frames = filmed(1.0)
    turns = torch.zeros(COUNT, 3)
    turns[:, 1] = torch.linspace(-0.2, 0.2, COUNT)
    assert torso_follows(replace(frames, root_rotation=turns), JOINTS) == 0


def test_where_no_picture_reaches_below_the_neck_shoulders_stay():
    assert torso_follows(filmed(1.0), JOINTS - [[0, 0.2, 0]]) == 0
