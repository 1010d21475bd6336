"""What was seen is counted in seconds of training frames, and what lacks becomes advice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likeness.capture.coverage import VIEW_SECONDS, Sight, advice, coverage
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture


@pytest.fixture(scope="module")
def sample() -> Capture:
    return sample_capture()


def by_name(sights: list[Sight]) -> dict[str, Sight]:
    return {sight.name: sight for sight in sights}


def still(sample: Capture) -> Capture:
    """The sample, but nothing ever moves."""
    return replace(
        sample,
        expression=np.zeros_like(sample.expression),
        joint_rotations=np.zeros_like(sample.joint_rotations),
        root_rotation=np.zeros_like(sample.root_rotation),
    )


def test_the_sample_shows_what_it_was_made_to_show(sample):
    sights = by_name(coverage(sample))
    for name in (
        "from the front",
        "mouth wide open",
        "smile",
        "brows up",
        "cheeks puffed",
        "eyes up",
        "eyes to the left",
    ):
        assert not sights[name].lacking, name
    # Its head turns by 25 degrees only.
    assert sights["far left"].lacking and sights["far right"].lacking


def test_seconds_are_those_of_training_frames(sample):
    capture = still(sample)
    expression = capture.expression.copy()
    expression[[3, 4, 150], sample.head.expression_names.index("jawOpen")] = 0.9
    sights = by_name(coverage(replace(capture, expression=expression)))
    assert sights["mouth wide open"].seconds == pytest.approx(2 / sample.frame_rate)  # 150 is held out
    assert sights["smile"].seconds == 0


def test_turns_are_those_against_the_camera(sample):
    yaw = np.radians(35)
    rotations = np.zeros_like(sample.joint_rotations)
    rotations[:, 0, 1] = yaw
    looking = np.tile(np.eye(4, dtype=np.float32), (len(sample), 1, 1))
    capture = replace(still(sample), joint_rotations=rotations, camera_to_world=looking)
    assert capture.head_turns[:, 0] == pytest.approx(35)
    sights = by_name(coverage(capture))
    assert sights["far left"].seconds == pytest.approx(len(sample.training) / sample.frame_rate)
    assert sights["turned right"].seconds == 0
    # The camera goes along: from the front again.
    cos, sin = np.cos(yaw), np.sin(yaw)
    looking[:, :3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    assert np.abs(replace(capture, camera_to_world=looking).head_turns).max() < 1e-3


def test_advice_is_given_for_what_lacks_and_for_nothing_else():
    sights = [Sight("view", "a", 2.0, VIEW_SECONDS, "Film a."), Sight("view", "b", 0.1, VIEW_SECONDS, "Film b.")]
    assert advice(sights) == ["Film b."]


def test_heads_with_other_names_get_views_and_gazes(sample):
    head = replace(sample.head, expression_names=tuple(f"component {i}" for i in range(sample.head.expression_count)))
    kinds = {sight.name for sight in coverage(replace(sample, head=head)) if sight.kind == "expression"}
    assert kinds == {"eyes closed"}
