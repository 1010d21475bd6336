"""Smoothing that keeps the edges of another picture."""

from __future__ import annotations

import numpy as np
import pytest
from likeness.capture.guided_filter import guided_filter


@pytest.fixture
def colours() -> np.ndarray:
    """Two flat colours that meet at column 60, with a little grain."""
    random = np.random.default_rng(0)
    picture = np.where(np.arange(96)[None, :, None] < 60, [0.2, 0.3, 0.4], [0.7, 0.5, 0.3])
    return (picture + random.normal(0, 0.005, (64, 96, 3))).astype(np.float32)


@pytest.mark.parametrize("coarser", [1, 2])
def test_what_is_constant_stays_so(colours, coarser):
    result = guided_filter(colours, np.full((64, 96), 0.37, np.float32), 4, 1e-4, coarser=coarser)
    assert np.abs(result - 0.37).max() < 1e-6


def test_a_linear_function_of_the_colours_is_kept():
    random = np.random.default_rng(1)
    guide = random.random((48, 64, 3), np.float32)
    source = guide @ np.array([0.5, -0.25, 0.3], np.float32) + 0.2
    result = guided_filter(guide, source, 4, epsilon=1e-6, coarser=1)
    # The fit shrinks slopes by epsilon over the variance of the colours, which is 1/12 here, or less in a small window.
    assert np.abs(result - source).max() < 2 * 12 * 1e-6


def test_a_blurred_edge_moves_onto_that_of_the_picture(colours):
    columns = np.arange(96)
    blurred = np.tile(np.clip((columns - 52) / 12, 0, 1), (64, 1)).astype(np.float32)  # middle at 58, 12 wide
    result = guided_filter(colours, blurred, 8, 1e-4)
    rise = np.diff(result.mean(0))
    # A twelfth a column before; now most of it happens in one, and in the right one.
    assert rise.argmax() + 1 == 60 and rise.max() > 0.5


def test_odd_sizes_are_possible(colours):
    assert guided_filter(colours[:63, :95], np.zeros((63, 95), np.float32), 2, 1e-4).shape == (63, 95)
