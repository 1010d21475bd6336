"""Smooth vertex normals as Blender computes them, differentiable.

Blender weighs each face's unit normal by the face's angle at the vertex (Thuermer and Wuethrich, "Computing Vertex
Normals from Polygonal Facets", 1998):

    n_v = normalise( sum over corners at v of  angle(corner) * unit normal(face) )

Vertices that are one vertex of the surface, split for texture seams, are summed together.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize


def vertex_normals(positions: torch.Tensor, faces: torch.Tensor, weld: torch.Tensor | None = None) -> torch.Tensor:
    """Unit vertex normals, weighted by corner angles.

    Differentiable with respect to ``positions``. A triangle without an area contributes nothing; a vertex without
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
    faces = faces.long()
    corners = positions[faces]
    edges = corners.roll(-1, 1) - corners
    # Edge k leaves corner k; the other edge at corner k is the one that arrives, k - 1, reversed.
    arriving = -edges.roll(1, 1)
    crosses = torch.linalg.cross(edges, arriving)
    # atan2 of sine and cosine is accurate for all angles; acos of a dot product is not near 0 and pi.
    sines = crosses.norm(dim=-1)
    angles = torch.atan2(sines, (edges * arriving).sum(-1))
    weighted = angles[..., None] * normalize(crosses[:, :1], dim=-1, eps=1e-30)
    targets = faces if weld is None else weld.long()[faces]
    sums = torch.zeros_like(positions).index_add(0, targets.reshape(-1), weighted.reshape(-1, 3))
    if weld is not None:
        sums = sums[weld.long()]
    with torch.no_grad():
        undefined = (sums == 0).all(-1, keepdim=True)
        upwards = positions.new_tensor([0.0, 0.0, 1.0])
        fallback = torch.where((positions == 0).all(-1, keepdim=True), upwards, positions)
    return normalize(torch.where(undefined, fallback, sums), dim=-1, eps=1e-30)
