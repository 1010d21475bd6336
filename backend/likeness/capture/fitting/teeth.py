"""A person's rows of teeth: how much higher they sit than those of the head model.

Landmarks end at the lips, so a fit knows nothing of what lies behind them. Identities hardly differ in the length of
the jaw alone: a longer one is taken for a jaw that is a little open in all frames, under lips that close over it. The
skin fits, and the lower teeth hang too low, behind the lip, where every smile shows them: by 6 mm in one film.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ...head.model import HeadModel
from ...rig import JOINTS
from .residuals import Frames

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.float32]

OPENING = "jawOpen"
"""The expression that moves the lower teeth."""

REST_OPENING = 0.05
"""Its weight while lips are closed: teeth are then some two millimetres apart."""

TOGETHER = 0.04
"""Gap between the lips' middles, in widths of the mouth, below which they are closed."""

GUMS = (0.003, 0.009)
"""Distances from the teeth, metres, between which gums rise with them less and less."""

FEWEST = 3
"""Frames with closed lips that it takes to know."""

_MIDDLES, _CORNERS = (13, 14), (78, 308)


@dataclass(frozen=True)
class Teeth:
    """The rows of teeth, and what rises with each.

    Attributes
    ----------
    upper, lower : (F,) int
        Triangles of the head model that hang on skull and jaw: each row with its gums, and the tongue.
    rising : (2, V) float32
        How much each vertex of the head model rises with the upper and the lower row, 0..1: teeth do, gums do near
        them, and the tongue, which would fill the mouth, does not.
    """

    upper: npt.NDArray[np.intp]
    lower: npt.NDArray[np.intp]
    rising: Array


def teeth_of(head: HeadModel) -> Teeth | None:
    """What of a head model hangs on its teeth: all of the mouth that is not joined to the skin; None without teeth."""
    tooth = head.regions["teeth"]
    if not tooth.any():
        return None
    loose = ~_joined_to_skin(head)[head.faces[:, 0]] & (tooth | head.regions["mouth"])
    with_jaw = head.skin_weights[head.faces, JOINTS.index("jaw")].mean(1) >= 0.5
    rows = [np.flatnonzero(loose & part) for part in (~with_jaw, with_jaw)]
    rising = np.zeros((2, len(head.template)), np.float32)
    for share, row in zip(rising, rows, strict=True):
        vertices, teeth = np.unique(head.faces[row]), np.unique(head.faces[row[tooth[row]]])
        if len(teeth):
            distances, _ = KDTree(head.template[teeth]).query(head.template[vertices])
            share[vertices] = 1 - np.clip((distances - GUMS[0]) / (GUMS[1] - GUMS[0]), 0, 1)
    upper, lower = rows
    return Teeth(upper, lower, rising)


def _joined_to_skin(head: HeadModel) -> npt.NDArray[np.bool_]:
    count, faces = len(head.template), head.faces
    edges = np.stack([faces.ravel(), np.roll(faces, 1, axis=1).ravel()])
    _, parts = connected_components(sparse.coo_matrix((np.ones(faces.size), edges), (count, count)), directed=False)
    return np.isin(parts, parts[faces[head.regions["skin"]]])


def with_teeth(head: HeadModel, heights: npt.ArrayLike) -> HeadModel:
    """The head model with its upper and lower row of teeth raised by two heights, metres, at rest."""
    teeth = teeth_of(head)
    if teeth is None:
        return head
    template = head.template.copy()
    template[:, 1] += np.asarray(heights, np.float32) @ teeth.rising
    return replace(head, template=template)


def resting_heights(head: HeadModel, observed: Floats, expression: Floats, training: Frames) -> Floats:
    """How much higher (2,) the rows of teeth are, metres, if they meet where the jaw is while lips are closed.

    Parameters
    ----------
    head : HeadModel
    observed : (F, 468 or more, 2)
        MediaPipe's points, any unit.
    expression : (F, E)
        What was fitted to them.
    training : (T,) int
        Frames that may be looked at.

    Returns
    -------
    (2,) float64
        Of the upper row, always zero, and of the lower. Both are zero for a head without teeth or without an
        expression called ``jawOpen``, and if fewer than :data:`FEWEST` frames show closed lips.
    """
    nothing, teeth = np.zeros(2), teeth_of(head)
    closed = training[lip_gaps(observed[training]) < TOGETHER]
    if teeth is None or not len(teeth.lower) or OPENING not in head.expression_names or len(closed) < FEWEST:
        return nothing
    opening = head.expression_names.index(OPENING)
    excess = max(0.0, float(np.median(expression[closed, opening])) - REST_OPENING)
    front = head.faces[teeth.lower].ravel()
    front = front[head.template[front, 2] >= np.quantile(head.template[front, 2], 0.9)]
    return np.array([0.0, -excess * float(head.expression_basis[opening, front, 1].mean())])


def lip_gaps(observed: Floats) -> Floats:
    """Gaps (F,) between the lips' middles in widths of the mouth, by MediaPipe's points (F, 468 or more, 2)."""
    gap, width = (np.linalg.norm(observed[:, a] - observed[:, b], axis=1) for a, b in (_MIDDLES, _CORNERS))
    return gap / width.clip(1e-9)
