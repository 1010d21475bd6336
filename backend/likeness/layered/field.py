"""What stage 1 learns in canonical space: where surfaces are, and what they look like.

The manifold is a fixed distance field plus coarse learned corrections; its level sets are the layers. Being a grid it
needs no pretraining, cannot grow floaters finer than its cells, and costs eight memory reads a point. The radiance
field is a hash grid and a small network that gives, at any point, all that a texel holds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import embedding_bag, normalize

from ..raster.hash_grid import HashGrid
from ..raster.trilinear import lattice, sample_trilinear
from .grid import Grid
from .proxies import TextureLayout

RESIDUAL_CELLS = (0.04, 0.016)
"""Cells of the learned corrections' grids, metres."""


class Manifold(torch.nn.Module):
    """The field M(x), metres, negative inside: trilinear on a fixed grid, plus trilinear corrections on coarse ones.

    Parameters
    ----------
    values : (X, Y, Z) float32
        The fixed part.
    grid : Grid
    """

    values: torch.Tensor

    def __init__(self, values: np.ndarray, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.residual_grids = tuple(grid.with_cell(cell) for cell in RESIDUAL_CELLS)
        self.register_buffer("values", torch.tensor(np.asarray(values, np.float32)).reshape(-1, 1))
        self.residuals = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.zeros(int(np.prod(part.shape)), 1)) for part in self.residual_grids]
        )

    def forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (N,) at points (N, 3), differentiable by the corrections alone, and gradients (N, 3), by nothing."""
        points = points.detach()
        total, gradient = interpolated(self.values, self.grid, points)
        for grid, table in zip(self.residual_grids, self.residuals, strict=True):
            value, slope = interpolated(table, grid, points)
            total, gradient = total + value, gradient + slope
        return total, gradient

    def correction(self, points: torch.Tensor) -> torch.Tensor:
        """The learned part (N,) of the field at points (N, 3)."""
        parts = zip(self.residuals, self.residual_grids, strict=True)
        return torch.stack([interpolated(table, grid, points)[0] for table, grid in parts]).sum(0)

    def roughness(self) -> torch.Tensor:
        """Mean squared second difference of the corrections, in units of their cells: keeps layers smooth."""
        total = torch.zeros(())
        for grid, table in zip(self.residual_grids, self.residuals, strict=True):
            volume = table.view(grid.shape) / grid.cell
            total = total + sum(volume.diff(n=2, dim=axis).square().mean() for axis in range(3))
        return total

    @torch.no_grad()
    def volume(self, target: Grid) -> np.ndarray:
        """Values (X', Y', Z') at the nodes of another grid over the same box."""
        total = self.grid.resampled(self.values.view(self.grid.shape).cpu().numpy(), target)
        for grid, table in zip(self.residual_grids, self.residuals, strict=True):
            total = total + grid.resampled(table.detach().view(grid.shape).cpu().numpy(), target)
        return total


def project_to_level(
    manifold: Manifold,
    points: torch.Tensor,
    levels: torch.Tensor,
    directions: torch.Tensor | None = None,
    *,
    steps: int = 1,
    longest: float = 0.006,
) -> torch.Tensor:
    """Newton steps that bring points onto their level sets.

    Parameters
    ----------
    manifold : Manifold
    points : (N, 3) float32
    levels : (N,) float32
    directions : (N, 3) float32, optional
        Lines to move along, unit, pointing inwards; the field's gradient if None.
    steps : int
    longest : float
        Limit on one step, metres: near a ridge of the field a step could leave the surface's neighbourhood.

    Returns
    -------
    (N, 3) float32
        Differentiable by ``points`` and by the field's corrections; the step's limit lets gradients pass.
    """
    for _ in range(steps):
        values, gradients = manifold(points)
        along = -normalize(gradients, dim=1) if directions is None else directions
        # A line that grazes the surface has no good crossing nearby; treating it as steeper keeps the step small.
        slope = (gradients * along).sum(1).clamp(max=-0.25)
        step = (levels - values) / slope
        step = step + (step.detach().clamp(-longest, longest) - step.detach())
        points = points + along * step[:, None]
    return points


class RadianceField(torch.nn.Module):
    """Everything a texel holds, at any canonical point: colours, opacity, features in 0..1.

    Parameters
    ----------
    grid : Grid
        Its box is encoded.
    layout : TextureLayout
    width : int
        Of the network.
    """

    def __init__(self, grid: Grid, layout: TextureLayout, width: int = 64) -> None:
        super().__init__()
        self.encoding = HashGrid(
            levels=8, table_size=2**15, features=4, coarsest=12, finest=220, bounds=np.stack([grid.low, grid.high])
        )
        self._alpha = layout.alpha
        self.network = torch.nn.Sequential(
            torch.nn.Linear(self.encoding.width, width),
            torch.nn.ReLU(),
            torch.nn.Linear(width, width),
            torch.nn.ReLU(),
            torch.nn.Linear(width, layout.channels),
        )

    def forward(self, points: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
        """Values (N, C) in the layout of textures, colours sRGB-encoded, at points (N, 3).

        ``opacity`` (N,) is what is expected of the layer there; the network answers by how much it is mistaken, so that
        training starts from it.
        """
        raw = self.network(self.encoding(points))
        expected = torch.logit(opacity.clamp(1e-3, 1 - 1e-3))[:, None]
        alpha = raw[:, self._alpha] + expected
        return torch.sigmoid(torch.cat([raw[:, : self._alpha.start], alpha, raw[:, self._alpha.stop :]], 1))


def interpolated(table: torch.Tensor, grid: Grid, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Trilinear values (N,), differentiable by table and points, and their gradients (N, 3) in space."""
    if points.dtype == torch.float32:
        return sample_trilinear(points, table, lattice(grid.low, grid.cell, grid.shape))
    # Checks of gradients need double precision, which the kernel has not.
    nodes, weights, slopes = _taps(points, grid)
    values = embedding_bag(nodes, table, mode="sum", per_sample_weights=weights)[:, 0]
    with torch.no_grad():
        gradients = (table[nodes, 0][..., None] * slopes).sum(1)
    return values, gradients


def grid_taps(points: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """The eight nodes (N, 8) around points (N, 3), and their trilinear weights (N, 8), differentiable by the points."""
    nodes, weights, _ = _taps(points, grid)
    return nodes, weights


def _taps(points: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The eight nodes (N, 8) around points, their trilinear weights (N, 8), and those weights' slopes (N, 8, 3)."""
    limit = torch.tensor(grid.shape, device=points.device) - 1
    place = (points - torch.as_tensor(grid.low, device=points.device)) / grid.cell
    place = torch.minimum(place.clamp(min=0), limit)
    # A point on the last node belongs to the last cell.
    cell = torch.minimum(place.long(), limit - 1)
    upper = place - cell
    # One axis after another: [weight of the lower node, of the upper one].
    shares = torch.stack([1 - upper, upper], -1)
    x, y, z = shares[:, 0, :, None, None], shares[:, 1, None, :, None], shares[:, 2, None, None, :]
    sign = torch.tensor([-1.0, 1.0], device=points.device) / grid.cell
    weights = x * y * z
    slopes = torch.stack(
        [sign[:, None, None] * (y * z), sign[None, :, None] * (x * z), sign[None, None, :] * (x * y)], -1
    )
    strides = torch.tensor([grid.shape[1] * grid.shape[2], grid.shape[2], 1], device=points.device)
    step = torch.arange(2, device=points.device)
    offsets = step[:, None, None] * strides[0] + step[None, :, None] * strides[1] + step * strides[2]
    nodes = (cell * strides).sum(1)[:, None] + offsets.reshape(1, 8)
    count = len(points)
    return nodes, weights.reshape(count, 8), slopes.expand(count, 2, 2, 2, 3).reshape(count, 8, 3)
