"""Bringing hits of layer meshes to where the rays truly meet the level sets of the deformed field.

Between a mesh's vertices the deformation is interpolated, and its faces cut the curved surface short. Both errors are a
few tenths of a millimetre at the cells that training uses. What is left of

    F(x) = [ u . x_d(x),  v . x_d(x),  M(x) - l ]        (see :mod:`likeness.layered.implicit_hits`)

at a hit is brought to nought by Broyden's method, which starts next to the root and needs no exact Jacobian: two or
three evaluations of the deformation do what a search from scratch needs hundreds for.
"""

from __future__ import annotations

import torch

from .field import Manifold
from .implicit_hits import perpendicular
from .linear3 import inverses
from .point_deformation import FrameDeformation

_SETTLED = 2e-5
"""Length of a step, metres, after which no other is needed: the next would be far shorter."""

_GRAZING = 0.02
"""Determinant of J, about the cosine between ray and normal, below which steps are damped: they would go astray."""

_SMALLEST_DENOMINATOR = 1e-14
"""Square metres; steps that small are below what single precision can tell apart."""


@torch.no_grad()
def refined_hits(
    deformation: FrameDeformation,
    manifold: Manifold,
    points: torch.Tensor,
    rays: torch.Tensor,
    levels: torch.Tensor,
    *,
    steps: int = 2,
    longest: float = 0.006,
) -> torch.Tensor:
    """Canonical points (N, 3) of hits, from points near them.

    Parameters
    ----------
    deformation : FrameDeformation
        Into camera space.
    manifold : Manifold
    points : (N, 3) float32
        Canonical.
    rays : (N, 3) float32
        Unit directions in camera space.
    levels : (N,) float32
    steps : int
        Each evaluates deformation and field once.
    longest : float
        Limit on one step, metres: rays that graze the surface may have no hit nearby.
    """
    result, left_over = points.clone(), torch.arange(len(points))
    sides = torch.stack(perpendicular(rays), 1)
    posed, linear = deformation.with_linear_part(points)
    values, gradients = manifold(points)
    inverse = inverses(torch.cat([sides @ linear, gradients[:, None]], 1), _GRAZING)
    residual = torch.cat([(sides @ posed[..., None])[..., 0], (values - levels)[:, None]], 1)
    for left in range(steps, 0, -1):
        step = -(inverse @ residual[..., None])[..., 0]
        length = torch.linalg.vector_norm(step, dim=1)
        step = step * (longest / length.clamp(min=longest))[:, None]
        points = points + step
        result[left_over] = points
        # Most hits are where they belong after two steps.
        going = (length > _SETTLED).nonzero()[:, 0]
        if left == 1 or not len(going):
            break
        deformation, left_over, points, levels = (
            deformation.among(going),
            left_over[going],
            points[going],
            levels[going],
        )
        sides, step, before = sides[going], step[going], residual[going]
        posed, (values, _) = deformation(points), manifold(points)
        residual = torch.cat([(sides @ posed[..., None])[..., 0], (values - levels)[:, None]], 1)
        inverse = broyden_update(inverse[going], step, residual - before)
    return result


def broyden_update(inverse: torch.Tensor, step: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Inverse Jacobians (N, 3, 3) that explain how residuals changed (N, 3) over steps (N, 3): "good" Broyden."""
    forward = (step[:, None] @ inverse)[:, 0]
    denominator = (forward * change).sum(1)
    sign = torch.where(denominator < 0, -1.0, 1.0)
    denominator = sign * denominator.abs().clamp(min=_SMALLEST_DENOMINATOR)
    missing = (step - (inverse @ change[..., None])[..., 0]) / denominator[:, None]
    return inverse + missing[:, :, None] * forward[:, None]
