"""How thick hair is, read off outlines beside the head and carried behind it."""

from dataclasses import replace

import numpy as np
import pytest
from balls import HAIR_RADIUS, RADIUS, ball_capture
from likeness.layered.canonical import brow_height, canonical_head
from likeness.layered.grid import Grid
from likeness.layered.hair_thickness import HAIR_THICKNESS, hair_thickness, head_viewpoints

CELL = 0.003


@pytest.fixture(scope="module")
def scene():
    capture, frames = ball_capture(turns=7, size=32)
    head = canonical_head(capture.head, ())
    return head, head_viewpoints(frames, capture, head, list(frames.training)), capture


@pytest.fixture(scope="module")
def cylinder():
    """What pictures from the front alone would carve: hair as it is beside the head, endless to front and back."""
    grid = Grid.over([-0.16] * 3, [0.16] * 3, CELL)
    points = grid.points()
    return grid, (np.linalg.norm(points[:, :2], axis=1) - HAIR_RADIUS).reshape(grid.shape).astype(np.float32)


def test_the_camera_is_where_the_head_sees_it(scene):
    _, viewpoints, capture = scene
    # The ball stays and cameras go round it.
    expected = capture.camera_to_world[list(capture.training), :3, 3]
    np.testing.assert_allclose(viewpoints, expected, atol=1e-6)


def test_behind_the_head_hair_is_as_thick_as_beside_it(scene, cylinder):
    head, *_ = scene
    grid, hull = cylinder
    from_the_front = np.array([[0, 0, 5.0]], np.float32)
    thickness = hair_thickness(head, hull, grid, from_the_front)
    centres = head.points[head.model.faces].mean(1)
    upper = centres[:, 1] > 0.02
    behind = upper & (centres[:, 2] < -0.9 * RADIUS)
    beside = upper & (np.abs(centres[:, 2]) < 0.003)
    assert behind.sum() > 5 and beside.sum() > 5
    # The canonical mouth is half open, so the lower half's hair is thinner; a step of the search is 1.5 mm.
    np.testing.assert_allclose(thickness[behind], HAIR_RADIUS - RADIUS, atol=0.004)
    # Where the outline itself limits hair, nothing else does.
    np.testing.assert_allclose(thickness[beside], HAIR_THICKNESS, atol=1e-6)


def test_ears_are_no_hair(scene, cylinder):
    head, *_ = scene
    grid, hull = cylinder
    heights = grid.points()[:, 1].reshape(grid.shape)
    face = head.points[head.model.faces[head.model.regions["face"]]][..., 1]
    between = (heights > face.min() + CELL) & (heights < brow_height(head) - CELL)
    eared = np.where(between, hull - 0.03, hull)
    from_the_front = np.array([[0, 0, 5.0]], np.float32)
    behind = head.points[head.model.faces].mean(1)[:, 2] < -0.9 * RADIUS
    without, with_ears = (hair_thickness(head, values, grid, from_the_front)[behind] for values in (hull, eared))
    np.testing.assert_allclose(with_ears, without, atol=0.002)
    # They would have been taken for hair, had they been anywhere else.
    everywhere = hair_thickness(head, hull - 0.03, grid, from_the_front)[behind]
    assert (everywhere > without + 0.01).all()


def test_without_any_outline_hair_may_be_anywhere(scene, cylinder):
    head, *_ = scene
    grid, hull = cylinder
    thickness = hair_thickness(head, hull, grid, np.zeros((0, 3), np.float32))
    np.testing.assert_allclose(thickness, HAIR_THICKNESS)


def test_what_a_bump_hides_is_as_thick_as_elsewhere(scene, cylinder):
    head, *_ = scene
    grid, hull = cylinder
    x, y, z = head.points.T
    bump = (x > 0) & (z > 0.3 * RADIUS) & (z < 0.6 * RADIUS) & (np.abs(y) < 0.5 * RADIUS)
    eared = replace(head, points=np.where(bump[:, None], 1.3 * head.points, head.points))
    thickness = hair_thickness(eared, hull, grid, np.array([[0, 0, 5.0]], np.float32))
    centres = head.points[head.model.faces].mean(1)
    beside = (np.abs(centres[:, 2]) < 0.003) & (np.abs(centres[:, 1]) < 0.3 * RADIUS)
    hidden, free = (thickness[beside & (side * centres[:, 0] > 0)] for side in (1, -1))
    assert len(hidden) > 2 and len(free) > 2
    np.testing.assert_allclose(hidden, HAIR_RADIUS - RADIUS, atol=0.004)
    np.testing.assert_allclose(free, HAIR_THICKNESS, atol=1e-6)
