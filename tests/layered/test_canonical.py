from dataclasses import replace

import numpy as np
import pytest
from balls import ball_head
from likeness.layered.canonical import Attributes, canonical_head, canonical_pose
from likeness.rig import AVATAR_JOINTS, POSED_JOINTS


def test_mouth_opens_by_the_expression_made_for_it_or_else_by_the_jaw():
    head = ball_head()
    assert canonical_pose(head).expression[0] == pytest.approx(0.5)
    nameless = replace(head, expression_names=("smile", "puff"))
    pose = canonical_pose(nameless)
    assert not pose.expression.any()
    assert pose.joint_rotations[POSED_JOINTS.index("jaw"), 0] == pytest.approx(0.3)


def test_canonical_vertices_are_the_model_posed():
    head = replace(ball_head(), expression_names=("smile", "puff"))
    canonical = canonical_head(head, ())
    np.testing.assert_allclose(canonical.points, head.posed(canonical.pose), atol=1e-6)


def test_rest_and_canonical_space_are_each_others_inverse():
    canonical = canonical_head(replace(ball_head(), expression_names=("smile", "puff")), ())
    back = canonical.to_rest(canonical.points, canonical.attributes)
    # Blended transforms of a ball of 0.1 m in float32.
    np.testing.assert_allclose(back, canonical.rest, atol=1e-7)


def test_what_followed_the_root_alone_follows_the_still_body():
    head = ball_head()
    weights = np.zeros_like(head.skin_weights)
    weights[:, 0] = 1
    canonical = canonical_head(replace(head, skin_weights=weights), ())
    assert (canonical.attributes.skin_weights[:, AVATAR_JOINTS.index("body")] == 1).all()
    assert not canonical.attributes.skin_weights[:, 0].any()


def test_a_torso_follows_the_root_by_a_share():
    head = ball_head()
    weights = canonical_head(head, (), torso_follows=0.7).attributes.skin_weights
    np.testing.assert_allclose(weights[:, 0], 0.7 * head.skin_weights[:, 0])
    np.testing.assert_allclose(weights[:, AVATAR_JOINTS.index("body")], 0.3 * head.skin_weights[:, 0], atol=1e-7)
    np.testing.assert_array_equal(weights[:, 1:5], head.skin_weights[:, 1:])


def test_attributes_are_picked_together():
    attributes = canonical_head(ball_head(), ()).attributes
    picked = attributes[np.array([3, 5])]
    assert isinstance(picked, Attributes)
    np.testing.assert_array_equal(picked.expression_basis, attributes.expression_basis[[3, 5]])
    np.testing.assert_array_equal(picked.skin_weights, attributes.skin_weights[[3, 5]])
