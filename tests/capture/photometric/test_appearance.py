"""Albedo and light are told apart by how skin turns, and a point's deviation says how far it is to be believed."""

from __future__ import annotations

import numpy as np
from likeness.capture.photometric.appearance import DARKEST, appearance_of, harmonics, logarithmic

COUNT, FRAMES = 400, 30


def turning_skin(noise: np.ndarray) -> tuple[list, np.ndarray, np.ndarray]:
    """Frames of points whose normals sway by some 20 degrees under a light, with noise of a deviation (N,)."""
    random = np.random.default_rng(0)
    normals = random.normal(size=(COUNT, 3)) * [0.6, 0.6, 0.2] + [0, 0, 1]
    albedo, light = random.normal(-1, 0.5, (COUNT, 3)), random.normal(0, 0.3, (8, 3))
    frames = []
    for _ in range(FRAMES):
        turned = normals + np.cross(random.normal(0, 0.35, 3), normals)
        turned = (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)
        colours = albedo + harmonics(turned) @ light + random.normal(size=(COUNT, 3)) * noise[:, None]
        frames.append((colours.astype(np.float32), turned, random.random(COUNT) < 0.8))
    return frames, albedo, light


def test_light_and_albedo_are_found():
    frames, albedo, light = turning_skin(np.full(COUNT, 0.01))
    found = appearance_of(frames, COUNT)
    # Only what is seen together is certain: constant light is albedo.
    normals = frames[0][1]
    truth = albedo + harmonics(normals) @ light
    assert np.abs(found.expected(normals) - truth).mean() < 0.02
    relit, lit = harmonics(normals) @ (found.light - light), harmonics(normals) @ light
    assert (relit.std(0) < 0.2 * lit.std(0)).all()


def test_points_are_believed_as_far_as_they_agree():
    noise = np.where(np.arange(COUNT) < 200, 0.06, 0.3)
    found = appearance_of(turning_skin(noise)[0], COUNT)
    assert np.median(found.deviation[:200]) < 0.08 and 0.2 < np.median(found.deviation[200:]) < 0.35


def test_points_that_are_never_seen_have_no_say():
    frames, _, _ = turning_skin(np.full(COUNT, 0.01))
    for _, _, flags in frames:
        flags[:10] = False
    assert np.isinf(appearance_of(frames, COUNT).deviation[:10]).all()


def test_colours_are_logarithms_of_linear_light():
    grey = np.full((8, 8, 3), 188, np.uint8)
    # sRGB 188 is half of the light of 255.
    assert np.abs(logarithmic(grey, 0) - np.log(0.5 + DARKEST)).max() < 0.01
    assert np.abs(logarithmic(grey, 2.0) - logarithmic(grey, 0)).max() < 1e-5
