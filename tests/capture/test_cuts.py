"""A cut changes everything at once; a quick move does not."""

from __future__ import annotations

import numpy as np
from likeness.capture.cuts import CHANGE, JUMP, find_cuts, thumbnail

FRAMES = 60


def still() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Changes, centres and sizes of a face that keeps still but for noise."""
    random = np.random.default_rng(0)
    changes = random.uniform(0.2, 0.6, FRAMES)
    return changes, 200 + random.normal(0, 1, (FRAMES, 2)), 100 + random.normal(0, 1, FRAMES)


def test_nothing_is_found_where_nothing_happens():
    assert find_cuts(*still()).tolist() == []


def test_another_picture_is_a_cut():
    changes, centres, sizes = still()
    changes[20] = 4 * CHANGE
    assert find_cuts(changes, centres, sizes).tolist() == [20]


def test_a_jump_of_the_face_before_the_same_wall_is_a_cut():
    changes, centres, sizes = still()
    centres[33:] += 3 * JUMP * 100
    sizes[45:] *= 1 + 3 * JUMP
    assert find_cuts(changes, centres, sizes).tolist() == [33, 45]


def test_a_quick_turn_and_a_flash_are_no_cuts():
    changes, centres, sizes = still()
    centres[10:15, 0] += JUMP * 1.5 * 100 * np.arange(1, 6)
    centres[15:, 0] += JUMP * 1.5 * 100 * 5
    changes[10:15] = 3 * CHANGE
    changes[[40, 41]] = 10 * CHANGE  # lighter, and back again
    assert find_cuts(changes, centres, sizes).tolist() == []


def test_a_face_that_comes_back_is_no_cut_by_itself():
    changes, centres, sizes = still()
    centres[20:25], sizes[20:25] = np.nan, np.nan
    assert find_cuts(changes, centres, sizes).tolist() == []


def test_thumbnails_are_the_mean_grey():
    picture = np.zeros((96, 64, 3), np.uint8)
    picture[:48] = (30, 60, 90)
    small = thumbnail(picture)
    assert small.shape == (32, 32)
    assert np.allclose(small[:16], 60) and np.allclose(small[16:], 0)
