from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import GEOMETRY, HAIR_RADIUS, RADIUS, ball_capture, ball_head
from likeness.errors import LikenessError
from likeness.layered.canonical import canonical_head
from likeness.layered.deformer import Deformer
from likeness.layered.distance import FILLET, canonical_box, head_distance, joined, matte_hull, surface_distance
from likeness.layered.frames import FilmedFrame
from likeness.layered.grid import Grid
from likeness.layered.hair_thickness import head_viewpoints
from likeness.layered.hull_field import carved_field
from likeness.layered.torso_slab import THROAT_EDGE
from likeness.rig import JOINTS

CELL = 0.006


@pytest.fixture(scope="module")
def scene():
    capture, frames = ball_capture(turns=7, size=96)
    head = canonical_head(capture.head, ())
    low, high = canonical_box(frames, capture, head, margin=0.02)
    return capture, frames, head, Deformer(head, low, high), Grid.over(low, high, CELL)


def test_grids_interpolate_linear_functions_exactly():
    grid = Grid.over([0, 0, 0], [0.1, 0.2, 0.3], 0.02)
    slope = np.array([1.0, -2.0, 3.0], np.float32)
    values = (grid.points() @ slope).reshape(grid.shape)
    points = np.random.default_rng(0).uniform([0, 0, 0], [0.1, 0.2, 0.3], (50, 3)).astype(np.float32)
    np.testing.assert_allclose(grid.sample(values, points), points @ slope, atol=1e-6)
    fine = grid.with_cell(0.007)
    inside = (fine.points() <= grid.high + 1e-6).all(1)
    expected = fine.points() @ slope
    np.testing.assert_allclose(grid.resampled(values, fine).ravel()[inside], expected[inside], atol=1e-6)


def test_head_distance_is_the_distance_to_the_head(scene):
    *_, grid = scene
    closed = canonical_head(ball_head(), ())
    # The canonical mouth opens the ball's lower half; the upper half stays a ball.
    values = head_distance(closed, grid).values
    points = grid.points().reshape(*grid.shape, 3)
    upper = points[..., 1] > 0.02
    radius = np.linalg.norm(points, axis=-1)
    near = upper & (np.abs(radius - RADIUS) < 0.02)
    # An icosphere's faces sink below the sphere by r (1 - cos(half an edge's angle)), 0.5 mm here.
    np.testing.assert_allclose(values[near], (radius - RADIUS)[near], atol=0.0008)
    far = upper & (np.abs(radius - RADIUS) > 0.03)
    assert far.any() and near.any()
    assert (np.sign(values[far]) == np.sign((radius - RADIUS)[far])).all()


def test_hull_contains_what_was_filmed_and_little_more(scene):
    capture, frames, head, deformer, grid = scene
    hull = matte_hull(frames, capture, head, deformer, grid=grid, count=6)
    points = grid.points().reshape(*grid.shape, 3)
    radius = np.linalg.norm(points, axis=-1)
    pixel = 0.6 / frames.cameras[0].fx
    assert (hull[radius < HAIR_RADIUS - pixel] < 0).all()
    # To the sides the cameras see the outline squarely.
    beside = (np.abs(points[..., [0, 2]]) < 0.02).all(-1) & (points[..., 1] > HAIR_RADIUS + CELL)
    assert beside.sum() > 20 and (hull[beside] > 0).all()


def test_a_grid_may_have_more_nodes_than_a_picture_has_rows(scene):
    capture, frames, head, deformer, _ = scene
    slab = Grid.over([-0.19, -0.19, 0.0], [0.19, 0.19, 0.002], 0.002)
    assert slab.shape[0] * slab.shape[1] > 2**15
    hull = matte_hull(frames, capture, head, deformer, grid=slab, count=6)
    part = Grid(slab.low, slab.cell, (20, *slab.shape[1:]))
    np.testing.assert_array_equal(hull[:20], matte_hull(frames, capture, head, deformer, grid=part, count=6))


def with_failed_mattes(frames, *failed: int):
    """The frames, some of whose mattes show nobody."""

    def film(index: int) -> FilmedFrame:
        shot = frames.film(index)
        return shot._replace(matte=torch.zeros_like(shot.matte)) if index in failed else shot

    return replace(frames, film=film)


def test_a_matte_that_shows_nobody_carves_nothing(scene):
    capture, frames, head, deformer, grid = scene
    failed, count = 2, len(frames.training)
    hull = matte_hull(with_failed_mattes(frames, failed), capture, head, deformer, grid=grid, count=count)
    others = replace(frames, training=tuple(index for index in frames.training if index != failed))
    np.testing.assert_array_equal(hull, matte_hull(others, capture, head, deformer, grid=grid, count=count))


