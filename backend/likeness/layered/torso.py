"""Learning what follows the torso: clothes around the neck do not move as the skin beneath them does.

A correction on a coarse grid shifts weight between the torso's joints, root and body, and all others, but only where a
point follows both: nothing lets go of the head altogether, or of the torso.
"""

from __future__ import annotations

import numpy as np
import torch

from ..rig import AVATAR_JOINTS, JOINTS
from .field import interpolated
from .grid import Grid

CELL = 0.02
"""Of the correction's grid, metres."""

_CERTAIN = 0.02
_ALL = 1 - 1e-6
"""A share from which on a point follows nothing but the torso: sums of weights are rounded."""

_TORSO = [JOINTS.index("root"), AVATAR_JOINTS.index("body")]


class TorsoShare(torch.nn.Module):
    """The learned correction of the torso's share.

    Parameters
    ----------
    grid : Grid
        Its box is covered.
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid.with_cell(CELL)
        self.shifts = torch.nn.Parameter(torch.zeros(int(np.prod(self.grid.shape)), 1))

    def forward(self, points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Skin weights (N, 6) at canonical points (N, 3) with the torso's share corrected; rows sum to one."""
        # At a share of zero or one the logit has no end, and nothing is in doubt. That is so for most of a head.
        share = weights[:, _TORSO].sum(1)
        unsure = ((share > 0) & (share < _ALL)).nonzero()[:, 0]
        return weights.index_copy(0, unsure, self._shifted(points[unsure], weights[unsure], share[unsure]))

    def _shifted(self, points: torch.Tensor, weights: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        shift, _ = interpolated(self.shifts, self.grid, points)
        doubt = (share * (1 - share) / _CERTAIN).clamp(max=1)
        moved = torch.sigmoid(torch.logit(share.clamp(0.01, 0.99)) + doubt * shift)
        moved = (share + doubt * (moved - share.clamp(0.01, 0.99))).clamp(0, 1)
        torso = torch.zeros(weights.shape[1], dtype=torch.bool, device=weights.device)
        torso[_TORSO] = True
        factors = torch.where(torso, (moved / share)[:, None], ((1 - moved) / (1 - share))[:, None])
        return weights * factors

    def roughness(self) -> torch.Tensor:
        """Mean square of the shifts and of their differences between neighbours: no shift without a reason."""
        volume = self.shifts.view(self.grid.shape)
        return volume.square().mean() + sum(volume.diff(dim=axis).square().mean() for axis in range(3))
