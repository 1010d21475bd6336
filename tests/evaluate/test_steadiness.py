"""Flicker is what changes its course from frame to frame."""

import numpy as np
import pytest
from likeness.evaluate.pictures import Truth
from likeness.evaluate.steadiness import Steadiness

SIDE = 8
EVERYWHERE = np.ones((SIDE, SIDE), np.float32)


def grey(value: float) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), value, np.float32)


def seen(value: float, matte=EVERYWHERE) -> Truth:
    return Truth(grey(value), matte, matte > 0.5)


def collected(ours, truths, indices=None):
    steadiness = Steadiness()
    for index, (mine, truth) in enumerate(zip(ours, truths, strict=True)):
        steadiness.add(indices[index] if indices else index, grey(mine), seen(truth))
    return {name: mark["value"] for name, mark in steadiness.marks().items()}


def test_steady_change_is_no_flicker():
    told = collected([0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.5])
    assert told["flicker_255"] == pytest.approx(0, abs=1e-4)


def test_a_flash_is_flicker_and_the_truths_own_is_told_beside():
    told = collected([0.1, 0.2, 0.1], [0.5, 0.5, 0.6])
    assert told["flicker_255"] == pytest.approx(255 * 0.2, rel=1e-5)
    assert told["truth_flicker_255"] == pytest.approx(255 * 0.1, rel=1e-5)


def test_frames_that_do_not_follow_each_other_tell_nothing():
    assert collected([0, 1, 0], [0, 0, 0], indices=[0, 1, 5]) == {}
