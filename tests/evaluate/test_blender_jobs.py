"""What Blender is asked to render for a report."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.evaluate.blender_jobs import FILM_FRAMES, engine_frames, exaggerated, film_frames, strongest

SIZE = 48


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


def test_the_film_goes_through_every_expression_group_and_returns(avatar):
    frames = film_frames(avatar, SIZE)
    assert len(frames) == FILM_FRAMES
    expressions = np.stack([pose.expression for pose, _ in frames])
    assert (np.abs(expressions).max(0)[: len(avatar.expression_names)] > 0.5).any()
    assert np.abs(np.diff(expressions, axis=0)).max() < 0.2
    assert np.abs(expressions[0] - expressions[-1]).max() < 0.2


def test_engines_are_compared_on_three_frames_from_two_sides(avatar):
    expression = strongest(avatar)
    frames = engine_frames(avatar, expression, SIZE)
    assert len({name for name, _, _ in frames}) == 6
    by_name = {name: pose for name, pose, _ in frames}
    assert np.array_equal(by_name["extreme_left"].expression, expression)
    assert by_name["turned_left"].joint_rotations[1, 0] > 0
    assert not by_name["neutral_right"].expression.any()


def test_the_extreme_of_a_capture_is_beyond_what_training_saw():
    expression = np.array([[0, 0], [1, 0.5], [9, 9]], np.float32)
    capture = SimpleNamespace(training=(0, 1), expression=expression)
    assert exaggerated(capture).tolist() == [1.5, 0.75]  # type: ignore[arg-type]


def test_the_strongest_expressions_reach_the_end_of_their_sliders(avatar):
    expression = strongest(avatar, 2)
    moved = np.flatnonzero(expression)
    assert len(moved) == 2
    assert np.array_equal(expression[moved], avatar.expression_range[moved, 1])


def test_an_avatar_without_arkit_names_still_moves_in_its_film(avatar):
    renamed = replace(avatar, expression_names=tuple(f"component{n}" for n in range(len(avatar.expression_names))))
    expressions = np.stack([pose.expression for pose, _ in film_frames(renamed, SIZE)])
    assert expressions.max() > 0.5
