"""Colours find a head that landmarks place wrongly."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from likeness.capture.fitting.points import point_model
from likeness.capture.fitting.priors import expression_prior
from likeness.capture.fitting.residuals import Unknowns, project
from likeness.capture.fitting.solver import solve_clip
from likeness.capture.model import Capture
from likeness.capture.photometric.appearance import Appearance
from likeness.capture.photometric.evidence import head_system, placed, sight
from likeness.capture.photometric.refine import ROUNDS, TRUST, Report, refine_clip
from likeness.capture.photometric.samples import skin_samples
from likeness.capture.sample import sample_capture
from scipy.spatial.transform import Rotation
from tracked_sample import pictures_of, true_unknowns

FRAMES = np.arange(40, 64)


@pytest.fixture(scope="module")
def truth() -> Capture:
    return sample_capture()


def shaken(unknowns: Unknowns) -> Unknowns:
    """Every frame's head turned by a degree and shifted by a millimetre in some direction."""
    random = np.random.default_rng(1)
    turns = Rotation.from_rotvec(np.radians(1.0) * random.normal(size=(len(FRAMES), 3)))
    rotation = turns.as_matrix() @ unknowns.rotation
    translation = unknowns.translation + random.normal(0, 1e-3, (len(FRAMES), 3)) * [1, 1, 0]
    return replace(unknowns, rotation=rotation, translation=translation)


def turn_errors(found: Unknowns, true: Unknowns) -> np.ndarray:
    """Degrees between two fits of the same frames, without what they differ by in all of them."""
    difference = Rotation.from_matrix(found.rotation @ true.rotation.transpose(0, 2, 1))
    return np.degrees((difference * difference.mean().inv()).magnitude())


def test_normal_equations_lead_back_to_where_the_colours_are(truth):
    """A smooth picture, a head that has exactly its colours: a small move is seen for what it is."""
    true = true_unknowns(truth, FRAMES).at(np.array([5]))
    samples = skin_samples(truth.head, true.identity, 1000)
    middle = (truth.width / 2, truth.width / 2)
    random = np.random.default_rng(0)
    noise = cv2.GaussianBlur(random.normal(size=(truth.width, truth.width, 3)), (0, 0), 8)
    picture = np.rint(128 + 100 * (noise / noise.std()).clip(-1.2, 1.2)).astype(np.uint8)
    flags = samples.normals[:, 2] > 0.5

    def look(unknowns: Unknowns):
        place = placed(samples, unknowns, 0, truth.width, middle)
        return place, sight(picture, place, 2.0)

    place, seen = look(true)
    albedo = seen.at(seen.colours, place.pixels)
    appearance = Appearance(albedo, np.zeros((8, 3), np.float32), np.ones(len(albedo), np.float32))
    hessian, gradient = head_system(samples, appearance, seen, place, true, 0, flags)
    assert np.abs(gradient).max() < 1e-6
    rigid = head_system(samples, appearance, seen, place, true, 0, flags, pose_only=True)
    assert np.allclose(rigid[0][:6, :6], hessian[:6, :6]) and not rigid[0][6:].any() and not rigid[0][:, 6:].any()
    assert np.allclose(rigid[1][:6], gradient[:6]) and not rigid[1][6:].any()
    nobody = head_system(samples, appearance, seen, place, true, 0, np.zeros(len(flags), bool))
    assert not any(part.any() for part in nobody)
    jaw = 6 + truth.head.expression_names.index("jawOpen")
    for column, size in ((0, 2e-3), (1, 2e-3), (2, 2e-3), (3, 2e-4), (4, 2e-4), (5, 4e-3), (jaw, 0.02)):
        step = np.zeros((1, hessian.shape[1]))
        step[0, column] = size
        moved = true.moved(step, point_model(truth.head))
        place, seen = look(moved)
        _, gradient = head_system(samples, appearance, seen, place, moved, 0, flags)
        # Overall brightness is taken off first, which the matrix does not know; and the picture is curved.
        assert gradient[column] == pytest.approx(hessian[column, column] * size, rel=0.1)


def refined(truth: Capture, start: Unknowns, trust: float, report: Report | None = None) -> tuple[Unknowns, Unknowns]:
    """A shaken head after refining by colours, and what its landmarks and smoothness alone make of it."""
    prior = expression_prior(truth.head.expression_names, truth.head.expression_range[:, 0].astype(np.float64))
    # Landmarks lie where the shaken head has them: they pull the wrong way, and only colours tell.
    landmarks = project(point_model(truth.head), start)[0]
    found = refine_clip(
        truth.head,
        prior,
        landmarks,
        start,
        pictures_of(truth, FRAMES),
        np.arange(len(FRAMES)),
        trust=trust,
        report=report,
    )
    return found, solve_clip(point_model(truth.head), prior, landmarks, start, iterations=4)


def test_a_shaken_head_is_steadied(truth):
    true = true_unknowns(truth, FRAMES)
    start = shaken(true)
    told: list[tuple[str, int, int]] = []
    # These landmarks agree with the wrong place perfectly, as real ones never do.
    found, smooth = refined(truth, start, 10 * TRUST, lambda stage, done, total: told.append((stage, done, total)))
    # That heads move smoothly tells something too, without any colours.
    assert turn_errors(found, true).mean() < 0.7 * turn_errors(smooth, true).mean()
    assert turn_errors(found, true).mean() < 0.5 * turn_errors(start, true).mean()
    total = len(ROUNDS) * len(FRAMES)
    assert [done for _, done, _ in told] == [*range(len(FRAMES), total, len(FRAMES)), total - 1, total]
    assert {(stage, whole) for stage, _, whole in told} == {("colours", total)}


def test_heads_that_move_alone_are_steadied_further(truth, monkeypatch):
    """The last rounds leave expressions to the ones before them."""
    true = true_unknowns(truth, FRAMES)
    whole, _ = refined(truth, shaken(true), TRUST)
    monkeypatch.setattr("likeness.capture.photometric.refine.ROUNDS", [step for step in ROUNDS if not step.pose_only])
    together, _ = refined(truth, shaken(true), TRUST)
    assert np.array_equal(whole.expression, together.expression)
    assert turn_errors(whole, true).mean() < 0.8 * turn_errors(together, true).mean()
