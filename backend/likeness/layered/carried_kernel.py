"""The skin's motion carried outwards as one kernel, for points whose nearest skin vertices are known.

It computes what :class:`likeness.layered.carried_motion.CarriedMotion` says in torch, without gradients, in one pass.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false, reportGeneralTypeIssues=false
# pyright: reportInvalidTypeForm=false
from __future__ import annotations

import torch
import warp as wp

from ..raster.kernel_launch import launch, warp_view
from ..raster.parallel import on_all_cores
from ..raster.trilinear import Lattice, cell_of, corner_entry, corner_share, lattice
from .grid import Grid

_Weights = wp.types.vector(length=6, dtype=wp.float32)


@wp.struct
class Limits:
    """Distances, metres, at which things begin to change, and over what lengths; and whether the torso's share does."""

    fade_start: float
    fade_length: float
    narrow_start: float
    wide_start: float
    torso: bool


@wp.func
def _blurred(point: wp.vec3, grid: Lattice, blurred: wp.array2d[float], first: int) -> _Weights:
    result = _Weights()
    cell = cell_of(point, grid)
    for corner in range(8):
        entry = corner_entry(cell, corner, grid)
        share = corner_share(cell, corner)
        for joint in range(6):
            result[joint] += share * blurred[entry, first + joint]
    return result


@wp.func
def _with_torso(point: wp.vec3, weights: _Weights, grid: Lattice, shifts: wp.array[float]) -> _Weights:
    cell = cell_of(point, grid)
    shift = wp.float32(0.0)
    for corner in range(8):
        shift += corner_share(cell, corner) * shifts[corner_entry(cell, corner, grid)]
    # Root and body, see TorsoShare.
    share = weights[0] + weights[5]
    if share <= 0.0 or share >= 1.0 - 1.0e-6:
        return weights
    certain = wp.clamp(share, 0.01, 0.99)
    doubt = wp.min(share * (1.0 - share) / 0.02, 1.0)
    moved = 1.0 / (1.0 + wp.exp(-(wp.log(certain / (1.0 - certain)) + doubt * shift)))
    moved = wp.clamp(share + doubt * (moved - certain), 0.0, 1.0)
    result = _Weights()
    for joint in range(6):
        result[joint] = weights[joint] * (1.0 - moved) / (1.0 - share)
    result[0] = weights[0] * moved / share
    result[5] = weights[5] * moved / share
    return result


@wp.func
def _strongest(weights: _Weights) -> _Weights:
    """Without the two smallest and without traces, summing to one."""
    result = _Weights()
    for joint in range(6):
        result[joint] = weights[joint]
    for _ in range(2):
        smallest = wp.int32(0)
        least = wp.float32(2.0)
        for joint in range(6):
            # What is left out already counts as large.
            if result[joint] >= 0.0 and result[joint] < least:
                least = result[joint]
                smallest = joint
        result[smallest] = -1.0
    total = wp.float32(0.0)
    for joint in range(6):
        if result[joint] < 1.0e-4:
            result[joint] = 0.0
        total += result[joint]
    return result / total


@wp.kernel(enable_backward=False)
def _carry(
    points: wp.array[wp.vec3],
    found: wp.array2d[wp.int32],
    vertices: wp.array[wp.vec3],
    table: wp.array2d[float],
    limits: Limits,
    grid: Lattice,
    blurred: wp.array2d[float],
    torso_grid: Lattice,
    shifts: wp.array[float],
    displacements: wp.array[wp.vec3],
    weights: wp.array2d[float],
    distances: wp.array[float],
):
    index = wp.tid()
    point = points[index]
    nearest = wp.float32(1.0e9)
    reach = wp.float32(0.0)
    for place in range(found.shape[1]):
        distance = wp.length(point - vertices[found[index, place]])
        nearest = wp.min(nearest, distance)
        reach = wp.max(reach, distance)
    total = wp.float32(0.0)
    move = wp.vec3()
    carried = _Weights()
    for place in range(found.shape[1]):
        vertex = found[index, place]
        distance = wp.length(point - vertices[vertex])
        ratio = (reach - distance) / (distance + 0.15 * nearest + 1.0e-7)
        influence = ratio * ratio
        total += influence
        move += influence * wp.vec3(table[vertex, 0], table[vertex, 1], table[vertex, 2])
        for joint in range(6):
            carried[joint] += influence * table[vertex, 3 + joint]
    carried = carried / total
    if nearest > limits.narrow_start:
        length = limits.wide_start - limits.narrow_start
        first = wp.clamp((nearest - limits.narrow_start) / length, 0.0, 1.0)
        second = wp.clamp((nearest - limits.wide_start) / length, 0.0, 1.0)
        soft = (1.0 - second) * _blurred(point, grid, blurred, 0) + second * _blurred(point, grid, blurred, 6)
        carried = (1.0 - first) * carried + first * soft
    if limits.torso:
        carried = _with_torso(point, carried, torso_grid, shifts)
    carried = _strongest(carried)
    displacements[index] = move / total * wp.exp(-wp.max(nearest - limits.fade_start, 0.0) / limits.fade_length)
    distances[index] = nearest
    for joint in range(6):
        weights[index, joint] = carried[joint]


