"""Meshes whose vertices are fixed mixtures of another mesh's, so that they follow whatever that one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Faces = npt.NDArray[np.signedinteger]
Mapping = Any
"""A scipy.sparse matrix in CSR format; its operators are not typed."""


def subdivided(mapping: Mapping, faces: Faces) -> tuple[Mapping, Faces]:
    """One step of Loop's subdivision (C. Loop, 1987), open edges as splines of their own.

    Parameters
    ----------
    mapping : (N, V) sparse
        The mesh's vertices as mixtures.
    faces : (F, 3) int

    Returns
    -------
    mapping : (N + edges, V) sparse
    faces : (4 F, 3) int
    """
    size = mapping.shape[0]
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    ordered = np.sort(directed, 1)
    edges, edge_of, uses = np.unique(ordered, axis=0, return_inverse=True, return_counts=True)
    edge_of = edge_of.ravel()
    inner = uses == 2
    count = len(edges)

    row = np.arange(count)
    share = np.where(inner, 3 / 8, 1 / 2)
    odd = _matrix(np.concatenate([row, row]), edges.T.ravel(), np.concatenate([share, share]), (count, size))
    across = inner[edge_of]
    odd = odd + _matrix(edge_of[across], opposite[across], np.full(across.sum(), 1 / 8), (count, size))

    rims = edges[~inner]
    on_rim = np.zeros(size, bool)
    on_rim[rims] = True
    valence = np.bincount(edges.ravel(), minlength=size)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * np.maximum(valence, 1)))
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[~on_rim[both[:, 0]]]
    even = _matrix(both[:, 0], both[:, 1], beta[both[:, 0]], (size, size))
    both = np.concatenate([rims, rims[:, ::-1]])
    even = even + _matrix(both[:, 0], both[:, 1], np.full(len(both), 1 / 8), (size, size))
    kept = 1 - np.asarray(even.sum(1)).ravel()
    even = even + sparse.diags(kept, format="csr")

    middle = size + edge_of.reshape(3, -1).T
    a, b, c = faces.T
    ab, bc, ca = middle.T
    split = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return sparse.vstack([even @ mapping, odd @ mapping], format="csr"), split


def clipped(mapping: Mapping, faces: Faces, above: Array) -> tuple[Mapping, Faces, npt.NDArray[np.signedinteger]]:
    """The part of a mesh where a linear function of its vertices is negative.

    Parameters
    ----------
    mapping : (N, V) sparse
    faces : (F, 3) int
    above : (N,)

    Returns
    -------
    mapping : (M, V) sparse
    faces : (G, 3) int
    edge : (K,) int
        Vertices on the cut.
    """
    first: list[int] = []
    second: list[int] = []
    numbers: dict[tuple[int, int], int] = {}

    def vertex(start: int, end: int) -> int:
        """Where the cut crosses an edge, or a vertex itself."""
        key = (min(start, end), max(start, end))
        if key not in numbers:
            numbers[key] = len(numbers)
            first.append(key[0])
            second.append(key[1])
        return numbers[key]

    below = above < 0
    triangles = []
    for face in faces[below[faces].any(1)].tolist():
        corners = []
        for start, end in zip(face, face[1:] + face[:1], strict=True):
            if below[start]:
                corners.append(vertex(start, start))
            if below[start] != below[end]:
                corners.append(vertex(start, end))
        triangles += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
    low, high = np.array(first), np.array(second)
    crossing = low != high
    share = np.zeros(len(low))
    share[crossing] = above[low[crossing]] / (above[low[crossing]] - above[high[crossing]])
    row = np.arange(len(low))
    mixture = _matrix(
        np.concatenate([row, row]),
        np.concatenate([low, high]),
        np.concatenate([1 - share, share]),
        (len(low), mapping.shape[0]),
    )
    return mixture @ mapping, np.array(triangles, np.int32), np.flatnonzero(crossing)


def _matrix(rows: Faces, columns: Faces, values: Array, shape: tuple[int, int]) -> Mapping:
    return sparse.coo_matrix((values, (rows, columns)), shape).tocsr()
