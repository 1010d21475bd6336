"""Rasterising nested layers with NVIDIA Warp: one kernel for CPU and CUDA.

Method: homogeneous edge functions (Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous Coordinates", 1997).
The edge function of corners b and c along the pixel's ray d is d . (b x c): the volume that
:func:`likeness.raster.interface.barycentrics` weighs the third corner with. Nothing is divided by depth, so triangles
that cross the camera's plane need no clipping; only their bounding box does.

* A pixel belongs to a triangle when all three functions have the inside's sign or are zero. Each function is computed
  from its edge's corners in an order that depends on the positions alone, so two triangles that share an edge (also
  where a texture seam has split its vertices) see exactly opposite values: no pixel between them is lost.
* Depth is the distance along z, in float32: the hit must lie in front of the near plane. One 64-bit word per layer and
  pixel holds depth in the high half and the triangle in the low half, and an atomic minimum keeps the nearest; equal
  depths go to the lowest index, so the result does not depend on the order of threads.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
from __future__ import annotations

from typing import Any

import torch
import warp as wp

from ..camera import Camera
from .kernel_launch import launch, warp_view

NEAR = 0.01
"""Distance of the near plane, metres."""


@wp.func
def _precedes(first: wp.vec3, second: wp.vec3) -> bool:
    """Whether a corner comes first in lexicographic order."""
    if first[0] != second[0]:
        return first[0] < second[0]
    if first[1] != second[1]:
        return first[1] < second[1]
    return first[2] < second[2]


@wp.func
def _edge(start: wp.vec3, end: wp.vec3) -> wp.vec3:
    """Normal start x end of the plane through the eye and an edge, exactly opposite for the opposite edge."""
    # start x (end - start) is the same vector, without the cancellation of two nearly parallel corners.
    if _precedes(start, end):
        return wp.cross(start, end - start)
    return -wp.cross(end, start - end)


@wp.kernel(enable_backward=False)
def _rasterise(
    vertices: wp.array[wp.vec3],
    faces: wp.array[wp.vec3i],
    face_layers: wp.array[wp.int32],
    near: float,
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    nearest: wp.array3d[wp.uint64],
):
    triangle = wp.tid()
    corners = faces[triangle]
    a = vertices[corners[0]]
    b = vertices[corners[1]]
    c = vertices[corners[2]]
    normal = wp.cross(b - a, c - a)
    plane = wp.dot(normal, a)
    # A triangle that faces the eye has the eye on its normal's side. NaN fails the test too.
    if not (plane < 0.0):
        return

    # Bounding box, pixels: of the corners in front of the near plane, and of the edges' points on it.
    # Warp takes a plain literal for a constant, which a loop cannot change.
    low_u = wp.float32(1.0e30)
    low_v = wp.float32(1.0e30)
    high_u = wp.float32(-1.0e30)
    high_v = wp.float32(-1.0e30)
    start = c
    for corner in range(3):
        end = a
        if corner == 1:
            end = b
        elif corner == 2:
            end = c
        if end[2] <= -near:
            u = cx - fx * end[0] / end[2]
            v = cy + fy * end[1] / end[2]
            low_u = wp.min(low_u, u)
            high_u = wp.max(high_u, u)
            low_v = wp.min(low_v, v)
            high_v = wp.max(high_v, v)
        if (start[2] <= -near) != (end[2] <= -near):
            point = start + (end - start) * ((-near - start[2]) / (end[2] - start[2]))
            u = cx + fx * point[0] / near
            v = cy - fy * point[1] / near
            low_u = wp.min(low_u, u)
            high_u = wp.max(high_u, u)
            low_v = wp.min(low_v, v)
            high_v = wp.max(high_v, v)
        start = end

    layer = face_layers[triangle]
    height = nearest.shape[1]
    width = nearest.shape[2]
    # A centre lies in the box when low <= i + 0.5 <= high; the margin covers rounding. Clamping comes before the
    # conversion to integers, which overflows for corners far outside the picture.
    margin = 0.01
    first_column = int(wp.ceil(wp.clamp(low_u - 0.5 - margin, 0.0, float(width))))
    last_column = int(wp.floor(wp.clamp(high_u - 0.5 + margin, -1.0, float(width - 1))))
    first_row = int(wp.ceil(wp.clamp(low_v - 0.5 - margin, 0.0, float(height))))
    last_row = int(wp.floor(wp.clamp(high_v - 0.5 + margin, -1.0, float(height - 1))))

    edge_a = _edge(b, c)
    edge_b = _edge(c, a)
    edge_c = _edge(a, b)
    pixel_width = 1.0 / fx
    for row in range(first_row, last_row + 1):
        # What the row decides is summed once; a product and a sum are still exactly opposite for an opposite edge.
        y = (cy - float(row) - 0.5) / fy
        row_a = edge_a[1] * y - edge_a[2]
        row_b = edge_b[1] * y - edge_b[2]
        row_c = edge_c[1] * y - edge_c[2]
        row_normal = normal[1] * y - normal[2]
        for column in range(first_column, last_column + 1):
            x = (float(column) + 0.5 - cx) * pixel_width
            if edge_a[0] * x + row_a <= 0.0 and edge_b[0] * x + row_b <= 0.0 and edge_c[0] * x + row_c <= 0.0:
                depth = plane / (normal[0] * x + row_normal)
                if depth >= near and depth < 1.0e30:
                    # The bits of a positive float are ordered as the float is.
                    bits = wp.uint64(wp.cast(depth, wp.uint32))
                    wp.atomic_min(nearest, layer, row, column, (bits << wp.uint64(32)) | wp.uint64(triangle))


class WarpRasteriser:
    """The portable :class:`likeness.raster.interface.Rasteriser`.

    Parameters
    ----------
    near : float
        Surfaces nearer than this, metres, are not seen.
    """

    def __init__(self, near: float = NEAR):
        self.near = near

    @torch.no_grad()
    def __call__(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        face_layers: torch.Tensor,
        layer_count: int,
        camera: Camera,
    ) -> torch.Tensor:
        """Triangle seen per layer and pixel (L, H, W) int32, -1 for none; see the interface."""
        device = vertices.device
        # All ones is both the farthest key and, in its low half, the index -1.
        nearest = torch.full((layer_count, camera.height, camera.width), -1, dtype=torch.int64, device=device)
        inputs: list[Any] = [
            warp_view(vertices.float().contiguous(), wp.vec3),
            warp_view(faces.int().contiguous(), wp.vec3i),
            warp_view(face_layers.int().contiguous(), wp.int32),
            self.near,
            camera.fx,
            camera.fy,
            camera.cx,
            camera.cy,
            warp_view(nearest, wp.uint64),
        ]
        launch(_rasterise, len(faces), inputs, device)
        return nearest.view(torch.int32).view(layer_count, camera.height, camera.width, 2)[..., 0].contiguous()
