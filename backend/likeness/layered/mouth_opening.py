"""A hole in the shells before the mouth, so that the head mesh alone shows teeth and what is between them.

A shell spans a mouth like a skin, whatever the mouth does. It learns to be a little white there, where teeth were
filmed, and stays so before the dark of an open jaw: every wide mouth is a grey bar. No hair grows there. In canonical
space the mouth is half open, so near shells would spend a quarter of their triangles on its lining, too.
"""

from __future__ import annotations

import cv2
import numpy as np

from .canonical import CanonicalHead
from .mesh import Mesh, clipped

INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""MediaPipe's points along the edge of the lips, once round."""

MARGIN = 0.001
"""How far the hole reaches beyond that edge, metres."""

NEARBY = 0.01
"""How far from it a shell's distance is measured at all, metres: more than an edge of what was extracted."""

DEPTH = 0.06
"""How far behind the lips the hole reaches, metres: to the throat, not to the neck behind it."""


def open_before_mouth(head: CanonicalHead, mesh: Mesh) -> Mesh:
    """A shell, in canonical space, without what lies before and within the mouth, seen from the front.

    Heads without an inner mouth keep all.
    """
    if not (head.model.regions["mouth"] | head.model.regions["teeth"]).any():
        return mesh
    lips = head.model.landmarks(head.points)[list(INNER_LIPS)].astype(np.float32)
    outline = np.ascontiguousarray(lips[:, :2])
    low, high = outline.min(0) - NEARBY, outline.max(0) + NEARBY
    near = ((mesh.positions[:, :2] > low) & (mesh.positions[:, :2] < high)).all(1)
    near &= mesh.positions[:, 2] > lips[:, 2].mean() - DEPTH
    heights = np.full(len(mesh.positions), NEARBY)
    # OpenCV tells how far inside a point is.
    inside = [cv2.pointPolygonTest(outline, point, True) for point in mesh.positions[near, :2].tolist()]
    heights[near] = -np.array(inside) - MARGIN
    return clipped(mesh, heights)
