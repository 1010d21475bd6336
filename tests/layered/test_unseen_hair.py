"""Where hair is expected that nobody has seen, and which seen hair lends it its strands."""

import numpy as np
import pytest
from likeness.layered.unseen_hair import BROWS, STRIP, HairBand
from likeness.rig import JOINTS

RADIUS = 0.1
LAST_SEEN = np.radians(100)


@pytest.fixture(scope="module")
def band() -> HairBand:
    joints = np.zeros((len(JOINTS), 3), np.float32)
    joints[JOINTS.index("eye_l")], joints[JOINTS.index("eye_r")] = (0.03, 0.02, 0.07), (-0.03, 0.02, 0.07)
    return HairBand.of_joints(joints)


def ring(band: HairBand, angles: np.ndarray, height: float) -> np.ndarray:
    """Points on a cylinder round the head, at angles from the face and a height above the eyes."""
    return band.axis + np.stack([RADIUS * np.sin(angles), np.full(len(angles), height), RADIUS * np.cos(angles)], 1)


@pytest.fixture(scope="module")
def seen(band) -> np.ndarray:
    """Hair seen above the brows, up to the same angle on both sides."""
    angles = np.linspace(-LAST_SEEN, LAST_SEEN, 401)
    return np.concatenate([ring(band, angles, height) for height in np.arange(BROWS + 0.002, 0.1, 0.002)])


def angle(band: HairBand, points: np.ndarray) -> np.ndarray:
    x, _, z = (points - band.axis).T
    return np.arctan2(x, z)


def test_hair_is_expected_behind_the_ears_above_the_nape_and_on_the_crown(band):
    behind, before = np.radians([180.0]), np.radians([0.0])
    assert band.expected(ring(band, behind, 0.0)) == 1
    assert band.expected(ring(band, behind, -0.12)) == 0
    assert band.expected(ring(band, before, 0.0)) == 0
    assert band.expected(ring(band, before, 0.09)) == 1
    beside = band.expected(ring(band, np.radians([90.0, 100.0, 110.0, 120.0]), 0.0))
    assert beside[0] == 0 and beside[-1] == 1 and (np.diff(beside) > 0).all()


def test_strands_run_back_the_way_they_came(band, seen):
    beyond = np.radians([0.0, 5.0, 10.0])
    for side in (-1, 1):
        lenders = seen[band.mirrored(seen, ring(band, side * (LAST_SEEN + beyond), 0.06))]
        # The last angle is a high percentile of what was seen.
        np.testing.assert_allclose(side * angle(band, lenders), LAST_SEEN - beyond, atol=np.radians(4))
        np.testing.assert_allclose(lenders[:, 1] - band.axis[1], 0.06, atol=0.003)


def test_no_more_than_a_strip_of_hair_is_repeated(band, seen):
    everywhere = np.linspace(LAST_SEEN, np.pi, 60)
    lenders = seen[band.mirrored(seen, ring(band, everywhere, 0.06))]
    assert angle(band, lenders).min() > LAST_SEEN - STRIP / RADIUS - np.radians(4)


def test_below_the_brows_strands_come_from_above_them(band, seen):
    lenders = seen[band.mirrored(seen, ring(band, np.radians([150.0, 180.0]), -0.03))]
    assert (lenders[:, 1] - band.axis[1] > BROWS).all()
