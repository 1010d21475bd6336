"""Rows of teeth that follow from where a jaw rests, and that can be raised without anything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likeness.capture.fitting.teeth import (
    FEWEST,
    GUMS,
    REST_OPENING,
    Teeth,
    lip_gaps,
    resting_heights,
    teeth_of,
    with_teeth,
)
from likeness.head.model import HeadModel
from likeness.head.standin import standin
from likeness.rig import JOINTS
from scipy.spatial import KDTree


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return standin()


@pytest.fixture(scope="module")
def toothless(head) -> HeadModel:
    return replace(head, regions={**head.regions, "teeth": np.zeros(len(head.faces), bool)})


def faces_of_lips(gaps: list[float]) -> np.ndarray:
    """Points (F, 468, 2) of mouths 50 pixels wide, whose lips are so many widths apart."""
    observed = np.zeros((len(gaps), 468, 2))
    observed[:, 308, 0] = 50
    observed[:, 13, 1] = 50 * np.array(gaps)
    return observed


def rows(head: HeadModel) -> Teeth:
    """The rows of a head that has teeth."""
    teeth = teeth_of(head)
    assert teeth is not None
    return teeth


def jaws(head: HeadModel, weights: list[float]) -> np.ndarray:
    """Expressions (F, E) of jaws that are so far open."""
    expression = np.zeros((len(weights), len(head.expression_names)))
    expression[:, head.expression_names.index("jawOpen")] = weights
    return expression


def test_what_hangs_on_teeth_is_no_skin_and_goes_with_skull_or_jaw(head):
    teeth = rows(head)
    both = np.concatenate([teeth.upper, teeth.lower])
    assert np.isin(np.flatnonzero(head.regions["teeth"]), both).all()
    assert not head.regions["skin"][both].any()
    jaw = head.skin_weights[:, JOINTS.index("jaw")]
    assert jaw[head.faces[teeth.upper]].mean(1).max() < 0.5 <= jaw[head.faces[teeth.lower]].mean(1).min()


def test_raising_rows_moves_each_by_its_own_height_and_nothing_else(head):
    raised = with_teeth(head, (0.001, 0.004))
    moved = raised.template - head.template
    teeth, tooth = rows(head), head.regions["teeth"]
    assert not moved[head.faces[head.regions["skin"]]].any()
    assert not moved[:, [0, 2]].any()
    for row, height in ((teeth.upper, 0.001), (teeth.lower, 0.004)):
        assert moved[head.faces[row[tooth[row]]], 1] == pytest.approx(height, abs=1e-6)
        assert moved[head.faces[row], 1].max() <= height + 1e-6


def test_the_tongue_stays_where_raised_it_would_fill_the_mouth(head):
    moved = with_teeth(head, (0.0, 0.006)).template - head.template
    lower = rows(head).lower
    teeth = head.template[head.faces[lower[head.regions["teeth"][lower]]]].reshape(-1, 3)
    vertices = np.unique(head.faces[lower])
    far = vertices[KDTree(teeth).query(head.template[vertices])[0] > GUMS[1]]
    assert len(far)
    assert not moved[far].any()


def test_a_jaw_that_is_open_under_closed_lips_has_its_teeth_higher(head):
    observed, training = faces_of_lips([0.0] * FEWEST + [0.3] * 4), np.arange(FEWEST + 4)
    expression = jaws(head, [REST_OPENING + 0.2] * FEWEST + [0.6] * 4)
    upper, lower = resting_heights(head, observed, expression, training)
    opening = head.expression_basis[head.expression_names.index("jawOpen")]
    incisors = head.faces[rows(head).lower][:, 0]
    incisors = incisors[head.template[incisors, 2].argsort()[-5:]]
    assert upper == 0
    assert lower == pytest.approx(-0.2 * opening[incisors, 1].mean(), rel=0.1)


@pytest.mark.parametrize(
    ("gaps", "weights", "why"),
    [
        ([0.0] * 9, [REST_OPENING / 2] * 9, "at rest"),
        ([0.2] * 9, [0.4] * 9, "never closed"),
        ([0.0] * (FEWEST - 1) + [0.2] * 9, [0.4] * (FEWEST + 8), "hardly ever closed"),
    ],
)
def test_teeth_stay_where_nothing_tells_that_they_are_elsewhere(head, gaps, weights, why):
    found = resting_heights(head, faces_of_lips(gaps), jaws(head, weights), np.arange(len(gaps)))
    assert found.tolist() == [0, 0], why


def test_only_training_frames_tell(head):
    observed, expression = faces_of_lips([0.0] * 20), jaws(head, [REST_OPENING] * 10 + [0.5] * 10)
    assert resting_heights(head, observed, expression, np.arange(10)).tolist() == [0, 0]
    assert resting_heights(head, observed, expression, np.arange(10, 20))[1] > 0.005


def test_heads_without_teeth_or_without_that_expression_stay(head, toothless):
    jawless = replace(head, skin_weights=np.eye(len(JOINTS), dtype=np.float32)[np.zeros(len(head.template), int)])
    nameless = replace(head, expression_names=tuple(f"direction {i}" for i in range(len(head.expression_names))))
    observed, expression = faces_of_lips([0.0] * 9), jaws(head, [0.5] * 9)
    for other in (toothless, nameless, jawless):
        assert resting_heights(other, observed, expression, np.arange(9)).tolist() == [0, 0]
    assert teeth_of(toothless) is None
    assert with_teeth(toothless, (0.001, 0.002)) is toothless


def test_gaps_are_in_widths_of_the_mouth():
    assert lip_gaps(faces_of_lips([0.0, 0.1, 0.5])) == pytest.approx([0, 0.1, 0.5])
