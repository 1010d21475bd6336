"""Points that a person has elsewhere are found there, and nothing else of the head changes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from likeness.capture.fitting.correspondence import (
    STAYING,
    constant_offsets,
    nearest_barycentrics,
    personal_head,
    with_points_at,
)
from likeness.capture.fitting.fit import distances, fit_clip
from likeness.capture.fitting.points import BROWS, COUNT, point_model
from likeness.capture.fitting.residuals import NOISE, Unknowns, project
from likeness.head.model import HeadModel
from likeness.head.standin import standin
from scipy.spatial.transform import Rotation

FRAMES, FOCAL = 48, 1126.0
TRAINING = np.arange(36)
HIGH_BROWS = 0.004


@pytest.fixture(scope="module")
def person() -> HeadModel:
    """The stand-in, but its brows are seen four millimetres higher on its skin."""
    head = standin()
    model = point_model(head)
    higher = np.zeros((COUNT, 3))
    higher[list(BROWS), 1] = HIGH_BROWS
    return with_points_at(head, model.template + higher, model.normals, np.array(BROWS))


@pytest.fixture(scope="module")
def observed(person) -> np.ndarray:
    model = point_model(person)
    time = np.linspace(0, 12, FRAMES)
    expression = np.zeros((FRAMES, len(model.expression_names)))
    expression[:, model.expression_names.index("jawOpen")] = 0.3 + 0.3 * np.sin(2 * time)
    expression[:, model.expression_names.index("browInnerUp_L")] = 0.4 + 0.4 * np.sin(time)
    turns = np.radians(15) * np.stack([np.sin(time), np.cos(1.3 * time), np.zeros(FRAMES)], 1)
    shown = Unknowns(
        identity=np.zeros(len(model.identity_basis)),
        log_focal=float(np.log(FOCAL)),
        rotation=Rotation.from_euler("yxz", turns).as_matrix(),
        translation=np.tile([0.0, -0.03, -0.75], (FRAMES, 1)),
        expression=expression,
    )
    return project(model, shown)[0]


@pytest.fixture(scope="module")
def found(observed) -> HeadModel:
    return personal_head(standin(), observed, FOCAL, TRAINING)


def test_brows_are_found_where_they_are(person, found):
    brows = [index for index in BROWS if index not in STAYING]
    usual, true, got = (point_model(head).template[brows] for head in (standin(), person, found))
    off_before, off_after = (np.linalg.norm(places - true, axis=1).mean() for places in (usual, got))
    assert off_before > 0.8 * HIGH_BROWS
    assert off_after < 0.5 * off_before


def test_frames_that_were_not_looked_at_fit_better_too(observed, found):
    errors = []
    for head in (standin(), found):
        model = point_model(head)
        fitted = fit_clip(model, observed, FOCAL, TRAINING)
        errors.append(distances(model, observed, fitted)[len(TRAINING) :].mean())
    assert errors[1] < 0.7 * errors[0]


def test_only_points_move_and_not_the_edges_of_lids_and_lips(found):
    head = standin()
    for field in fields(HeadModel):
        if not field.name.startswith("landmark"):
            assert getattr(found, field.name) is getattr(head, field.name), field.name
    assert (found.landmark_triangles[STAYING] == head.landmark_triangles[STAYING]).all()
    assert (found.landmark_barycentrics[STAYING] == head.landmark_barycentrics[STAYING]).all()
    assert np.abs(found.landmark_barycentrics.sum(1) - 1).max() < 1e-5
    assert found.landmark_barycentrics.min() >= 0


def test_offsets_lie_in_the_tangent_plane_and_noise_moves_little(person, observed):
    model = point_model(person)
    fitted = fit_clip(model, observed, FOCAL, TRAINING)
    noise = np.random.default_rng(0).normal(0, NOISE, observed.shape)
    offset = constant_offsets(model, observed + noise, fitted)
    assert np.abs((offset * model.normals).sum(1)).max() < 1e-9
    # Noise of two pixels over 48 frames leaves a seventh of it, and a pixel is 0.7 mm here.
    assert np.linalg.norm(offset, axis=1).mean() < 0.0007


def test_the_nearest_point_of_a_triangle_is_nearest():
    random = np.random.default_rng(0)
    triangles, points = random.normal(size=(50, 3, 3)), 2 * random.normal(size=(50, 3))
    nearest = nearest_barycentrics(triangles, points)
    assert nearest.min() >= 0 and np.allclose(nearest.sum(1), 1)
    distance = np.linalg.norm((nearest[..., None] * triangles).sum(1) - points, axis=1)
    others = random.dirichlet(np.ones(3), 4000)
    sampled = np.linalg.norm(np.einsum("sk,nkc->nsc", others, triangles) - points[:, None], axis=-1).min(1)
    assert (distance <= sampled + 1e-9).all()
    assert (sampled - distance).mean() < 0.05


def test_a_triangle_without_area_has_a_nearest_point_too():
    line = np.array([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    weights = nearest_barycentrics(line, np.array([[1.5, 1.0, 0]]))
    assert (weights[..., None] * line).sum(1)[0] == pytest.approx([1.5, 0, 0])
