import numpy as np
import pytest
import torch
import trimesh
from likeness.layered.extraction import decimated, decimated_subset, extract_level
from likeness.layered.foveation import Foveation
from likeness.layered.grid import Grid
from likeness.layered.mesh import Mesh
from likeness.raster.mesh_query import signed_distance

CELL = 0.005
GRID = Grid.over([-0.15, -0.15, -0.15], [0.15, 0.15, 0.15], CELL)
DISTANCE = (np.linalg.norm(GRID.points(), axis=1) - 0.1).reshape(GRID.shape).astype(np.float32)


@pytest.mark.parametrize("level", [-0.03, 0.0, 0.02])
def test_level_sets_of_a_ball_are_balls(level):
    mesh = extract_level(DISTANCE, GRID, level)
    radii = np.linalg.norm(mesh.positions, axis=1)
    # Linear interpolation along a cell's edge errs by cell^2 / (8 r).
    np.testing.assert_allclose(radii, 0.1 + level, atol=CELL**2 / (8 * 0.07))
    assert trimesh.Trimesh(mesh.positions, mesh.faces).volume > 0


def test_levels_are_nested():
    inner, outer = (extract_level(DISTANCE, GRID, level) for level in (0.0, 0.01))
    assert trimesh.Trimesh(outer.positions, outer.faces).is_watertight
    vertices, faces, points = (torch.tensor(array) for array in (outer.positions, outer.faces, inner.positions))
    distances, _, _ = signed_distance(vertices, faces, points)
    assert (distances < 0).all()


def test_surface_is_closed_where_it_leaves_the_grid():
    half = DISTANCE[: DISTANCE.shape[0] // 2]
    mesh = extract_level(half, Grid(GRID.low, CELL, half.shape), 0.0)
    assert trimesh.Trimesh(mesh.positions, mesh.faces).is_watertight


def test_only_the_largest_part_is_kept():
    second = np.linalg.norm(GRID.points() - [0.13, 0.13, 0.13], axis=1).reshape(GRID.shape) - 0.015
    mesh = extract_level(np.minimum(DISTANCE, second).astype(np.float32), GRID, 0.0)
    assert np.linalg.norm(mesh.positions, axis=1).max() < 0.11


def test_decimation_meets_its_budget_and_keeps_the_surface():
    mesh = decimated(extract_level(DISTANCE, GRID, 0.0), 1000)
    assert len(mesh.faces) <= 1000
    # Sagitta of a triangle of a 1000-faced ball: edges of about 14 mm.
    np.testing.assert_allclose(np.linalg.norm(mesh.positions, axis=1), 0.1, atol=0.001)


def test_foveation_spends_triangles_near_its_centre():
    foveation = Foveation(np.array([0.0, 0.0, 0.1]), 0.05)
    mesh = decimated(extract_level(DISTANCE, GRID, 0.0), 1000, foveation)
    heights = mesh.positions[mesh.faces].mean(1)[:, 2]
    assert (heights > 0).sum() > 2 * (heights < 0).sum()
    points = np.random.default_rng(1).normal(0, 0.1, (20, 3))
    np.testing.assert_allclose(foveation.undo(foveation.apply(points)), points, atol=1e-7)


def test_decimating_to_a_subset_keeps_vertices_and_border():
    cap = extract_level(DISTANCE, GRID, 0.0)
    cap = Mesh(cap.positions, cap.faces[cap.positions[cap.faces].mean(1)[:, 2] > 0.03])
    used, faces = np.unique(cap.faces, return_inverse=True)
    cap = Mesh(cap.positions[used], faces.reshape(-1, 3).astype(np.int32))
    vertices, faces = decimated_subset(cap, 600)
    assert len(faces) <= 600
    assert len(np.unique(vertices)) == len(vertices)
    before = trimesh.Trimesh(cap.positions, cap.faces, process=False)
    after = trimesh.Trimesh(cap.positions[vertices], faces, process=False)
    assert _border(after) == _border(before)
    np.testing.assert_allclose(after.area, before.area, rtol=0.02)


def _border(mesh: trimesh.Trimesh) -> set[tuple[float, ...]]:
    edges, counts = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    return {tuple(point) for point in np.round(mesh.vertices[edges[counts == 1].ravel()], 6)}
