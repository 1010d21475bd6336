"""Multiresolution hash encoding, forward and backward, on CPU and CUDA.

Mueller et al., "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding", 2022, with these choices:

* Cells are cubes: resolutions count along the longest side of the bounds. Level l has
  floor(coarsest * (finest / coarsest) ** (l / (levels - 1))) of them there.
* With r a level's resolution, its corner (i, j, k), 0..r each, owns entry (i * (r + 1) + j) * (r + 1) + k where
  (r + 1)**3 entries fit the table; elsewhere i xor 2654435761 j xor 805459861 k, modulo the table's size.
* Features are interpolated trilinearly and concatenated, coarsest level first.
* The grid is a cube on the bounds' lowest corner with their longest side. Points outside it take the features of the
  nearest point inside and have no gradient along the axes that were clamped.
* Gradients are of first order only; that with respect to positions jumps from cell to cell, as a trilinear function's
  does.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
from __future__ import annotations

from functools import cache
from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from .kernel_launch import launch, warp_view

# Native code, compiled per feature count, so that the compiler turns a corner's features into one vector.
_SHARED = """
    constexpr int features = FEATURES;
    const int point = (int)(thread % point_count);
    const int level = (int)(thread / point_count);
    const int resolution = resolutions.data[level];
    int cell[3];
    float fraction[3];
    bool inside[3];
    for (int axis = 0; axis < 3; ++axis) {
        const float unit = positions.data[3 * (size_t)point + axis];
        inside[axis] = unit > 0.0f && unit < 1.0f;
        // A NaN fails both comparisons and lands in the first cell.
        const float scaled = inside[axis] ? unit * resolution : (unit > 0.0f ? (float)resolution : 0.0f);
        cell[axis] = (int)scaled < resolution - 1 ? (int)scaled : resolution - 1;
        fraction[axis] = scaled - cell[axis];
    }
    const unsigned side = (unsigned)resolution + 1u;
    const bool dense = (unsigned long long)side * side * side <= (unsigned long long)table_size;
    size_t entries[8];
    float weights[8];
    for (int corner = 0; corner < 8; ++corner) {
        const unsigned i = (unsigned)cell[0] + (corner >> 2);
        const unsigned j = (unsigned)cell[1] + ((corner >> 1) & 1);
        const unsigned k = (unsigned)cell[2] + (corner & 1);
        const unsigned hashed = (i ^ (j * 2654435761u) ^ (k * 805459861u)) & ((unsigned)table_size - 1u);
        const unsigned entry = dense ? (i * side + j) * side + k : hashed;
        entries[corner] = ((size_t)level * table_size + entry) * features;
        weights[corner] = ((corner >> 2) ? fraction[0] : 1.0f - fraction[0])
            * (((corner >> 1) & 1) ? fraction[1] : 1.0f - fraction[1])
            * ((corner & 1) ? fraction[2] : 1.0f - fraction[2]);
    }
"""

_FORWARD = (
    _SHARED
    + """
    float sum[features];
    for (int f = 0; f < features; ++f) sum[f] = 0.0f;
    for (int corner = 0; corner < 8; ++corner) {
        const float* __restrict__ entry = tables.data + entries[corner];
        for (int f = 0; f < features; ++f) sum[f] += weights[corner] * entry[f];
    }
    float* __restrict__ result = output.data + ((size_t)point * level_count + level) * features;
    for (int f = 0; f < features; ++f) result[f] = sum[f];
"""
)

_BACKWARD = (
    _SHARED
    + """
    const float* gradient = output_gradient.data + ((size_t)point * level_count + level) * features;
    float incoming[features];
    for (int f = 0; f < features; ++f) incoming[f] = gradient[f];
    if (want_tables) {
        for (int corner = 0; corner < 8; ++corner) {
            float* __restrict__ target = table_gradient.data + entries[corner];
            for (int f = 0; f < features; ++f) {
                const float value = weights[corner] * incoming[f];
#if defined(__CUDA_ARCH__)
                atomicAdd(target + f, value);
#else
                target[f] += value;
#endif
            }
        }
    }
    if (want_positions) {
        float products[8];
        for (int corner = 0; corner < 8; ++corner) {
            const float* __restrict__ entry = tables.data + entries[corner];
            float product = 0.0f;
            for (int f = 0; f < features; ++f) product += incoming[f] * entry[f];
            products[corner] = product;
        }
        for (int axis = 0; axis < 3; ++axis) {
            if (!inside[axis]) continue;
            const int bit = 4 >> axis;
            const int second = (axis + 1) % 3;
            const int third = (axis + 2) % 3;
            float slope = 0.0f;
            for (int corner = 0; corner < 8; ++corner) {
                if (corner & bit) continue;
                const float across = ((corner & (4 >> second)) ? fraction[second] : 1.0f - fraction[second])
                    * ((corner & (4 >> third)) ? fraction[third] : 1.0f - fraction[third]);
                slope += across * (products[corner | bit] - products[corner]);
            }
#if defined(__CUDA_ARCH__)
            atomicAdd(position_gradient.data + 3 * (size_t)point + axis, slope * resolution);
#else
            position_gradient.data[3 * (size_t)point + axis] += slope * resolution;
#endif
        }
    }
