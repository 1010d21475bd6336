"""Shells before a head mesh are open before the mouth, with a smooth edge, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likeness.head.standin import standin
from likeness.layered.canonical import CanonicalHead, canonical_head
from likeness.layered.mesh import Mesh
from likeness.layered.mouth_opening import INNER_LIPS, MARGIN, open_before_mouth


@pytest.fixture(scope="module")
def head() -> CanonicalHead:
    return canonical_head(standin(), ())


def curtain(z: float, edge: float = 0.004) -> Mesh:
    """A flat sheet of triangles before or behind the whole head."""
    x, y = (np.arange(start, end, edge, dtype=np.float32) for start, end in ((-0.1, 0.1), (-0.15, 0.15)))
    points = np.stack([*np.meshgrid(x, y), np.full((len(y), len(x)), z, np.float32)], -1).reshape(-1, 3)
    corner = (np.arange(len(y) - 1)[:, None] * len(x) + np.arange(len(x) - 1)).ravel()
    right, up, both = corner + 1, corner + len(x), corner + len(x) + 1
    faces = np.concatenate([np.stack([corner, right, both], 1), np.stack([corner, both, up], 1)])
    return Mesh(points.astype(np.float32), faces.astype(np.int32))


def area(mesh: Mesh) -> float:
    a, b, c = mesh.positions[mesh.faces].swapaxes(0, 1)
    return float(np.cross(b - a, c - a)[:, 2].sum() / 2)


def polygon_area(points: np.ndarray) -> float:
    x, y = points[:, :2].T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2))


def test_the_hole_is_the_mouth_and_a_millimetre(head):
    before = curtain(0.15)
    opened = open_before_mouth(head, before)
    lips = head.model.landmarks(head.points)[list(INNER_LIPS)]
    around = np.linalg.norm(np.diff(lips[[*range(len(lips)), 0], :2], axis=0), axis=1).sum()
    hole = area(before) - area(opened)
    assert hole == pytest.approx(polygon_area(lips) + MARGIN * around, rel=0.15)
    assert not (np.linalg.norm(opened.positions[:, :2] - lips[:, :2].mean(0), axis=1) < 0.003).any()


def test_what_lies_behind_the_head_is_whole(head):
    behind = curtain(-0.1)
    assert area(open_before_mouth(head, behind)) == pytest.approx(area(behind), rel=1e-6)


def test_a_head_without_an_inner_mouth_opens_nothing(head):
    none = np.zeros(len(head.model.faces), bool)
    model = replace(head.model, regions={**head.model.regions, "mouth": none, "teeth": none})
    before = curtain(0.15)
    assert open_before_mouth(replace(head, model=model), before) is before