_Distances = wp.types.vector(length=9, dtype=wp.float32)
_Indices = wp.types.vector(length=9, dtype=wp.int32)

FOUND = 9
"""How many nearest vertices :func:`nearest_among` finds."""


@wp.kernel(enable_backward=False)
def _nearest(
    points: wp.array[wp.vec3],
    corners: wp.array2d[wp.int32],
    lists: wp.array2d[wp.int32],
    vertices: wp.array[wp.vec3],
    found: wp.array2d[wp.int32],
):
    index = wp.tid()
    distances = _Distances()
    nearest = _Indices()
    for place in range(9):
        distances[place] = 1.0e9
        nearest[place] = -1
    for corner in range(3):
        row = corners[index, corner]
        for entry in range(lists.shape[1]):
            vertex = lists[row, entry]
            distance = wp.length_sq(points[index] - vertices[vertex])
            if distance < distances[8]:
                known = wp.bool(False)
                for place in range(9):
                    known = known or nearest[place] == vertex
                if not known:
                    # The farthest makes room; what is farther than the newcomer moves up by one.
                    slot = wp.int32(8)
                    while slot > 0 and distances[wp.max(slot - 1, 0)] > distance:
                        distances[slot] = distances[slot - 1]
                        nearest[slot] = nearest[slot - 1]
                        slot = slot - 1
                    distances[slot] = distance
                    nearest[slot] = vertex
    for place in range(9):
        found[index, place] = nearest[place]


def nearest_among(
    points: torch.Tensor, corners: torch.Tensor, lists: torch.Tensor, vertices: torch.Tensor
) -> torch.Tensor:
    """The nine nearest skin vertices (N, 9) int32 of points on triangles, among those that their corners are near to.

    Parameters
    ----------
    points : (N, 3) float32
    corners : (N, 3) int32
        The triangles that the points lie on.
    lists : (M, K) int32
        The nearest skin vertices of each of the mesh's vertices; at least nine.
    vertices : (V, 3) float32
        Of the skin.
    """
    found = torch.empty(len(points), FOUND, dtype=torch.int32, device=points.device)
    places, corners = points.detach().contiguous(), corners.int().contiguous()
    shared = [warp_view(lists, wp.int32), warp_view(vertices.contiguous(), wp.vec3)]

    def part(start: int, stop: int) -> None:
        arrays = [warp_view(places[start:stop], wp.vec3), warp_view(corners[start:stop], wp.int32)]
        launch(_nearest, stop - start, [*arrays, *shared, warp_view(found[start:stop], wp.int32)], points.device)

    on_all_cores(part, points)
    return found


def carried(
    points: torch.Tensor,
    found: torch.Tensor,
    vertices: torch.Tensor,
    table: torch.Tensor,
    *,
    fade: tuple[float, float],
    softening: tuple[float, float],
    soft: tuple[Grid, torch.Tensor],
    torso: tuple[Grid, torch.Tensor] | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Displacements (N, 3), skin weights (N, 6) and distances (N,) from the nearest skin, without gradients.

    Parameters
    ----------
    points : (N, 3) float32
    found : (N, K) int32
        Their nearest skin vertices.
    vertices : (V, 3) float32
    table : (V, 9) float32
        Displacement and skin weights of each.
    fade, softening : (2,) float
        See ``CarriedMotion``.
    soft : grid and (X * Y * Z, 12) float32
        Blurred skin weights.
    torso : grid and (X' * Y' * Z', 1) float32, optional
        The torso's learned share.
    """
    displacements, weights = torch.empty_like(points), points.new_empty(len(points), 6)
    distances = points.new_empty(len(points))
    limits = Limits()
    limits.fade_start, limits.fade_length = fade
    limits.narrow_start, limits.wide_start = softening
    limits.torso = torso is not None
    grid, blurred = soft
    torso_grid, shifts = (grid, points.new_zeros(1)) if torso is None else torso
    shared = [
        warp_view(vertices.contiguous(), wp.vec3),
        warp_view(table.contiguous()),
        limits,
        lattice(grid.low, grid.cell, grid.shape),
        warp_view(blurred),
        lattice(torso_grid.low, torso_grid.cell, torso_grid.shape),
        warp_view(shifts.detach().reshape(-1)),
    ]
    places = points.detach().contiguous()

    def part(start: int, stop: int) -> None:
        arrays = [warp_view(places[start:stop], wp.vec3), warp_view(found[start:stop], wp.int32)]
        results = [warp_view(displacements[start:stop], wp.vec3), warp_view(weights[start:stop])]
        results.append(warp_view(distances[start:stop]))
        launch(_carry, stop - start, [*arrays, *shared, *results], points.device)

    on_all_cores(part, points)
    return displacements, weights, distances
