"""Barycentric weights of rays through triangles."""

import torch
from likeness.raster.interface import barycentrics


def triangles(count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners at all depths, so that screen-space weights would be far off, and weights of points within."""
    generator = torch.Generator().manual_seed(2)
    corners = torch.randn(count, 3, 3, generator=generator, dtype=torch.float64) * 0.3
    corners[..., 2] -= 1 + 3 * torch.rand(count, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    return corners, weights / weights.sum(1, keepdim=True)


def test_weights_are_perspective_correct_whatever_the_rays_length():
    corners, weights = triangles()
    points = (corners * weights[..., None]).sum(1)
    lengths = torch.linspace(0.1, 9, len(points), dtype=torch.float64)[:, None]
    torch.testing.assert_close(barycentrics(corners, points * lengths), weights)


def test_a_ray_beside_the_triangle_has_a_negative_weight():
    corners, weights = triangles()
    beside = weights * torch.tensor([1.0, 1.0, -0.4])
    beside = beside / beside.sum(1, keepdim=True)
    found = barycentrics(corners, (corners * beside[..., None]).sum(1))
    assert ((found < 0).any(1) == (beside < 0).any(1)).all()


def test_weights_are_differentiable_by_corners_and_rays():
    corners, weights = triangles(4)
    points = (corners * weights[..., None]).sum(1)
    inputs = corners.requires_grad_(), points.detach().requires_grad_()
    assert torch.autograd.gradcheck(barycentrics, inputs)
