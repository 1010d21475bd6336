"""MediaPipe's 468 face points on the stand-in: detected in pictures of it, carried back, snapped to lids and lips.

Making the table needs the ``mediapipe`` package; loading the shipped head does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import trimesh
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from ..model import HeadModel
from ..shading import View, draw, reduced
from ..zbuffer import vertex_normals
from . import eyes, mouth
from .body import Body
from .distance import Array
from .part import Indices

UPPER_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LOWER_LID = (263, 249, 390, 373, 374, 380, 381, 382, 362)
"""The left eye's edge in MediaPipe's numbering, from the outer corner to the inner one."""
UPPER_LIP = (13, 312, 311, 310, 415, 308)
LOWER_LIP = (14, 317, 402, 318, 324, 308)
"""The left half of the inner lips, from the midline to the corner."""
VIEWS = tuple(View(yaw, pitch, (0.0, 0.0, 0.03), 0.34, 1.1) for yaw, pitch in (
    (0, 0), (-12, 0), (12, 0), (-24, 0), (24, 0), (-36, 0), (36, 0), (0, 10), (0, -8),
))  # fmt: skip
SIZE = 640

Edge = tuple[tuple[int, ...], Indices]
"""MediaPipe's numbers along an edge, and the vertices of the edge that they belong on."""
Table = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]


def with_landmarks(head: HeadModel, table: Table) -> HeadModel:
    """The head with another landmark table."""
    return replace(head, landmark_triangles=table[0], landmark_barycentrics=table[1])


def detect(picture: Array) -> Array | None:
    """MediaPipe's points (468, 2) in pixels on a picture (H, W, 3) in 0..1, or None where it sees no face."""
    import mediapipe

    image = np.ascontiguousarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    solutions: Any = mediapipe.solutions
    with solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(image).multi_face_landmarks
    if not found:
        return None
    points = np.array([[point.x, point.y] for point in found[0].landmark[:468]])
    return points * [image.shape[1], image.shape[0]]


def find_landmarks(head: HeadModel, sculpted: Body) -> Table:
    """The table for a head made from a body: vertices (468, 3) and weights (468, 3).

    Raises
    ------
    ValueError
        If MediaPipe does not see a face in one of the pictures: the head does not look human enough.
    """
    hits = np.stack([_seen_points(head, view) for view in VIEWS])
    towards = np.stack([view.rotation()[2] for view in VIEWS])
    normals = vertex_normals(head.template, head.faces)
    places = _symmetric(np.median(hits, 0))
    triangles, barycentrics = _on_surface(head, places)
    # A view counts for a point as far as the point faces it: MediaPipe guesses what it cannot see.
    for _ in range(3):
        facing = np.einsum("lk,lkc,nc->nl", barycentrics, normals[triangles], towards)
        trust = np.clip(facing - 0.25, 0.01, None)[..., None] ** 2
        places = _symmetric((trust * hits).sum(0) / trust.sum(0))
        triangles, barycentrics = _on_surface(head, places)
    for above, below in _edges(sculpted):
        along = (_along(head, places, *above) + _along(head, places, *below)) / 2
        for numbers, chain in (above, below):
            for number, at in zip(numbers, along.tolist(), strict=True):
                segment = min(int(at), len(chain) - 2)
                triangles[number] = chain[[segment, segment + 1, segment + 1]]
                barycentrics[number] = 1 - (at - segment), at - segment, 0
    return triangles.astype(np.int32), barycentrics.astype(np.float32)


def _seen_points(head: HeadModel, view: View) -> Array:
    """Places (468, 3) on the head's outside where MediaPipe sees its points in one picture."""
    picture, fragments = draw(head, head.template, view, 2 * SIZE)
    pixels = detect(reduced(picture, 2))
    if pixels is None:
        raise ValueError(f"MediaPipe sees no face at yaw {view.yaw}, pitch {view.pitch}")
    outer = (head.regions["skin"] & ~head.regions["ears"]) | head.regions["eyes"]
    rows, columns = np.nonzero((fragments.triangle >= 0) & outer[fragments.triangle])
    _, found = KDTree(np.stack([columns + 0.5, rows + 0.5], 1)).query(2 * pixels)
    return fragments.interpolate(head.template[head.faces])[rows[found], columns[found]]


def _symmetric(places: Array) -> Array:
    """Points averaged with their mirror images; which point mirrors which follows from where they are."""
    mirrored = places * [-1, 1, 1]
    cost = np.linalg.norm(places[:, None] - mirrored[None], axis=2) ** 2
    _, twin = linear_sum_assignment(cost)
    return (places + mirrored[twin]) / 2


def _on_surface(head: HeadModel, places: Array) -> tuple[Indices, Array]:
    """Nearest points of the outer skin."""
    faces = head.faces[head.regions["skin"] & ~head.regions["ears"]].astype(np.int64)
    corners = head.template[faces].astype(float)
    candidates = np.asarray(KDTree(corners.mean(1)).query(places, 24)[1])
    nearest = trimesh.triangles.closest_point(corners[candidates.ravel()], np.repeat(places, 24, 0)).reshape(-1, 24, 3)
    best = np.linalg.norm(nearest - places[:, None], axis=2).argmin(1)
    rows = np.arange(len(places))
    chosen = candidates[rows, best]
    barycentrics = trimesh.triangles.points_to_barycentric(corners[chosen], nearest[rows, best])
    barycentrics = np.clip(barycentrics, 0, 1)
    return faces[chosen], barycentrics / barycentrics.sum(1, keepdims=True)


def _edges(sculpted: Body) -> list[tuple[Edge, Edge]]:
    """Upper and lower edges of lids and inner lips, both sides."""
    lid, lip = sculpted.rows("lid"), sculpted.rows("lip")
    left = sculpted.points[:, 0] > -1e-9
    # The rear edge is where the eye is seen to begin.
    edge = np.flatnonzero((lid == eyes.EDGE_RING + 1) & left)
    edge = edge[np.argsort(sculpted.column[edge])]
    seam = np.flatnonzero((lip == mouth.SEAM_RING) & left)
    seam = seam[np.argsort(sculpted.column[seam])]
    half = eyes.COLUMNS // 2
    lids = (UPPER_LID, edge[: half + 1]), (LOWER_LID, np.concatenate([edge[half:], edge[:1]])[::-1])
    lips = (UPPER_LIP, seam[: mouth.CORNER + 1]), (LOWER_LIP, seam[mouth.CORNER :][::-1])
    pairs = [lids, lips]
    other = _other_side()
    for above, below in (lids, lips):
        right = [
            (tuple(other[number] for number in numbers), sculpted.twin[chain]) for numbers, chain in (above, below)
        ]
        pairs.append((right[0], right[1]))
    return pairs


def _other_side() -> dict[int, int]:
    """The right side's number of each left point of lids and inner lips."""
    right = (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
        (13, 82, 81, 80, 191, 78),
        (14, 87, 178, 88, 95, 78),
    )
    left = (UPPER_LID, LOWER_LID, UPPER_LIP, LOWER_LIP)
    return {a: b for lefts, rights in zip(left, right, strict=True) for a, b in zip(lefts, rights, strict=True)}


def _along(head: HeadModel, places: Array, numbers: tuple[int, ...], chain: Indices) -> Array:
    """Where points (N,) belong on a chain, counted in its vertices: its ends are fixed, the others go by arc length.

    Upper and lower points of a pair are put at the mean of their two counts: closed lids and lips bring them together.
    """
    run, found = (
        np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        for line in (head.template[chain].astype(float), places[list(numbers)])
    )
    return np.interp(found / found[-1] * run[-1], run, np.arange(len(chain)))
