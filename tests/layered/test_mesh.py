"""Meshes are cut along a line, exactly and without being turned."""

from __future__ import annotations

import numpy as np
import pytest
from likeness.layered.mesh import Mesh, clipped


@pytest.fixture
def square() -> Mesh:
    """Two triangles over the unit square, seen counter-clockwise from above."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def areas(mesh: Mesh) -> np.ndarray:
    a, b, c = mesh.positions[mesh.faces].swapaxes(0, 1)
    return np.cross(b - a, c - a)[:, 2] / 2


@pytest.mark.parametrize("share", [0.1, 0.25, 0.6, 0.9])
@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (-1, 0), (1, 1)])
def test_what_is_left_is_what_lies_above(square, share, direction):
    along = square.positions[:, :2] @ np.array(direction, np.float64)
    level = along.min() + share * np.ptp(along)
    kept = clipped(square, along - level)
    left_out = clipped(square, level - along)
    assert (areas(kept) > 0).all()
    assert (areas(left_out) > 0).all()
    assert areas(kept).sum() + areas(left_out).sum() == pytest.approx(1)
    assert (kept.positions[:, :2] @ np.array(direction) >= level - 1e-6).all()


def test_neighbours_share_the_points_of_the_cut(square):
    kept = clipped(square, square.positions[:, 0] - 0.5)
    edges = np.sort(kept.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    # Half a square has four sides, cut by the diagonal on two of them: five edges of border, the rest are shared.
    assert (counts == 1).sum() == 5
    assert len(kept.positions) == 5


def test_all_or_nothing(square):
    assert len(clipped(square, np.ones(4)).faces) == 2
    assert len(clipped(square, -np.ones(4)).faces) == 0
