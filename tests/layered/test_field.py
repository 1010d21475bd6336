import numpy as np
import pytest
import torch
from likeness.layered.extraction import extract_level
from likeness.layered.field import Manifold, RadianceField, project_to_level
from likeness.layered.grid import Grid
from likeness.layered.proxies import TextureLayout

GRID = Grid.over([-0.16, -0.16, -0.16], [0.16, 0.16, 0.16], 0.004)


@pytest.fixture
def manifold():
    distance = np.linalg.norm(GRID.points(), axis=1) - 0.1
    field = Manifold(distance.reshape(GRID.shape), GRID)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in field.residuals:
            part.add_(0.001 * torch.randn(part.shape, generator=generator))
    return field


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(400, 3, generator=generator), dim=1)
    return directions * (0.1 + 0.004 * torch.randn(400, 1, generator=generator))


def test_gradient_is_the_slope_of_the_values(manifold, points):
    exact, places, step = manifold.double(), points.double(), 1e-7
    _, gradient = exact(places)
    slopes = [
        (exact(places + step * axis)[0] - exact(places - step * axis)[0]) / (2 * step)
        for axis in torch.eye(3, dtype=torch.float64)
    ]
    error = (torch.stack(slopes, 1) - gradient).abs().max(1).values
    # Grids keep their cells in single precision; of 400 points one may lie within a step of a cell's wall.
    assert (error > 2e-7).sum() <= 1


def test_newton_step_lands_on_the_level(manifold, points):
    # Points are known to 1e-8 at a tenth of a metre, and so are values.
    for level in (-0.004, 0.0, 0.006):
        levels = torch.full((len(points),), level)
        moved = project_to_level(manifold, points, levels, steps=5)
        assert (manifold(moved)[0] - level).abs().max() < 2e-7
        inwards = -torch.nn.functional.normalize(points, dim=1)
        along = project_to_level(manifold, points, levels, inwards, steps=5)
        assert (manifold(along)[0] - level).abs().max() < 2e-7
        # Points stay on their lines.
        assert torch.linalg.cross(along - points, inwards).abs().max() < 1e-7


def test_a_hit_moves_with_the_level_set(manifold):
    """d x = - u dM / (grad M . u) when the field rises by dM: the theorem of implicit functions."""
    point = torch.tensor([[0.0, 0.0, 0.101]])
    direction, level = torch.tensor([[0.0, 0.0, -1.0]]), torch.zeros(1)
    start = project_to_level(manifold, point, level, direction, steps=4).detach()
    project_to_level(manifold, start, level, direction)[0, 2].backward()
    rise = 1e-4
    total = sum(float(part.grad.sum()) for part in manifold.residuals)
    with torch.no_grad():
        for part in manifold.residuals:
            part.add_(rise)
    moved = project_to_level(manifold, start, level, direction, steps=4)
    # Both corrections rise by `rise`; the surface sinks. Places are known to 1e-8, a ten-thousandth of the way.
    assert float((moved - start)[0, 2].detach()) == pytest.approx(total * rise, rel=1e-3)
    assert total < 0


def test_volume_and_points_agree(manifold):
    coarse = GRID.with_cell(0.008)
    volume = manifold.volume(coarse)
    values, _ = manifold(torch.tensor(coarse.points()))
    np.testing.assert_allclose(volume.ravel(), values.detach().numpy(), atol=1e-6)
    mesh = extract_level(manifold.volume(GRID), GRID, 0.0)
    on_surface, _ = manifold(torch.tensor(mesh.positions))
    # Vertices lie on the grid's own edges, along which the field is linear.
    assert on_surface.abs().max() < 2e-7


def test_radiance_is_what_a_texel_holds():
    layout = TextureLayout(2, 1, 4)
    values = RadianceField(GRID, layout)(torch.zeros(5, 3), torch.full((5,), 0.9))
    assert values.shape == (5, layout.channels)
    assert ((values > 0) & (values < 1)).all()
    # Untrained, the network says about nothing: opacity is what was expected. Its last layer's weights and bias are
    # within 1/8, its inputs about 0, which leaves logits of a few tenths.
    assert (torch.logit(values[:, layout.alpha]) - torch.logit(torch.tensor(0.9))).abs().max() < 0.5
