"""The gradient of hits that were found by a search: the theorem of implicit functions, as the paper applies it.

A hit x of a ray with direction d on the level set l satisfies

    F(x) = [ u . x_d(x),  v . x_d(x),  M(x) - l ] = 0

where u and v are perpendicular to d and the camera is the origin. When anything that x_d or M depend on changes, the
hit changes by -J^-1 dF with J = dF/dx. So

    x' = x - J^-1 F(x)

with J and the x inside of F taken as constants is one Newton step, and its gradient is the hit's. Unlike the paper's
two rows of a cross product, u and v serve rays in every direction.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from .field import Manifold
from .linear3 import inverses
from .point_deformation import FrameDeformation

GRAZING = 0.1
"""Determinant of J below which a ray grazes the level set: there a hit moves more than pictures can tell."""


def implicit_hits(
    deformation: FrameDeformation,
    manifold: Manifold,
    points: torch.Tensor,
    rays: torch.Tensor,
    levels: torch.Tensor,
    *,
    grazing: float = GRAZING,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hits with their gradients, and the surface's normals.

    Parameters
    ----------
    deformation : FrameDeformation
    manifold : Manifold
    points : (N, 3) float32
        Canonical points at, or very near, the hits.
    rays : (N, 3) float32
        Unit directions in camera space.
    levels : (N,) float32
    grazing : float
        See :data:`GRAZING`.

    Returns
    -------
    hits : (N, 3) float32
        One Newton step nearer; differentiable by pose, camera, manifold and whatever the deformation has learnt.
    normals : (N, 3) float32
        Unit, camera space: the field's gradient through the deformation; without gradient.
    """
    points = points.detach()
    posed, jacobian = deformation.with_jacobian(points)
    values, gradients = manifold(points)
    first, second = perpendicular(rays)
    rows = [(first[:, None] @ jacobian)[:, 0], (second[:, None] @ jacobian)[:, 0], gradients]
    inverse = inverses(torch.stack(rows, 1).detach(), grazing)
    residual = torch.stack([(first * posed).sum(1), (second * posed).sum(1), values - levels], 1)
    normals = normalize((inverses(jacobian).transpose(1, 2) @ gradients[..., None])[..., 0], dim=1)
    return points - (inverse @ residual[..., None])[..., 0], normals.detach()


def perpendicular(directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two unit vectors (N, 3) perpendicular to unit directions (N, 3) and to each other."""
    axis = torch.zeros_like(directions)
    axis.scatter_(1, directions.abs().argmin(1, keepdim=True), 1.0)
    first = normalize(torch.linalg.cross(directions, axis), dim=1)
    return first, torch.linalg.cross(directions, first)
