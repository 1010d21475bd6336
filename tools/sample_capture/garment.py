"""A T-shirt: the bust's skin below a neckline, smoothed and lifted, with a collar and a skirt below the bust's cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from anatomy import CENTIMETRES, smoothstep, vertex_normals
from likeness.head.model import HeadModel
from scipy import sparse
from surface import Faces, Mapping, clipped, subdivided

Array = npt.NDArray[np.floating]

_NECKLINE = np.array([0.0, 1.0, 0.26])
_NECKLINE_AT = -12.4
"""Centimetres along the neckline's axis: lower in front than behind."""
_COLLAR = 1.4
_THICKNESS = 0.45
_COLLAR_THICKNESS = 0.75
_SKIRT = ((2.5, -1.8), (4.0, -4.5), (4.5, -12.0))
"""Centimetres outwards and up from the bust's cut, where the frame ends."""
_FOLD = -0.1
_SLIVER = 0.08
_COVER = 1.0
"""Centimetres below the neckline from which skin is certainly covered."""


@dataclass(frozen=True)
class Garment:
    """Cloth that follows the skin beneath it.

    Attributes
    ----------
    mapping : (G, V) sparse
        Where each cloth vertex's foot lies between the skin's vertices.
    thickness : (G,) float
        Metres off the smoothed skin.
    hang : (G, 3) float
        Metres added in the world's axes: the skirt.
    faces : (F, 3) int
    collar : (G,) float
        1 on the collar.
    """

    mapping: Mapping
    thickness: Array
    hang: Array
    faces: Faces
    collar: Array

    def follow(self, vertices: Array) -> Array:
        """Cloth vertices (G, 3) on a head whose vertices (V, 3) are given."""
        feet = self.mapping @ vertices.astype(np.float64) + self.hang
        return feet + self.thickness[:, None] * vertex_normals(feet, self.faces)


def tailor(head: HeadModel) -> Garment:
    """Cut the garment out of a head model's skin."""
    template = CENTIMETRES * head.template.astype(np.float64)
    skin = head.faces[head.regions["skin"]]
    # A margin above the neckline keeps the subdivision's open edge away from it.
    near = skin[(template[skin] @ _NECKLINE < _NECKLINE_AT + 4.0).any(1)]
    mapping, faces = sparse.identity(len(template), format="csr"), near
    for _ in range(2):
        mapping, faces = subdivided(mapping, faces)
    above = (mapping @ template) @ _NECKLINE - _NECKLINE_AT
    # A cut right beside a vertex leaves slivers, whose normals are noise.
    above = np.where(np.abs(above) < _SLIVER, np.copysign(_SLIVER, above), above)
    mapping, faces, edge = clipped(mapping, faces, above)
    feet = mapping @ template
    below = _NECKLINE_AT - feet @ _NECKLINE
    collar = 1 - smoothstep((below - _COLLAR) / 0.15)
    # The collar is a soft roll, not a step.
    roll = np.sqrt(np.clip(1 - ((below - _COLLAR / 2) / (_COLLAR / 2)) ** 2, 0, 1)) * collar
    thickness = _THICKNESS + (_COLLAR_THICKNESS - _THICKNESS) * roll
    garment = Garment(mapping, thickness / CENTIMETRES, np.zeros_like(feet), faces, collar)
    return _with_skirt(_with_fold(garment, edge), feet)


def covered(head: HeadModel) -> npt.NDArray[np.bool_]:
    """Triangles (F,) of the head that the garment hides; left out, they cannot show through it."""
    below = _NECKLINE_AT - CENTIMETRES * head.template @ _NECKLINE
    return (below[head.faces] > _COVER).all(1)


def _with_fold(garment: Garment, edge: npt.NDArray[np.signedinteger]) -> Garment:
    """The same cloth with its neckline folded down to the skin, so that it looks as thick as it is."""
    return _extruded(garment, _rim(garment.faces, edge), np.zeros(3), _FOLD / CENTIMETRES)[0]


def _with_skirt(garment: Garment, feet: Array) -> Garment:
    """The same cloth drawn out beyond the bust's cut: outwards as shoulders go on, then down."""
    rim = _rim(garment.faces, np.flatnonzero(feet[:, 1] < feet[:, 1].min() + 0.5))
    outwards = feet[np.unique(rim)] * [1, 0, 1]
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    for out, up in _SKIRT:
        hang = (out * outwards + [0, up, 0]) / CENTIMETRES
        garment, rim = _extruded(garment, rim, hang, _THICKNESS / CENTIMETRES)
    return garment


def _rim(faces: Faces, allowed: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    """Directed open edges (K, 2) between allowed vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    size = faces.max() + 1
    open_edges = ~np.isin(edges[:, 0] * size + edges[:, 1], edges[:, 1] * size + edges[:, 0])
    return edges[open_edges & np.isin(edges, allowed).all(1)]


def _extruded(
    garment: Garment, rim: npt.NDArray[np.signedinteger], hang: Array, thickness: float
) -> tuple[Garment, npt.NDArray[np.signedinteger]]:
    """The same cloth with a strip from an open edge (K, 2) to copies of its vertices, and the strip's other edge."""
    used, corner = np.unique(rim, return_inverse=True)
    new_rim = corner.reshape(rim.shape) + len(garment.collar)
    start, end = rim.T
    new_start, new_end = new_rim.T
    walls = np.concatenate([np.stack([end, start, new_start], 1), np.stack([end, new_start, new_end], 1)])
    longer = Garment(
        sparse.vstack([garment.mapping, garment.mapping[used]], format="csr"),
        np.concatenate([garment.thickness, np.full(len(used), thickness)]),
        np.concatenate([garment.hang, np.broadcast_to(hang, (len(used), 3))]),
        np.concatenate([garment.faces, walls]).astype(np.int32),
        np.concatenate([garment.collar, garment.collar[used]]),
    )
    return longer, new_rim
