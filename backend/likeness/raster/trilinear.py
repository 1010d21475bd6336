"""Trilinear lookup in a regular grid of numbers: values and slopes at scattered points, on CPU and CUDA.

The grid's nodes lie at ``low + cell * (i, j, k)``; node (i, j, k) owns entry (i * Y + j) * Z + k of the table. Points
beyond the box take the values of the nearest point inside, with the slopes of the cell there.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false, reportGeneralTypeIssues=false
from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from .kernel_launch import launch, warp_view
from .parallel import on_all_cores


@wp.struct
class Lattice:
    """Where a grid's nodes are."""

    low: wp.vec3
    cell: float
    shape: wp.vec3i


@wp.struct
class Cell:
    """The cell around a point: its lowest node's entry, and how far the point is from there, 0..1."""

    entry: int
    place: wp.vec3


def lattice(low: Any, cell: float, shape: tuple[int, int, int]) -> Any:
    """A grid's place as kernels take it."""
    result = Lattice()
    result.low, result.cell, result.shape = wp.vec3(*(float(value) for value in low)), float(cell), wp.vec3i(*shape)
    return result


@wp.func
def cell_of(point: wp.vec3, grid: Lattice) -> Cell:
    """The cell that a point lies in, or is nearest to."""
    result = Cell()
    index = wp.vec3i()
    for axis in range(3):
        limit = grid.shape[axis] - 1
        place = wp.clamp((point[axis] - grid.low[axis]) / grid.cell, 0.0, float(limit))
        # A point on the last node belongs to the last cell.
        index[axis] = wp.min(int(place), limit - 1)
        result.place[axis] = place - float(index[axis])
    result.entry = (index[0] * grid.shape[1] + index[1]) * grid.shape[2] + index[2]
    return result


@wp.func
def corner_entry(cell: Cell, corner: int, grid: Lattice) -> int:
    """Entry of one of a cell's eight corners; bits of ``corner`` say x, y, z."""
    across = (corner >> 2) * grid.shape[1] * grid.shape[2] + ((corner >> 1) & 1) * grid.shape[2] + (corner & 1)
    return cell.entry + across


@wp.func
def corner_share(cell: Cell, corner: int) -> float:
    """Trilinear weight of one of a cell's corners."""
    x = wp.where((corner >> 2) == 1, cell.place[0], 1.0 - cell.place[0])
    y = wp.where(((corner >> 1) & 1) == 1, cell.place[1], 1.0 - cell.place[1])
    z = wp.where((corner & 1) == 1, cell.place[2], 1.0 - cell.place[2])
    return x * y * z


@wp.kernel(enable_backward=False)
def _sample(
    points: wp.array[wp.vec3],
    table: wp.array[float],
    grid: Lattice,
    values: wp.array[float],
    slopes: wp.array[wp.vec3],
):
    index = wp.tid()
    cell = cell_of(points[index], grid)
    place = cell.place
    # One axis after another: seven interpolations, where eight corners' weights and slopes cost three times as much.
    row, plane = grid.shape[2], grid.shape[1] * grid.shape[2]
    near, far = cell.entry, cell.entry + plane
    first, second, third, fourth = table[near], table[near + row], table[far], table[far + row]
    first_rise, second_rise = table[near + 1] - first, table[near + row + 1] - second
    third_rise, fourth_rise = table[far + 1] - third, table[far + row + 1] - fourth
    near_low, near_high = first + place[2] * first_rise, second + place[2] * second_rise
    far_low, far_high = third + place[2] * third_rise, fourth + place[2] * fourth_rise
    near_rise, far_rise = near_high - near_low, far_high - far_low
    near_value, far_value = near_low + place[1] * near_rise, far_low + place[1] * far_rise
    near_slope = first_rise + place[1] * (second_rise - first_rise)
    far_slope = third_rise + place[1] * (fourth_rise - third_rise)
    values[index] = near_value + place[0] * (far_value - near_value)
    slopes[index] = wp.vec3(
        (far_value - near_value) / grid.cell,
        (near_rise + place[0] * (far_rise - near_rise)) / grid.cell,
        (near_slope + place[0] * (far_slope - near_slope)) / grid.cell,
    )


@wp.kernel(enable_backward=False)
def _scatter(points: wp.array[wp.vec3], gradient: wp.array[float], grid: Lattice, table: wp.array[float]):
    index = wp.tid()
    cell = cell_of(points[index], grid)
    for corner in range(8):
        wp.atomic_add(table, corner_entry(cell, corner, grid), gradient[index] * corner_share(cell, corner))


class _Trilinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, table: torch.Tensor, grid: Any) -> tuple[torch.Tensor, torch.Tensor]:
        points = points.contiguous()
        values, slopes = points.new_empty(len(points)), torch.empty_like(points)
        numbers = warp_view(table.view(-1))

        def part(start: int, stop: int) -> None:
            results = [warp_view(values[start:stop]), warp_view(slopes[start:stop], wp.vec3)]
            arrays = [warp_view(points[start:stop], wp.vec3), numbers, grid]
            launch(_sample, stop - start, [*arrays, *results], points.device)

        on_all_cores(part, points)
        ctx.save_for_backward(points, slopes)
        ctx.grid, ctx.shape = grid, table.shape
        ctx.mark_non_differentiable(slopes)
        return values, slopes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        points, slopes = ctx.saved_tensors
        incoming = gradients[0].contiguous()
        want_points, want_table = ctx.needs_input_grad[:2]
        table = None
        if want_table:
            table = points.new_zeros(ctx.shape)
            arrays = [warp_view(points, wp.vec3), warp_view(incoming), ctx.grid, warp_view(table.view(-1))]
            launch(_scatter, len(points), arrays, points.device)
        return slopes * incoming[:, None] if want_points else None, table, None


def sample_trilinear(points: torch.Tensor, table: torch.Tensor, grid: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and slopes of a grid of numbers.

    Parameters
    ----------
    points : (N, 3) float32
    table : (X * Y * Z, 1) float32
        Values at the nodes.
    grid : Lattice
        From :func:`lattice`.

    Returns
    -------
    values : (N,) float32
        Differentiable once by points and table.
    slopes : (N, 3) float32
        Gradients in space, by nothing.
    """
    return _Trilinear.apply(points, table, grid)