"""
)


@cache
def _kernels(features: int) -> tuple[Any, Any]:
    """Forward and backward kernels for a number of features per level."""

    @wp.func_native(_FORWARD.replace("FEATURES", str(features)))
    def gather(
        thread: wp.int64,
        point_count: wp.int64,
        positions: wp.array[float],
        resolutions: wp.array[wp.int32],
        tables: wp.array[float],
        table_size: int,
        level_count: int,
        output: wp.array[float],
    ): ...

    @wp.func_native(_BACKWARD.replace("FEATURES", str(features)))
    def scatter(
        thread: wp.int64,
        point_count: wp.int64,
        positions: wp.array[float],
        resolutions: wp.array[wp.int32],
        tables: wp.array[float],
        table_size: int,
        level_count: int,
        output_gradient: wp.array[float],
        want_tables: int,
        table_gradient: wp.array[float],
        want_positions: int,
        position_gradient: wp.array[float],
    ): ...

    # Threads run level by level, so that on a CPU one level's table stays in the cache.
    def encode(
        point_count: int,
        positions: wp.array[float],
        resolutions: wp.array[wp.int32],
        tables: wp.array[float],
        table_size: int,
        level_count: int,
        output: wp.array[float],
    ):
        gather(
            wp.int64(wp.tid()),
            wp.int64(point_count),
            positions,
            resolutions,
            tables,
            table_size,
            level_count,
            output,
        )

    def encode_adjoint(
        point_count: int,
        positions: wp.array[float],
        resolutions: wp.array[wp.int32],
        tables: wp.array[float],
        table_size: int,
        level_count: int,
        output_gradient: wp.array[float],
        want_tables: int,
        table_gradient: wp.array[float],
        want_positions: int,
        position_gradient: wp.array[float],
    ):
        scatter(
            wp.int64(wp.tid()),
            wp.int64(point_count),
            positions,
            resolutions,
            tables,
            table_size,
            level_count,
            output_gradient,
            want_tables,
            table_gradient,
            want_positions,
            position_gradient,
        )

    decorate = wp.kernel(enable_backward=False, module="unique")
    return decorate(encode), decorate(encode_adjoint)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions, tables, resolutions):
        ctx.save_for_backward(positions, tables, resolutions)
        levels, table_size, features = tables.shape
        output = tables.new_empty(len(positions), levels * features)
        inputs = [
            len(positions),
            warp_view(positions.view(-1)),
            warp_view(resolutions, wp.int32),
            warp_view(tables.view(-1)),
            table_size,
            levels,
            warp_view(output.view(-1)),
        ]
        launch(_kernels(features)[0], len(positions) * levels, inputs, tables.device)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        positions, tables, resolutions = ctx.saved_tensors
        levels, table_size, features = tables.shape
        output_gradient = gradients[0].contiguous()
        want_positions, want_tables = ctx.needs_input_grad[:2]
        table_gradient = torch.zeros_like(tables) if want_tables else tables.new_empty(0)
        position_gradient = torch.zeros_like(positions) if want_positions else positions.new_empty(0)
        inputs = [
            len(positions),
            warp_view(positions.view(-1)),
            warp_view(resolutions, wp.int32),
            warp_view(tables.view(-1)),
            table_size,
            levels,
            warp_view(output_gradient.view(-1)),
            int(want_tables),
            warp_view(table_gradient.view(-1)),
            int(want_positions),
            warp_view(position_gradient.view(-1)),
        ]
        launch(_kernels(features)[1], len(positions) * levels, inputs, tables.device)
        return position_gradient if want_positions else None, table_gradient if want_tables else None, None


def resolutions_of(levels: int, coarsest: int, finest: int) -> list[int]:
    """Cells along the longest side per level, coarsest first: a geometric series (Instant-NGP, equations 2 and 3)."""
    growth = (finest / coarsest) ** (1 / max(1, levels - 1))
    # A tiny excess keeps the last level from being floored below ``finest`` by rounding.
    return [int(coarsest * growth**level + 1e-6) for level in range(levels)]


class HashGrid(torch.nn.Module):
    """Features of points in a box, from hash tables at several resolutions.

    Parameters
    ----------
    levels : int
        L.
    table_size : int
        Entries per level T, a power of two.
    features : int
        Features per entry F.
    coarsest, finest : int
        Cells along the longest side of the bounds at the first and the last level.
    bounds : (2, 3)
        Lowest and highest corner of the box, in the positions' unit.

    Attributes
    ----------
    tables : (L, T, F) float32 parameter
        Uniform in -1e-4..1e-4 at first.
    resolutions : (L,) int32 buffer
    """

    tables: torch.nn.Parameter
    resolutions: torch.Tensor
    low: torch.Tensor
    extent: torch.Tensor

    def __init__(self, levels: int, table_size: int, features: int, coarsest: int, finest: int, bounds: Any):
        super().__init__()
        if table_size & (table_size - 1) or table_size < 1:
            raise ValueError(f"table_size must be a power of two, not {table_size}")
        box = torch.as_tensor(bounds, dtype=torch.float32)
        self.tables = torch.nn.Parameter(torch.empty(levels, table_size, features).uniform_(-1e-4, 1e-4))
        self.register_buffer("resolutions", torch.tensor(resolutions_of(levels, coarsest, finest), dtype=torch.int32))
        self.register_buffer("low", box[0].clone())
        self.register_buffer("extent", (box[1] - box[0]).max())

    @property
    def width(self) -> int:
        """Length of an encoding, L * F."""
        return self.tables.shape[0] * self.tables.shape[2]

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """Encode points (N, 3) as features (N, L * F); differentiable once by positions and tables."""
        unit = ((positions - self.low) / self.extent).contiguous()
        return _Encode.apply(unit, self.tables, self.resolutions)
