"""Points lie on the face's skin, move with the head model, and are seen where nothing is before them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from likeness.capture.fitting.residuals import Unknowns
from likeness.capture.photometric.samples import SkinSamples, skin_samples, visible
from likeness.head.model import HeadModel
from likeness.head.standin import standin
from likeness.raster.select import rasteriser
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return standin()


@pytest.fixture(scope="module")
def samples(head) -> SkinSamples:
    return skin_samples(head, np.zeros(len(head.identity_basis)))


def before_camera(head: HeadModel, degrees: float) -> Unknowns:
    """The head turned to a side, half a metre before a camera."""
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()[None]
    nothing = np.zeros((1, head.expression_count))
    return Unknowns(np.zeros(len(head.identity_basis)), np.log(1100.0), turn, np.array([[0, 0, -0.7]]), nothing)


def test_points_lie_on_the_face_and_look_outwards(head, samples):
    vertices = head.template[np.unique(head.faces[head.regions["face"]])]
    assert KDTree(vertices).query(samples.rest)[0].max() < 0.01
    assert np.abs(np.linalg.norm(samples.normals, axis=1) - 1).max() < 1e-5
    middle = np.array([0, samples.rest[:, 1].mean(), 0])
    assert (((samples.rest - middle) * samples.normals).sum(1) > 0).mean() > 0.9


def test_points_move_with_the_jaw(head, samples):
    weights = np.zeros(head.expression_count)
    weights[head.expression_names.index("jawOpen")] = 1
    moved = np.linalg.norm(samples.positions(weights) - samples.rest, axis=1)
    low = samples.rest[:, 1] < np.quantile(samples.rest[:, 1], 0.1)
    high = samples.rest[:, 1] > np.quantile(samples.rest[:, 1], 0.9)
    assert moved[low].mean() > 0.005 and moved[high].mean() < 1e-3


@pytest.mark.parametrize(("degrees", "hidden_side"), [(40.0, 1), (-40.0, -1)])
def test_what_is_turned_away_or_behind_the_nose_is_not_seen(head, samples, degrees, hidden_side):
    """A turn to the subject's left hides the left cheek."""
    draw = rasteriser(torch.device("cpu"))
    unknowns = before_camera(head, degrees)
    seen = visible(samples, head, head.template, draw, unknowns, 0, (0.5, 0.5))
    side = samples.rest[:, 0] * hidden_side
    assert seen[side < -0.03].mean() > 0.8 and seen[side > 0.05].mean() < 0.1
    straight = visible(samples, head, head.template, draw, before_camera(head, 0), 0, (0.5, 0.5))
    assert straight[np.abs(samples.rest[:, 0]) < 0.03].mean() > 0.7
    # A picture whose principal point is its corner holds a quarter of the face.
    corner = visible(samples, head, head.template, draw, before_camera(head, 0), 0, (0.0, 0.0))
    assert 0.1 < corner.sum() / straight.sum() < 0.5
