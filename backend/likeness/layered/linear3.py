"""Inverses of many 3x3 matrices at once, in closed form: libraries take them one by one, and most of the time."""

from __future__ import annotations

import torch


def inverses(matrices: torch.Tensor, smallest: float = 0.0) -> torch.Tensor:
    """Inverses (N, 3, 3) of matrices (N, 3, 3).

    Parameters
    ----------
    matrices : (N, 3, 3)
    smallest : float
        Determinants nearer to zero than this count as this, with their sign: near-singular systems then have small
        solutions instead of wild ones.
    """
    first, second, third = matrices.unbind(1)
    crossed = [torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second)]
    determinant = (first * crossed[0]).sum(1)
    if smallest > 0:
        determinant = torch.where(determinant < 0, -1.0, 1.0) * determinant.abs().clamp(min=smallest)
    return torch.stack(crossed, 2) / determinant[:, None, None]
