"""What Blender is asked to render for a report."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.evaluate.blender_jobs import (
    FILM_EXPRESSIONS,
    FILM_FRAMES,
    engine_frames,
    exaggerated,
    film_frames,
    strongest,
)

SIZE = 48


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


def test_the_film_goes_through_every_expression_group_and_returns(avatar):
    named = replace(avatar, expression_names=("tongueOut", *(name for group in FILM_EXPRESSIONS for name in group)))
    frames = film_frames(named, SIZE)
    assert len(frames) == FILM_FRAMES
    expressions = np.stack([pose.expression for pose, _ in frames])
    assert not expressions[:, 0].any(), "nobody asked for the tongue"
    assert expressions[:, 1:].max(0) == pytest.approx(0.8)
    for group in FILM_EXPRESSIONS:
        together = expressions[:, [named.expression_names.index(name) for name in group]]
        assert (together == together[:, :1]).all()
    # 0.8 sin^2 over a quarter of the film is nowhere steeper, from the last frame to the first neither.
    steps = np.diff(expressions, axis=0, append=expressions[:1])
    assert np.abs(steps).max() < 0.8 * math.pi * len(FILM_EXPRESSIONS) / FILM_FRAMES


def test_engines_are_compared_on_three_frames_from_two_sides(avatar):
    expression = strongest(avatar)
    frames = engine_frames(avatar, expression, SIZE)
    by_name = {name: (pose, camera) for name, pose, camera in frames}
    assert set(by_name) == {f"{name}_{side}" for name in ("neutral", "extreme", "turned") for side in ("left", "right")}
    for side, sign in (("left", 1), ("right", -1)):
        neutral, extreme, turned = (by_name[f"{name}_{side}"][0] for name in ("neutral", "extreme", "turned"))
        assert not neutral.expression.any() and not neutral.joint_rotations.any()
        assert np.array_equal(extreme.expression, expression) and not extreme.joint_rotations.any()
        assert turned.joint_rotations[0, 1] > 0.4 and turned.joint_rotations[1, 0] > 0.2
        assert sign * by_name[f"neutral_{side}"][1].camera_to_world[0, 3] > 0


def test_the_extreme_of_a_capture_is_beyond_what_training_saw():
    expression = np.array([[0, 0], [1, 0.5], [9, 9]], np.float32)
    capture = SimpleNamespace(training=(0, 1), expression=expression)
    assert exaggerated(capture).tolist() == [1.5, 0.75]  # type: ignore[arg-type]


def test_the_strongest_expressions_reach_the_end_of_their_sliders(avatar):
    # The tiny head's smile is the gentlest of its three.
    bounds = np.array([[0, 1], [0, 0.5], [-1, 2]], np.float32)
    assert strongest(replace(avatar, expression_range=bounds), 2).tolist() == [0, 0.5, 2]


def test_an_avatar_without_arkit_names_still_moves_in_its_film(avatar):
    renamed = replace(avatar, expression_names=tuple(f"component{n}" for n in range(len(avatar.expression_names))))
    expressions = np.stack([pose.expression for pose, _ in film_frames(renamed, SIZE)])
    assert expressions.max(0) == pytest.approx(0.8, abs=0.01)
