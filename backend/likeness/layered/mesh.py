"""A triangle mesh, as the steps between fields and layers pass it on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: positions (V, 3) float32 in metres, faces (F, 3) int32 counter-clockwise from outside."""

    positions: Array
    faces: Indices


def compacted(positions: Array, faces: npt.NDArray[np.integer]) -> Mesh:
    """A mesh of some faces, without the vertices that none of them uses."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(positions[used], renumbered.reshape(-1, 3).astype(np.int32))


def clipped(mesh: Mesh, heights: npt.NDArray[np.floating]) -> Mesh:
    """The part of a mesh where heights (V,), linear within each triangle, are above zero."""
    above = heights > 0
    corners_above = above[mesh.faces].sum(1)
    # A triangle of one kind is turned until the corner that lies alone comes first.
    single, pair = (
        _turned_to(mesh.faces[corners_above == count], lone, above) for count, lone in ((1, True), (2, False))
    )
    edges = np.concatenate([faces[:, [0, other]] for faces in (single, pair) for other in (1, 2)]).astype(np.intp)
    cut, numbers = np.unique(np.sort(edges, 1), axis=0, return_inverse=True)
    start, end = cut.T
    share = (heights[start] / (heights[start] - heights[end]))[:, None]
    positions = mesh.positions[start] + share * (mesh.positions[end] - mesh.positions[start])
    numbers = len(mesh.positions) + numbers.ravel()
    ends = np.cumsum([len(single), len(single), len(pair)])
    single_b, single_c, pair_b, pair_c = np.split(numbers, ends)
    faces = [
        mesh.faces[corners_above == 3],
        np.stack([single[:, 0], single_b, single_c], 1),
        np.stack([pair_b, pair[:, 1], pair[:, 2]], 1),
        np.stack([pair_b, pair[:, 2], pair_c], 1),
    ]
    return compacted(np.concatenate([mesh.positions, positions.astype(np.float32)]), np.concatenate(faces))


def _turned_to(faces: Indices, lone: bool, above: npt.NDArray[np.bool_]) -> Indices:
    """Triangles whose one corner that is, or is not, above comes first; they stay the same way round."""
    first = (above[faces] == lone).argmax(1)[:, None]
    return np.take_along_axis(faces, (first + np.arange(3)) % 3, 1)
