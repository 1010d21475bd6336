"""The head model itself as a layer: the front of the face, the mouth's inside, teeth and eyeballs.

No shell can hold teeth behind lips or an eyeball behind lids. The head mesh can, and its expressions are exact. It
leaves the scalp out: layers are painted inner to outer, and a scalp would cover hair that hangs before it in the core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .atlas import Atlas
from .canonical import Attributes, CanonicalHead
from .deformer import few_influences
from .extraction import decimated_subset
from .mesh import Mesh, compacted

_SHARES = {"face": 0.64, "mouth": 0.12, "teeth": 0.14, "eyes": 0.10}
"""Share of the layer's triangles that each region gets."""

REGIONS = tuple(_SHARES)
"""What of the head model the layer shows."""

_HINDMOST = {"face": -0.5, "mouth": -0.1, "teeth": -0.1, "eyes": -0.1}
"""How far back, as the Z of their normals, a region's triangles may look.

What looks farther back is the inside of the head: backs of eyeballs and teeth, nostrils. Layers are painted in order,
and over the core's back it would be seen from behind.
"""

_DENSITIES = {"face": 1.0, "mouth": 0.35, "teeth": 0.6, "eyes": 1.2}
"""Texels per metre of each region, relative to the face."""


@dataclass(frozen=True)
class HeadLayer:
    """The head mesh as a layer.

    Attributes
    ----------
    mesh : Mesh
        In canonical space; every vertex is a vertex of the head model.
    vertices : (V,) int
        Which one.
    attributes : Attributes
        Exactly the head model's.
    charts : Atlas
        The head model's own texture charts, not yet packed for this layer.
    density : (F,) float64
        Texels per metre that each face wants, relative to the face's skin.
    """

    mesh: Mesh
    vertices: npt.NDArray[np.intp]
    attributes: Attributes
    charts: Atlas
    density: npt.NDArray[np.float64]


def head_layer(head: CanonicalHead, face_count: int) -> HeadLayer:
    """The parts of the head mesh that are drawn, reduced to about ``face_count`` triangles.

    Each texture chart of the head model is reduced on its own and keeps its border, so charts still meet and texture
    corners stay exact. A region that needs fewer triangles than its share leaves the rest to the face. What looks into
    the head is left out, see :data:`_HINDMOST`.
    """
    forwards = _forwards(head)
    regions = {
        name: np.flatnonzero(head.model.regions[name] & (forwards > hindmost)) for name, hindmost in _HINDMOST.items()
    }
    budgets = {name: share * face_count for name, share in _SHARES.items()}
    budgets["face"] += sum(max(0.0, budgets[name] - len(regions[name])) for name in regions if name != "face")
    faces, corners, density = [], [], []
    for name, members in regions.items():
        whole = Atlas(head.model.uv, head.model.faces_uv[members])
        chart_of_faces = whole.chart_of_faces()
        kept_share = min(1.0, budgets[name] / max(1, len(members)))
        for chart in range(chart_of_faces.max(initial=-1) + 1):
            triangles = members[chart_of_faces == chart]
            reduced, reduced_uv = _reduced(head, triangles, int(np.ceil(kept_share * len(triangles))))
            faces.append(reduced)
            corners.append(reduced_uv)
            density.append(np.full(len(reduced), _DENSITIES[name]))
    vertices, renumbered = np.unique(np.concatenate(faces), return_inverse=True)
    used_corners, renumbered_uv = np.unique(np.concatenate(corners), return_inverse=True)
    attributes = head.attributes[vertices]
    return HeadLayer(
        Mesh(head.points[vertices], renumbered.reshape(-1, 3).astype(np.int32)),
        vertices,
        Attributes(attributes.expression_basis, attributes.corrective_basis, few_influences(attributes.skin_weights)),
        # The head model's v points up.
        Atlas(head.model.uv[used_corners] * [1, -1], renumbered_uv.reshape(-1, 3).astype(np.int32)),
        np.concatenate(density),
    )


def _forwards(head: CanonicalHead) -> npt.NDArray[np.float32]:
    """Z (F,) of the unit normals of the head model's triangles; zero where one has no area."""
    first, second, third = head.points[head.model.faces].swapaxes(0, 1)
    normals = np.cross(second - first, third - first)
    return normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), np.finfo(np.float32).tiny)


def _reduced(
    head: CanonicalHead, triangles: npt.NDArray[np.intp], face_count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Faces (F, 3) and texture corners (F, 3), in the head model's numbers, of a chart with fewer triangles."""
    faces, faces_uv = head.model.faces[triangles], head.model.faces_uv[triangles]
    if len(faces) <= face_count:
        return faces.astype(np.intp), faces_uv.astype(np.intp)
    # Within a chart a corner is a vertex: split along the chart's own seams, so that the texture stays one to one.
    corners = np.unique(faces_uv)
    vertex_of_corner = np.zeros(len(head.model.uv), np.intp)
    vertex_of_corner[faces_uv] = faces
    part = compacted(head.points[vertex_of_corner], faces_uv)
    kept, reduced = decimated_subset(part, face_count)
    chosen = corners[kept].astype(np.intp)
    return vertex_of_corner[chosen][reduced], chosen[reduced]
