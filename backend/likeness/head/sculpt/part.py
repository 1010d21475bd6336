"""Pieces of a head while it is being made: points, triangles, and which side they are on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .distance import Array

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """A named piece of surface.

    Attributes
    ----------
    name : str
        What it is: ``skin``, ``ear``, ``eye``, ``upper teeth`` and so on.
    points : (V, 3)
        Centimetres.
    faces : (F, 3)
        Counter-clockwise seen from outside.
    flat : (V, 2)
        Where the points lie on the piece's own chart, any scale; see :mod:`.charts`.
    ring, column : (V,)
        Place in the piece's structured grid, -1 where it has none: rings of lids and lips count inwards.
    patch : (V,) of str
        Which structured grid: ``lid``, ``lip``, ``brow`` (rings are its three rows) or nothing.
    """

    name: str
    points: Array
    faces: Indices
    flat: Array
    ring: Indices
    column: Indices
    patch: npt.NDArray[np.str_]


def simple_part(name: str, points: Array, faces: Indices, flat: Array) -> Part:
    """A piece without structured patches."""
    none = np.full(len(points), -1)
    return Part(name, points, faces, flat, none, none, np.full(len(points), "", "<U4"))


def mirrored(part: Part, name: str) -> Part:
    """The same piece on the other side of the face."""
    return replace(
        part, name=name, points=part.points * [-1, 1, 1], faces=part.faces[:, ::-1], flat=part.flat * [-1, 1]
    )


def grid_faces(index: Indices, closed: bool = False) -> Indices:
    """Triangles between neighbouring rows of a grid of vertex numbers (rows, columns).

    Seen with columns running right and rows running up, triangles are counter-clockwise; ``closed`` joins the last
    column to the first. Corners that coincide give one triangle instead of two.
    """
    right = np.roll(index, -1, 1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1].ravel(), right[:-1].ravel(), right[1:].ravel(), left[1:].ravel()
    # Diagonals alternate from the middle, so that a mirror-symmetric grid stays so.
    width = left.shape[1]
    turned = (np.arange(len(a)) % width) < width / 2
    first = np.where(turned[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(turned[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    faces = np.stack([first, second], 1).reshape(-1, 3)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return faces[distinct]


def fan_faces(ring: Indices, centre: int) -> Indices:
    """Triangles that close a ring (N,) with one point; counter-clockwise if the ring is."""
    return np.stack([ring, np.roll(ring, -1), np.full(len(ring), centre)], 1)


def joined(name: str, parts: Sequence[Part]) -> Part:
    """Several pieces as one, their charts left as they are."""
    offsets = np.cumsum([0] + [len(part.points) for part in parts[:-1]])
    return Part(
        name,
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.faces + offset for part, offset in zip(parts, offsets, strict=True)]),
        np.concatenate([part.flat for part in parts]),
        np.concatenate([part.ring for part in parts]),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.patch for part in parts]),
    )
