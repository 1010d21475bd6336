"""Metrics against hand-computed values."""

import math

import numpy as np
import pytest
from likeness.evaluate.metrics import face_mask, l1, psnr, similarity_map


def pictures() -> tuple[np.ndarray, np.ndarray]:
    truth = np.random.default_rng(0).uniform(0.2, 0.8, (32, 24, 3)).astype(np.float32)
    return truth + np.float32(0.1), truth


def test_psnr_of_a_constant_difference():
    picture, truth = pictures()
    assert psnr(picture, truth) == pytest.approx(20.0, abs=1e-4)
    assert psnr(truth, truth) == math.inf


def test_only_masked_pixels_count():
    picture, truth = pictures()
    mask = np.zeros(truth.shape[:2], bool)
    mask[:10] = True
    picture[10:] += 0.4
    assert psnr(picture, truth, mask) == pytest.approx(20.0, abs=1e-4)
    assert psnr(picture, truth) < 10
    assert l1(picture, truth, mask) == pytest.approx(0.1, abs=1e-6)
    nothing = np.zeros_like(mask)
    assert all(math.isnan(metric(picture, truth, nothing)) for metric in (psnr, l1))


def test_ssim_is_the_formula_on_flat_pictures():
    """Flat pictures have no variance, so only the luminance term is left: (2 a b + c) / (a a + b b + c), c = 0.0001."""
    bright, dark = np.full((20, 20, 3), 0.8), np.full((20, 20, 3), 0.4)
    assert similarity_map(bright, dark).mean() == pytest.approx((2 * 0.8 * 0.4 + 1e-4) / (0.64 + 0.16 + 1e-4), abs=1e-6)
    assert similarity_map(bright, bright).min() == pytest.approx(1)


def test_ssim_sees_where_structure_is_lost():
    picture, truth = pictures()
    picture = truth.copy()
    picture[:16] = truth[:16].mean((0, 1))
    mask = np.zeros(truth.shape[:2], bool)
    mask[:8] = True
    similarity = similarity_map(picture, truth)
    assert similarity[mask].mean() < 0.3
    assert similarity[np.flipud(mask)].mean() == pytest.approx(1)


def landmarks(corners: list[tuple[float, float]]) -> np.ndarray:
    points = np.full((478, 2), np.nan)
    for place, corner in enumerate(corners):
        points[place] = corner
    return points


def test_the_face_is_the_filled_hull_by_pixel_centres():
    points = landmarks([(2.0, 1.0), (7.0, 1.0), (7.0, 5.0), (2.0, 5.0), (4.0, 3.0)])
    expected = np.zeros((8, 10), bool)
    expected[1:5, 2:7] = True
    np.testing.assert_array_equal(face_mask(points, 10, 8), expected)
    mirrored = points.copy()
    mirrored[:5] = mirrored[4::-1]
    np.testing.assert_array_equal(face_mask(mirrored, 10, 8), expected)


def test_iris_points_and_missing_points_do_not_widen_the_face():
    points = landmarks([(2.0, 1.0), (7.0, 1.0), (7.0, 5.0)])
    before = face_mask(points, 10, 8)
    points[468:] = [[0.0, 8.0]] * 10
    np.testing.assert_array_equal(face_mask(points, 10, 8), before)


@pytest.mark.parametrize("corners", [[], [(1.0, 1.0)], [(1.0, 1.0), (2.0, 2.0)], [(1, 1), (2, 2), (3, 3)]])
def test_too_few_landmarks_are_no_face(corners):
    assert not face_mask(landmarks(corners), 10, 8).any()


def test_a_face_that_leaves_the_picture_is_cut_at_its_border():
    points = landmarks([(-20.0, -20.0), (20.0, -20.0), (20.0, 4.0), (-20.0, 4.0)])
    mask = face_mask(points, 10, 8)
    assert mask[:4].all() and not mask[4:].any()
