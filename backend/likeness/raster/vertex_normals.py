"""Smooth vertex normals as Blender computes them, differentiable, on CPU and CUDA.

Blender weighs each face's unit normal by the face's angle at the vertex (Thuermer and Wuethrich, "Computing Vertex
Normals from Polygonal Facets", 1998):

    n_v = normalise( sum over corners at v of  angle(corner) * unit normal(face) )

Vertices that are one vertex of the surface, split for texture seams, are summed together. The run-time's twin in NumPy
is :func:`likeness.runtime.normals.vertex_normals`.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from .kernel_launch import launch, launch_adjoint, warp_view


@wp.func
def _angle(here: wp.vec3, following: wp.vec3, previous: wp.vec3):
    """Angle at a corner; by sine and cosine, because an arc cosine is not accurate near 0 and pi."""
    first = following - here
    second = previous - here
    return wp.atan2(wp.length(wp.cross(first, second)), wp.dot(first, second))


@wp.kernel
def _sum_corners(
    positions: wp.array[wp.vec3],
    faces: wp.array[wp.vec3i],
    weld: wp.array[wp.int32],
    sums: wp.array[wp.vec3],
):
    corners = faces[wp.tid()]
    a = positions[corners[0]]
    b = positions[corners[1]]
    c = positions[corners[2]]
    across = wp.cross(b - a, c - a)
    area = wp.length(across)
    if area > 0.0:
        normal = across / area
        wp.atomic_add(sums, weld[corners[0]], _angle(a, b, c) * normal)
        wp.atomic_add(sums, weld[corners[1]], _angle(b, c, a) * normal)
        wp.atomic_add(sums, weld[corners[2]], _angle(c, a, b) * normal)


class _SumCorners(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions, faces, weld):
        ctx.save_for_backward(positions, faces, weld)
        sums = torch.zeros_like(positions)
        launch(_sum_corners, len(faces), _inputs(positions, faces, weld, sums), positions.device)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        positions, faces, weld = ctx.saved_tensors
        gradient = torch.zeros_like(positions)
        # Only the sums' gradient is used; the sums themselves never enter it.
        inputs = _inputs(positions, faces, weld, positions)
        adjoints = [warp_view(gradient, wp.vec3), None, None, warp_view(gradients[0].contiguous(), wp.vec3)]
        launch_adjoint(_sum_corners, len(faces), inputs, adjoints, positions.device)
        return gradient, None, None


def _inputs(positions: torch.Tensor, faces: torch.Tensor, weld: torch.Tensor, sums: torch.Tensor) -> list[Any]:
    return [
        warp_view(positions, wp.vec3),
        warp_view(faces, wp.vec3i),
        warp_view(weld, wp.int32),
        warp_view(sums, wp.vec3),
    ]


def vertex_normals(positions: torch.Tensor, faces: torch.Tensor, weld: torch.Tensor | None = None) -> torch.Tensor:
    """Unit vertex normals, weighted by corner angles.

    Differentiable once, with respect to ``positions``. A triangle without an area contributes nothing; a vertex without
    any other gets its position's direction, as in Blender, without a gradient (and +Z at the very origin).

    Parameters
    ----------
    positions : (V, 3) float32
        Any space; normals come out in the same.
    faces : (F, 3) int
        Triangles, counter-clockwise from outside.
    weld : (V,) int, optional
        Vertices with the same number share one normal; numbers from 0 to at most V - 1.

    Returns
    -------
    (V, 3) float32
    """
    numbers = torch.arange(len(positions), device=positions.device) if weld is None else weld
    numbers = numbers.int().contiguous()
    sums = _SumCorners.apply(positions.contiguous(), faces.int().contiguous(), numbers)
    if weld is not None:
        sums = sums[numbers.long()]
    with torch.no_grad():
        undefined = (sums == 0).all(-1, keepdim=True)
        upwards = positions.new_tensor([0.0, 0.0, 1.0])
        fallback = torch.where((positions == 0).all(-1, keepdim=True), upwards, positions)
    return normalize(torch.where(undefined, fallback, sums), dim=-1, eps=1e-30)
