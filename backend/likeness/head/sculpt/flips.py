"""Edge flips that make a triangulated surface locally Delaunay."""

from __future__ import annotations

import numpy as np

from .distance import Array
from .part import Indices


def flipped_to_delaunay(points: Array, faces: Indices, rounds: int = 30) -> Indices:
    """Triangles (F, 3) after flipping inner edges whose opposite angles sum to more than pi.

    Every round flips all such edges that share no triangle with one flipped before it, so it ends on any input.
    """
    faces = faces.copy()
    for _ in range(rounds):
        if not _flip_once(points, faces):
            break
    return faces


def _flip_once(points: Array, faces: Indices) -> int:
    """Flip in place; the number of edges flipped."""
    edges: dict[tuple[int, int], tuple[int, int]] = {}
    for number, face in enumerate(faces.tolist()):
        for corner in range(3):
            edges[face[corner], face[(corner + 1) % 3]] = (number, face[(corner + 2) % 3])
    touched, flipped = set(), 0
    for (a, b), (first, c) in edges.items():
        if a > b or (b, a) not in edges:
            continue
        second, d = edges[b, a]
        if first in touched or second in touched or (c, d) in edges or (d, c) in edges:
            continue
        if _angle(points, c, a, b) + _angle(points, d, a, b) <= np.pi + 1e-3:
            continue
        # Flipping across a sharp fold would cut a notch into it.
        before, after = _normals(points, (a, b, c), (b, a, d)), _normals(points, (a, d, c), (d, b, c))
        if after < min(before, 0.5):
            continue
        faces[first], faces[second] = (a, d, c), (d, b, c)
        touched |= {first, second}
        flipped += 1
    return flipped


def _angle(points: Array, apex: int, a: int, b: int) -> float:
    u, v = points[a] - points[apex], points[b] - points[apex]
    return float(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v))


def _normals(points: Array, first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """Cosine of the angle between two triangles."""
    n, m = (np.cross(points[f[1]] - points[f[0]], points[f[2]] - points[f[0]]) for f in (first, second))
    return float(n @ m / max(np.linalg.norm(n) * np.linalg.norm(m), 1e-12))
