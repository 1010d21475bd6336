"""Trilinear lookups against the formula in double precision, values and both gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from likeness.raster.trilinear import lattice, sample_trilinear
from scipy.ndimage import map_coordinates

LOW, CELL, SHAPE = (-0.1, 0.2, 0.0), 0.03, (5, 7, 4)


@pytest.fixture
def table() -> torch.Tensor:
    return torch.randn(int(np.prod(SHAPE)), 1, generator=torch.Generator().manual_seed(0)).requires_grad_()


def points(count: int) -> torch.Tensor:
    """Inside the box."""
    share = torch.rand(count, 3, generator=torch.Generator().manual_seed(1))
    return torch.tensor(LOW) + CELL * (torch.tensor(SHAPE) - 1) * share


def by_scipy(table: torch.Tensor, places: torch.Tensor) -> np.ndarray:
    coordinates = ((places.double() - torch.tensor(LOW, dtype=torch.float64)) / CELL).numpy().T
    return map_coordinates(table.detach().double().view(SHAPE).numpy(), coordinates, order=1, mode="nearest")


@pytest.mark.parametrize("threads", [1, 2])
def test_values_are_scipys(table, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    places = points(9000)
    try:
        values, _ = sample_trilinear(places, table, lattice(LOW, CELL, SHAPE))
    finally:
        torch.set_num_threads(before)
    # Values of about one, at places known to 1e-8 / 0.03 of a cell.
    np.testing.assert_allclose(values.detach().numpy(), by_scipy(table, places), atol=5e-6)


def test_points_outside_take_the_nearest_value_inside(table):
    grid = lattice(LOW, CELL, SHAPE)
    high = torch.tensor(LOW) + CELL * (torch.tensor(SHAPE) - 1)
    corner, beyond = (sample_trilinear((high + step)[None], table, grid)[0] for step in (0.0, 5.0))
    torch.testing.assert_close(corner, beyond)
    torch.testing.assert_close(corner.detach(), table.detach()[-1], atol=1e-5, rtol=0)


def test_slopes_and_gradients_are_those_of_the_formula(table):
    places = points(300).requires_grad_()
    weights = torch.randn(300, generator=torch.Generator().manual_seed(2))
    values, slopes = sample_trilinear(places, table, lattice(LOW, CELL, SHAPE))
    assert not slopes.requires_grad
    (values * weights).sum().backward()
    exact, step = places.detach().double(), 1e-6
    expected = [
        (by_scipy(table, exact + step * axis) - by_scipy(table, exact - step * axis)) / (2 * step)
        for axis in torch.eye(3, dtype=torch.float64)
    ]
    # Trilinear functions are linear along each axis, so that differences are exact, but for two points in ten thousand
    # that lie within a step of a cell's wall. Slopes of a hundred, at places known to 1e-6 of a cell.
    error = np.abs(np.stack(expected, 1) - slopes.numpy()).max(1)
    assert (error > 1e-3).sum() <= 1
    assert places.grad is not None and table.grad is not None
    torch.testing.assert_close(places.grad, slopes * weights[:, None])
    # The value is linear in the table: its gradient, times the table, is the sum again.
    total = float((values * weights).sum().detach())
    assert float((table.grad * table.detach()).sum()) == pytest.approx(total, rel=1e-4)
    one = torch.zeros_like(table)
    one[17] = 1
    bump, _ = sample_trilinear(places.detach(), one, lattice(LOW, CELL, SHAPE))
    assert float(table.grad[17]) == pytest.approx(float((bump * weights).sum()), abs=1e-5)
