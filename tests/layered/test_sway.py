"""How much of the root's motion shoulders follow is read off mattes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from likeness.camera import Camera
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


def filmed(follows: float, sway: float = 0.025) -> TrainingFrames:
    """A person who leans from side to side: head and neck by ``sway`` metres, shoulders by a share of that."""
    places = sway * np.sin(np.linspace(0, 9, COUNT))
    rows, columns = np.indices((SIZE, SIZE)) + 0.5

    def film(index: int) -> FilmedFrame:
        across = SIZE / 2 + FOCAL / DISTANCE * places[index]
        head = np.hypot(columns - across, rows - 50) < 34
        body = (np.abs(columns - SIZE / 2 - follows * (across - SIZE / 2)) < 40) & (rows > 105)
        matte = torch.as_tensor((255 * (head | body)).astype(np.uint8))
        return FilmedFrame(torch.zeros(SIZE, SIZE, 3, dtype=torch.uint8), matte, matte > 300)

    translations = torch.zeros(COUNT, 3)
    translations[:, 0] = torch.as_tensor(places)
    still = torch.zeros(COUNT, 3)
    return TrainingFrames(
        film=film,
        device=torch.device("cpu"),
        cameras=(CAMERA,) * COUNT,
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


def test_a_root_that_hardly_sways_carries_the_torso():
    assert torso_follows(filmed(0.0, sway=0.004), JOINTS) == 1


def test_a_root_that_turns_is_a_head_that_shoulders_do_not_follow():
    frames = filmed(1.0)
    turns = torch.zeros(COUNT, 3)
    turns[:, 1] = torch.linspace(-0.2, 0.2, COUNT)
    assert torso_follows(replace(frames, root_rotation=turns), JOINTS) == 0


def test_where_no_picture_reaches_below_the_neck_shoulders_stay():
    assert torso_follows(filmed(1.0), JOINTS - [[0, 0.2, 0]]) == 0
