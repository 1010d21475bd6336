"""A hole in the opaque core where the head-mesh layer covers it.

Layers are painted inner to outer, so the core never hides teeth or eyeballs of the head mesh in the trainer, in Eevee
or in the viewport. Cycles composites by depth, and there a core that runs behind the lips would hide the teeth. Nothing
is lost by leaving out what the head mesh covers from every side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ..raster.mesh_query import signed_distance
from .proxies import Proxies

MARGIN = 0.03
"""What the core keeps inside the head mesh's rim, metres: the sides of the face are filmed at grazing angles, where the
head mesh may stay a little transparent. Mouth and eyes lie farther in."""

REACH = 0.015
"""How far from the head mesh the core counts as covered, metres."""


def open_core(proxies: Proxies) -> Proxies:
    """Proxies without the triangles of inner layers that lie under the head mesh (level 0), away from its rim.

    Parameters
    ----------
    proxies : Proxies
        NumPy or torch tensors; vertices stay, faces are left out.
    """
    plain = proxies.numpy()
    heads = np.flatnonzero(plain.levels == 0)
    if not len(heads):
        return proxies
    head = plain.faces[plain.face_layers == heads[0]]
    rim = _rim(plain.positions, head)
    if not len(rim):
        return proxies
    centres = plain.positions[plain.faces].mean(1)
    parts = (torch.as_tensor(part) for part in (plain.positions, head, centres))
    to_head = signed_distance(*parts)[0].abs().numpy()
    to_rim, _ = KDTree(rim).query(centres)
    kept = np.flatnonzero((plain.face_layers >= heads[0]) | (to_head > REACH) | (to_rim < MARGIN))
    return replace(
        proxies,
        faces=proxies.faces[kept],
        faces_uv=proxies.faces_uv[kept],
        face_layers=proxies.face_layers[kept],
    )


def _rim(positions: npt.NDArray[np.float32], faces: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Points (N, 3) along a mesh's widest border; narrower ones surround mouth and eyes, and may have more vertices."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    border = edges[counts == 1]
    if not len(border):
        return np.zeros((0, 3), np.float32)
    vertices, joined = np.unique(border, return_inverse=True)
    joined = joined.reshape(-1, 2)
    graph = sparse.coo_matrix((np.ones(len(joined)), joined.T), (len(vertices), len(vertices)))
    _, labels = connected_components(graph, directed=False)
    widths = [np.ptp(positions[vertices[labels == label]], axis=0).max() for label in range(labels.max() + 1)]
    start, end = positions[border[labels[joined[:, 0]] == int(np.argmax(widths))]].swapaxes(0, 1)
    return np.concatenate([start + share * (end - start) for share in (0.0, 0.25, 0.5, 0.75)])
