"""Rows of teeth are found where the sample capture's pictures show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likeness.capture.fitting.teeth import with_teeth
from likeness.capture.photometric.refine import Pictures
from likeness.capture.photometric.teeth import FEWEST, seen_heights
from likeness.capture.sample import sample_capture
from tracked_sample import centred_landmarks, pictures_of, true_unknowns

STEP = 1.01e-3
"""Heights are tried in steps of a millimetre, and jaws that are turned by their joint are told of by an expression."""


@pytest.fixture(scope="module")
def truth():
    return sample_capture()


@pytest.fixture(scope="module")
def frames(truth) -> np.ndarray:
    return np.array(truth.training)


def found(truth, frames, head, *, resting: tuple[float, float] = (0.0, 0.0), pictures=None):
    return seen_heights(
        head,
        centred_landmarks(truth, frames),
        true_unknowns(truth, frames),
        pictures or pictures_of(truth, frames),
        np.arange(len(frames)),
        np.asarray(resting),
    )


def test_teeth_that_are_right_stay(truth, frames):
    assert found(truth, frames, truth.head) == pytest.approx([0, 0], abs=STEP)


@pytest.mark.parametrize("off", [(0.003, -0.002), (-0.002, 0.003)])
def test_teeth_that_are_wrong_are_put_right(truth, frames, off):
    assert found(truth, frames, with_teeth(truth.head, off)) == pytest.approx(-np.array(off), abs=STEP)


def test_the_lower_row_is_looked_for_around_where_the_jaw_rests(truth, frames):
    """Seven millimetres too low, which a search around the head model's own place would not reach."""
    low = with_teeth(truth.head, (0.0, -0.007))
    assert found(truth, frames, low, resting=(0.0, 0.006)) == pytest.approx([0, 0.007], abs=STEP)


def test_pictures_in_which_nothing_is_white_change_nothing(truth, frames):
    seen = pictures_of(truth, frames)
    dark = replace(seen, read=lambda frame: np.full_like(seen.read(frame), 20))
    assert found(truth, frames, truth.head, resting=(0.0, 0.002), pictures=dark) == pytest.approx([0, 0.002])


def test_few_open_mouths_change_nothing(truth, frames):
    some = frames[: FEWEST - 1]

    def never(frame: int) -> np.ndarray:
        raise AssertionError("no picture is to be read")

    unread = Pictures(never, truth.width, (truth.width / 2, truth.height / 2))
    assert found(truth, some, truth.head, resting=(0.0, 0.002), pictures=unread).tolist() == [0, 0.002]
