"""Mattes hold strands of hair, leave out what the network was wrong about, and do not tremble."""

from __future__ import annotations

import numpy as np
import pytest
from likeness.capture.background import Background, background_of, unseen_background
from likeness.capture.refining import refine_matte

SIDE = 256
WALL, HAIR = np.array([0.75, 0.78, 0.7]), np.array([0.35, 0.25, 0.15])


def scene(strand: bool = True, centre: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a head of hair, a disc of radius 80, and its true matte (H, W); one strand stands out, 2 px wide."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    share = (80.5 - np.hypot(rows - 128, columns - centre)).clip(0, 1)
    if strand:
        share[126:128, centre + 76 : centre + 84] = 1
    random = np.random.default_rng(0)
    hair = HAIR * (1 + 0.2 * np.sin(columns * 0.9))[..., None]
    colour = share[..., None] * hair + (1 - share[..., None]) * WALL + random.normal(0, 0.004, (SIDE, SIDE, 3))
    return np.rint(255 * colour.clip(0, 1)).astype(np.uint8), share


def coarse(share: np.ndarray, shift: int = 0) -> np.ndarray:
    """What a network says that knows no strands, and nothing finer than eight pixels."""
    rows, columns = np.mgrid[:SIDE, :SIDE] // 8 * 8 + 4
    radius = 80 + shift
    return ((radius + 4 - np.hypot(rows - 128, columns - 128)) / 8).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def wall() -> Background:
    return Background(
        np.broadcast_to(WALL, (SIDE, SIDE, 3)).astype(np.float32),
        np.full((SIDE, SIDE), 0.004**2, np.float32),
        np.ones((SIDE, SIDE), bool),
    )


def test_a_strand_that_the_network_missed_is_found(wall):
    picture, truth = scene()
    found = refine_matte(picture, coarse(truth), wall).share
    assert found[126:128, 128 + 79 : 128 + 83].mean() > 0.7
    assert np.abs(found - truth).mean() < 0.1 * np.abs(coarse(truth) - truth).mean()


def test_an_unseen_background_is_guessed_from_beside(wall):
    picture, truth = scene(strand=False)
    guessed = refine_matte(picture, coarse(truth), unseen_background(SIDE, SIDE)).share
    assert np.abs(guessed - truth).mean() < 0.1 * np.abs(coarse(truth) - truth).mean()


@pytest.mark.parametrize("shift", [-3, 3])
def test_a_network_that_is_off_by_pixels_is_corrected(wall, shift):
    picture, truth = scene(strand=False)
    person = coarse(truth, shift)
    found = refine_matte(picture, person, wall).share
    # Three pixels are more than a ring of a hundredth of the picture.
    assert np.abs(person - truth).mean() > 0.015 and np.abs(found - truth).mean() < 0.0015


def test_edges_are_as_wide_as_in_the_picture(wall):
    picture, truth = scene(strand=False)
    found = refine_matte(picture, coarse(truth), wall).share
    partly = ((found > 0.1) & (found < 0.9)).sum()
    # A circle of radius 80 crosses some 640 pixels; the network's ramp is eight pixels wide.
    assert partly < 1000 < ((coarse(truth) > 0.1) & (coarse(truth) < 0.9)).sum()


def test_a_highlight_of_the_walls_colour_makes_no_hole(wall):
    picture, truth = scene(strand=False)
    picture[124:130, 60:64] = np.rint(255 * WALL)
    assert refine_matte(picture, coarse(truth), wall).share[120:134, 58:68].min() > 0.9


def test_where_nothing_changes_the_frame_before_has_a_say(wall):
    picture, truth = scene(strand=False)
    first = refine_matte(picture, coarse(truth), unseen_background(SIDE, SIDE))
    wavering = (coarse(truth, 4), coarse(truth, -4))
    alone = [refine_matte(picture, person, unseen_background(SIDE, SIDE)).share for person in wavering]
    steady = [refine_matte(picture, person, unseen_background(SIDE, SIDE), first).share for person in wavering]
    assert np.abs(steady[0] - steady[1]).mean() == pytest.approx(0.5 * np.abs(alone[0] - alone[1]).mean(), rel=0.05)
    moved, _ = scene(strand=False, centre=140)
    after = refine_matte(moved, np.roll(coarse(truth), 12, 1), wall, first).share
    fresh = refine_matte(moved, np.roll(coarse(truth), 12, 1), wall).share
    assert np.abs(after - fresh).mean() < 1e-5


def test_pictures_without_anybody_or_anything_else_stay_so(wall):
    picture, _ = scene()
    for probability in (0.0, 1.0):
        person = np.full((SIDE, SIDE), probability, np.float32)
        assert (refine_matte(picture, person, wall).share == probability).all()


def test_the_background_is_what_shows_when_the_head_is_elsewhere():
    """A head that moves from left to right shows all of the wall but what it always hides; what moves is told."""
    frames = []
    for index, centre in enumerate(range(88, 169, 8)):
        picture, truth = scene(strand=False, centre=centre)
        picture[:20, :20] = 40 * (index % 2)
        frames.append((picture, np.roll(coarse(truth), centre - 128, 1)))
    found = background_of(frames)
    assert not found.seen[128, 128] and found.seen[128, 15] and found.seen[128, 240]
    assert np.abs(found.colour[found.seen & (found.variance < 1e-3)] - WALL).max() < 0.03
    assert found.variance[5, 5] > 0.005 > found.variance[200, 20]


def test_odd_sizes_are_possible(wall):
    picture, truth = scene()
    part = Background(wall.colour[:255, :253], wall.variance[:255, :253], wall.seen[:255, :253])
    found = refine_matte(picture[:255, :253], coarse(truth)[:255, :253], part).share
    assert found.shape == (255, 253) and np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
