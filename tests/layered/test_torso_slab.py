"""Where shoulders and chest may be, told by outlines that show no depth."""

from dataclasses import replace

import numpy as np
import pytest
from balls import ball_head
from likeness.layered.canonical import canonical_head
from likeness.layered.grid import Grid
from likeness.layered.torso_slab import HALF_DEPTH, torso_slab
from likeness.rig import JOINTS

ROOT, NECK = -0.06, 0.0
GRID = Grid.over([-0.2, -0.2, -0.12], [0.2, 0.1, 0.12], 0.005)


@pytest.fixture(scope="module")
def slab():
    """The slab of a person who fills every picture up to 15 cm on either side."""
    joints = np.zeros((len(JOINTS), 3), np.float32)
    joints[JOINTS.index("root"), 1] = ROOT
    head = replace(canonical_head(ball_head(), ()), joints=joints)
    hull = np.abs(GRID.points()[:, 0]).reshape(GRID.shape) - 0.15
    values = torso_slab(head, hull.astype(np.float32), GRID)
    return lambda *points: GRID.sample(values, np.array(points, np.float32))


def test_shoulders_reach_up_to_the_neck_and_have_a_depth(slab):
    inside, above, before = slab((0.1, NECK - 0.02, 0), (0.1, NECK + 0.02, 0), (0.06, -0.1, HALF_DEPTH + 0.01))
    assert inside < 0
    assert above == pytest.approx(0.02, abs=0.001)
    assert before == pytest.approx(0.01, abs=0.002)


def test_shoulders_are_round_where_the_outline_ends(slab):
    middle, edge = slab((0.0, -0.15, 0.05), (0.14, -0.15, 0.05))
    assert middle < 0 < edge


def test_below_the_chin_there_is_air_and_the_chest_slopes_down(slab):
    before_the_throat = slab(
        (0, ROOT + 0.02, 0.05), (0, ROOT - 0.02, 0.03), (0, ROOT - 0.02, 0.08), (0, ROOT - 0.05, 0.08)
    )
    assert (np.sign(before_the_throat) == [1, -1, 1, -1]).all()
    # The neck itself and the nape stay.
    assert (slab((0, ROOT + 0.02, -0.03), (0.07, ROOT + 0.02, 0.03)) < 0).all()
