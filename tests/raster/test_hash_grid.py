"""The hash grid against a plain torch reference, its layout, and its gradients."""

import pytest
import torch
from likeness.raster.hash_grid import HashGrid, resolutions_of

BOUNDS = [[-0.2, -0.3, -0.1], [0.2, 0.5, 0.3]]


def reference(tables: torch.Tensor, resolutions: list[int], unit: torch.Tensor) -> torch.Tensor:
    """The definition in the module's words, in double precision."""
    size = tables.shape[1]
    parts = []
    for table, resolution in zip(tables, resolutions, strict=True):
        scaled = unit.clamp(0, 1) * resolution
        cell = scaled.detach().floor().clamp(max=resolution - 1).long()
        fraction = scaled - cell
        total = torch.zeros(len(unit), table.shape[1], dtype=table.dtype)
        for corner in range(8):
            offset = torch.tensor([corner >> 2, (corner >> 1) & 1, corner & 1])
            i, j, k = (cell + offset).unbind(1)
            if (resolution + 1) ** 3 <= size:
                entry = (i * (resolution + 1) + j) * (resolution + 1) + k
            else:
                entry = (i ^ (j * 2654435761 % 2**32) ^ (k * 805459861 % 2**32)) % size
            weight = torch.where(offset.bool(), fraction, 1 - fraction).prod(1)
            total = total + weight[:, None] * table[entry]
        parts.append(total)
    return torch.cat(parts, 1)


def grid(features: int = 4) -> HashGrid:
    """Two dense levels and two hashed ones."""
    torch.manual_seed(2)
    made = HashGrid(levels=4, table_size=2**10, features=features, coarsest=4, finest=40, bounds=BOUNDS)
    torch.nn.init.normal_(made.tables)
    return made


def points(count: int = 300) -> torch.Tensor:
    """Inside the box and around it."""
    generator = torch.Generator().manual_seed(4)
    return torch.rand(count, 3, generator=generator) - torch.tensor([0.5, 0.4, 0.3])


@pytest.mark.parametrize("features", [1, 2, 4, 8])
def test_values_and_gradients_agree_with_the_reference(features):
    ours = grid(features)
    where = points().requires_grad_()
    encoded = ours(where)
    tables = ours.tables.detach().double().requires_grad_()
    exact = where.detach().double().requires_grad_()
    low, longest = torch.tensor(BOUNDS[0]).double(), 0.8
    expected = reference(tables, ours.resolutions.tolist(), (exact - low) / longest)
    assert encoded.shape == (300, ours.width)
    # Positions in cells carry 40 * 6e-8 of rounding; entries have a deviation of one.
    torch.testing.assert_close(encoded.double(), expected, atol=4e-5, rtol=0)
    weights = torch.randn(encoded.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad((encoded * weights).sum(), (where, ours.tables))
    wanted = torch.autograd.grad((expected * weights.double()).sum(), (exact, tables))
    # Slopes are differences of entries times cells per metre, up to 50, summed over levels and features.
    torch.testing.assert_close(gradients[0].double(), wanted[0], atol=0.02, rtol=1e-3)
    torch.testing.assert_close(gradients[1].double(), wanted[1], atol=2e-4, rtol=1e-4)


def test_points_outside_have_no_gradient_across_the_border():
    ours = grid()
    where = torch.tensor([[-5.0, 0.0, 0.1], [0.1, 9.0, 9.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(ours(where).sum(), where)
    assert gradient[0, 0] == 0 and (gradient[0, 1:] != 0).all()
    assert gradient[1, 0] != 0 and (gradient[1, 1:] == 0).all()


def test_an_encoding_is_continuous_across_cells():
    ours = grid()
    edge = 0.8 * 10 / 40 + torch.tensor(BOUNDS[0])[0]
    before, after = (ours(torch.tensor([[edge + step, 0.1, 0.05]])) for step in (-1e-6, 1e-6))
    # At most 50 cells a metre times a difference of entries of about 5, over 2e-6 metres.
    assert (before - after).abs().max() < 50 * 8 * 2e-6


def test_resolutions_are_a_geometric_series_that_ends_at_the_finest():
    assert resolutions_of(8, 12, 200)[0] == 12
    assert resolutions_of(8, 12, 200)[-1] == 200
    assert resolutions_of(3, 10, 1000) == [10, 100, 1000]
    assert resolutions_of(1, 16, 512) == [16]


def test_a_table_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        HashGrid(1, 1000, 2, 4, 4, BOUNDS)
