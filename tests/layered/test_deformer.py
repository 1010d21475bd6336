import numpy as np
import pytest
from balls import RADIUS, ball_head
from likeness.layered.canonical import canonical_head
from likeness.layered.deformer import FADE_LENGTH, FADE_START, Deformer, few_influences


@pytest.fixture(scope="module")
def head():
    return canonical_head(ball_head(), ())


@pytest.fixture(scope="module")
def deformer(head):
    return Deformer(head, head.points.min(0) - 0.08, head.points.max(0) + 0.08)


def test_at_a_head_vertex_a_point_moves_exactly_as_the_vertex(head, deformer):
    attributes = deformer.attributes(head.points)
    np.testing.assert_allclose(attributes.expression_basis, head.attributes.expression_basis, atol=1e-6)
    np.testing.assert_allclose(attributes.corrective_basis, head.attributes.corrective_basis, atol=1e-6)
    np.testing.assert_allclose(attributes.skin_weights, head.attributes.skin_weights, atol=1e-6)


def test_expressions_fade_with_distance(head, deformer):
    distance = 0.04
    vertex = int(np.argmax(head.points[:, 1]))
    point = head.points[vertex] * (1 + distance / RADIUS)
    near = head.attributes.expression_basis[vertex, :, 1]
    far = deformer.attributes(point[None]).expression_basis[0, :, 1]
    expected = near * np.exp(-(distance - FADE_START) / FADE_LENGTH)
    # Neighbours of the vertex take part, 14 mm away on a ball of 100: cosines of their angles are within a per cent.
    np.testing.assert_allclose(far, expected, atol=0.01 * float(np.linalg.norm(near)))


def test_nothing_jumps_between_close_points(deformer):
    line = np.linspace([-0.1, -0.02, 0.115], [0.1, 0.02, 0.12], 2000).astype(np.float32)
    attributes = deformer.attributes(line)
    # 0.1 mm apart; weights change by 0.5 and displacements by 0.02 m over the ball's radius, or twice as fast nearby.
    assert np.abs(np.diff(attributes.skin_weights, axis=0)).max() < 2 * 0.5 * 1e-3
    assert np.abs(np.diff(attributes.expression_basis, axis=0)).max() < 2 * 0.02 * 1e-3


def test_at_most_four_influences_that_sum_to_one():
    weights = few_influences(np.array([[0.3, 0.25, 0.2, 0.15, 0.06, 0.04]], np.float32))
    np.testing.assert_allclose(weights, [[0.3 / 0.9, 0.25 / 0.9, 0.2 / 0.9, 0.15 / 0.9, 0, 0]], rtol=1e-6)


def test_shells_stay_clear_of_the_bare_face_but_not_of_the_crown(head, deformer):
    before_the_face = np.array([[0, -0.02, RADIUS + 0.005]], np.float32)
    above_the_crown = np.array([[0, RADIUS + 0.005, 0]], np.float32)
    assert deformer.looked_up(before_the_face)[1][0] > 0.9
    assert deformer.looked_up(above_the_crown)[1][0] == 0
