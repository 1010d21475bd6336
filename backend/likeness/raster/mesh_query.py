"""Distances to triangle meshes and rays through them, by Warp's bounding volume hierarchy, on CPU and CUDA.

Nothing here carries a gradient; barycentrics let callers rebuild what they need from the mesh differentiably. Distances
come in the unit of the vertices.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
from __future__ import annotations

import torch
import warp as wp

from .kernel_launch import launch, warp_view

FARTHEST = 1.0e6
"""Search radius: more than any distance that occurs."""


@wp.kernel(enable_backward=False)
def _closest(
    mesh: wp.uint64,
    points: wp.array[wp.vec3],
    farthest: float,
    distance: wp.array[float],
    face: wp.array[wp.int32],
    barycentric: wp.array[wp.vec3],
):
    index = wp.tid()
    point = points[index]
    query = wp.mesh_query_point_sign_winding_number(mesh, point, farthest)
    if query.result:
        nearest = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
        distance[index] = query.sign * wp.length(point - nearest)
        face[index] = query.face
        barycentric[index] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)


@wp.kernel(enable_backward=False)
def _first_hit(
    mesh: wp.uint64,
    origins: wp.array[wp.vec3],
    directions: wp.array[wp.vec3],
    farthest: float,
    distance: wp.array[float],
    face: wp.array[wp.int32],
    barycentric: wp.array[wp.vec3],
):
    index = wp.tid()
    query = wp.mesh_query_ray(mesh, origins[index], wp.normalize(directions[index]), farthest)
    if query.result:
        distance[index] = query.t
        face[index] = query.face
        barycentric[index] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)


def _mesh(vertices: torch.Tensor, faces: torch.Tensor, winding: bool) -> wp.Mesh:
    points = warp_view(vertices.float().contiguous(), wp.vec3)
    indices = warp_view(faces.int().contiguous().view(-1), wp.int32)
    return wp.Mesh(points=points, indices=indices, support_winding_number=winding)


def _results(count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.full((count,), torch.inf, device=device),
        torch.full((count,), -1, dtype=torch.int32, device=device),
        torch.zeros(count, 3, device=device),
    )


@torch.no_grad()
def signed_distance(
    vertices: torch.Tensor, faces: torch.Tensor, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Signed distance of points to a mesh and where on it the nearest surface point lies.

    The sign is the generalised winding number's (Barill et al., "Fast Winding Numbers for Soups and Clouds", 2018):
    negative where it exceeds one half. Holes and overlapping parts do no harm as long as triangles face outwards.

    Parameters
    ----------
    vertices : (V, 3) float32
    faces : (F, 3) int
        Triangles, counter-clockwise from outside; at least one.
    points : (N, 3) float32

    Returns
    -------
    distance : (N,) float32
        Negative inside.
    face : (N,) int32
        Nearest triangle.
    barycentric : (N, 3) float32
        Weights of that triangle's corners at the nearest point.
    """
    mesh = _mesh(vertices, faces, winding=True)
    distance, face, barycentric = _results(len(points), points.device)
    inputs = [
        mesh.id,
        warp_view(points.float().contiguous(), wp.vec3),
        FARTHEST,
        warp_view(distance),
        warp_view(face, wp.int32),
        warp_view(barycentric, wp.vec3),
    ]
    launch(_closest, len(points), inputs, points.device)
    return distance, face, barycentric


@torch.no_grad()
def intersect_rays(
    vertices: torch.Tensor, faces: torch.Tensor, origins: torch.Tensor, directions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First triangle along each ray, whichever way it faces.

    Parameters
    ----------
    vertices : (V, 3) float32
    faces : (F, 3) int
        At least one.
    origins, directions : (N, 3) float32
        Directions may have any length but zero.

    Returns
    -------
    distance : (N,) float32
        From the origin, in the vertices' unit whatever the direction's length; infinite where nothing is hit.
    face : (N,) int32
        Triangle hit, -1 for none.
    barycentric : (N, 3) float32
        Weights of its corners at the hit; zero for none.
    """
    mesh = _mesh(vertices, faces, winding=False)
    distance, face, barycentric = _results(len(origins), origins.device)
    inputs = [
        mesh.id,
        warp_view(origins.float().contiguous(), wp.vec3),
        warp_view(directions.float().contiguous(), wp.vec3),
        FARTHEST,
        warp_view(distance),
        warp_view(face, wp.int32),
        warp_view(barycentric, wp.vec3),
    ]
    launch(_first_hit, len(origins), inputs, origins.device)
    return distance, face, barycentric
