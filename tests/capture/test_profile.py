"""A head that turns to 45 degrees is tracked all the way: the built-in head, painted as the sample film has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import write_film
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.capture.track import track_video
from likeness.evaluate.baseline import fit_baseline, render_baseline
from likeness.rig import POSED_JOINTS
from likeness.runtime.colour import to_srgb8

TURNS = np.concatenate([np.linspace(0, 45, 18), np.linspace(45, 0, 18)])
SIZE = 320


@pytest.fixture(scope="module")
def turning() -> tuple[Capture, np.ndarray]:
    """A capture of the painted head turning to its left and back, and its angles (F, 2), degrees."""
    sample = sample_capture()
    count = len(TURNS)
    rotations = np.zeros((count, len(POSED_JOINTS), 3), np.float32)
    rotations[:, POSED_JOINTS.index("neck"), 1] = np.radians(TURNS)
    still = replace(
        sample,
        expression=np.zeros((count, sample.head.expression_count), np.float32),
        root_rotation=np.zeros((count, 3), np.float32),
        root_translation=np.zeros((count, 3), np.float32),
        joint_rotations=rotations,
        camera_to_world=sample.camera_to_world[:count],
        landmarks=sample.landmarks[:count],
        frames=sample.frames[:count],
        mattes=sample.mattes[:count],
        held_out=(),
    )
    return still, still.head_turns


def test_a_turn_to_45_degrees_is_followed(turning, tmp_path: Path):
    still, angles = turning
    baseline = fit_baseline(sample_capture(), 256, iterations=20)
    pictures = []
    for index in range(len(still)):
        painted = render_baseline(baseline, still, index, SIZE)
        wall = np.append(np.full(3, 0.3, np.float32), np.float32(1))
        pictures.append(np.ascontiguousarray(to_srgb8(painted + (1 - painted[..., 3:]) * wall)[..., :3]))
    film = write_film(tmp_path / "turning.mp4", pictures)
    focal = float(still.intrinsics[0]) * SIZE / still.width
    found = track_video(film, still.head, tmp_path / "capture", focal=focal)
    assert len(found) == len(still)
    away = np.abs(found.head_turns[:, 0] - angles[:, 0])
    # The detector was made for people: on the painted head it is some degrees off even from the front.
    assert np.median(away) < 6 and away.max() < 12
    assert found.head_turns[:, 0].max() > 38