def test_a_matte_that_shows_nobody_takes_no_hair_away(scene):
    """Nor is it taken for a look at the head's outline, which tells how thick hair is."""
    capture, frames, *_ = scene
    numbers = replace(GEOMETRY, hull_frames=len(frames.training))
    known = carved_field(with_failed_mattes(frames, 2), capture, numbers)
    others = replace(frames, training=tuple(index for index in frames.training if index != 2))
    np.testing.assert_array_equal(known.values, carved_field(others, capture, numbers).values)


def test_mattes_that_all_show_nobody_are_told(scene):
    capture, frames, head, deformer, grid = scene
    with pytest.raises(LikenessError, match="shows anybody"):
        matte_hull(with_failed_mattes(frames, *range(7)), capture, head, deformer, grid=grid, count=6)


@pytest.fixture(scope="module")
def surface(scene):
    capture, frames, head, deformer, grid = scene
    hull = matte_hull(frames, capture, head, deformer, grid=grid, count=6)
    viewpoints = head_viewpoints(frames, capture, head, list(frames.training))
    return surface_distance(head, head_distance(head, grid), hull, grid, viewpoints)


def test_surface_unites_head_and_hair_but_hangs_no_hair_before_the_face(scene, surface):
    *_, grid = scene
    values = surface
    assert grid.sample(values, np.array([[0, 0.9 * RADIUS, 0]], np.float32))[0] < 0
    between = 0.5 * (RADIUS + HAIR_RADIUS)
    assert grid.sample(values, np.array([[0, between, 0]], np.float32))[0] < 0
    assert grid.sample(values, np.array([[0, 0, between]], np.float32))[0] > 0


def test_surface_stands_before_the_face_by_less_than_two_millimetres(scene, surface):
    *_, grid = scene
    heights = np.linspace(-0.003, 0.006, 91)
    before = np.stack([0 * heights, 0 * heights, RADIUS + heights], 1).astype(np.float32)
    crossing = heights[(grid.sample(surface, before) < 0).sum()]
    # What shells show slides over the face by what they stand off; nearer, coarse shells would sink into the head mesh.
    assert 0.001 < crossing < 0.002


def test_surface_ends_behind_the_head_where_hair_does(scene, surface):
    *_, grid = scene
    # No picture shows where; beside and above the head all show that hair is 2 cm thick.
    behind = np.array([[0, 0, -HAIR_RADIUS + CELL], [0, 0, -HAIR_RADIUS - CELL]], np.float32)
    inside, outside = grid.sample(surface, behind)
    assert inside < 0 < outside


def test_hair_slopes_to_shoulders_behind_the_neck_and_not_below_the_chin(scene, monkeypatch):
    capture, frames, head, _, grid = scene
    # Mattes that hide nothing: what is left is where hair and shoulders may be.
    nothing_carved = np.full(grid.shape, -1, np.float32)
    viewpoints = head_viewpoints(frames, capture, head, list(frames.training))
    surfaces = []
    for fillet in (0.0, FILLET):
        monkeypatch.setattr("likeness.layered.distance.FILLET", fillet)
        surfaces.append(surface_distance(head, head_distance(head, grid), nothing_carved, grid, viewpoints))
    stepped, sloped = surfaces
    filled = grid.points()[((stepped > 0) & (sloped < 0)).ravel()]
    neck = head.joints[JOINTS.index("neck"), 2]
    assert len(filled) > 20
    assert (filled[:, 2] < neck + THROAT_EDGE + grid.cell).all()
    assert (sloped <= stepped + 1e-6).all()


def test_joined_bodies_meet_in_a_slope_and_are_themselves_elsewhere():
    # A wall at x = 0 that stands on a floor at y = 0.
    x, y = np.meshgrid(np.linspace(0, 0.1, 41, dtype=np.float32), np.linspace(0, 0.1, 41, dtype=np.float32))
    corner = joined(x, y, np.float32(0.04))
    np.testing.assert_array_equal(joined(x, y, np.float32(0)), np.minimum(x, y))
    apart = np.abs(x - y) >= 0.04
    np.testing.assert_array_equal(corner[apart], np.minimum(x, y)[apart])
    # On the diagonal the slope begins a quarter of the way from the corner.
    diagonal = np.diagonal(corner)
    assert diagonal[x[0] < 0.0099].max() < 0 < diagonal[x[0] > 0.0101].min()
    assert (corner <= np.minimum(x, y)).all()


def test_box_holds_everything_that_mattes_show(scene):
    *_, grid = scene
    assert (grid.low[:2] < -HAIR_RADIUS).all()
    assert (grid.high[:2] > HAIR_RADIUS).all()
