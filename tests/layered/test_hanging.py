"""Hair that hangs turns with the head, and stays more upright when the head nods or tilts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import HAIR_RADIUS, ball_head
from likeness.layered.canonical import canonical_head
from likeness.layered.deformer import Deformer
from likeness.layered.grid import Grid
from likeness.layered.hanging import Hanging
from likeness.layered.hulls import shaped_layers
from likeness.layered.presets import PREVIEW
from likeness.rig import AVATAR_JOINTS, CORRECTIVE_COUNT, corrective_features, rotation_matrices

ANCHOR = np.array([0, 0.06, 0], np.float32)
POINTS = torch.tensor([[0.11, -0.1, 0.0], [-0.12, 0.0, 0.03], [0.0, -0.15, -0.1]])
FAR = torch.full((3,), 0.05)
"""From the skin, metres: so far off all hair hangs."""


def on_the_neck(share: float = 1.0) -> torch.Tensor:
    """Skin weights of points that follow the neck as far as ``share``, and the root."""
    weights = torch.zeros(3, len(AVATAR_JOINTS))
    weights[:, AVATAR_JOINTS.index("neck")], weights[:, AVATAR_JOINTS.index("root")] = share, 1 - share
    return weights


def features(neck: tuple[float, float, float]) -> np.ndarray:
    """Corrective features of a pose that turns nothing but the neck, radians about x, y, z."""
    return corrective_features(np.array([neck, *np.zeros((3, 3))], np.float32)).astype(np.float32)


def displaced(hanging: Hanging, neck: tuple[float, float, float]) -> np.ndarray:
    """Where the points are relative to the anchor after skinning."""
    strength = hanging.strength(POINTS, on_the_neck(), FAR)
    moved = POINTS + hanging.displacements(POINTS, strength, torch.as_tensor(features(neck)))
    return (moved.numpy() - ANCHOR) @ rotation_matrices(np.array(neck, np.float32)).T


@pytest.mark.parametrize("neck", [(0.05, 0, 0), (0, 0, 0.05), (0.03, 0, -0.04)])
def test_what_hangs_altogether_stays_upright(neck):
    arms = POINTS.numpy() - ANCHOR
    # To first order: the square of the angle, at arms of 20 cm.
    np.testing.assert_allclose(displaced(Hanging(1.0, ANCHOR), neck), arms, atol=0.2 * 0.05**2)
    followed = arms @ rotation_matrices(np.array(neck, np.float32)).T
    assert np.abs(followed - arms).max() > 0.004
    np.testing.assert_allclose(displaced(Hanging(0.5, ANCHOR), neck), 0.5 * (arms + followed), atol=0.2 * 0.05**2)


def test_a_turn_takes_all_along():
    turn = (0.0, 0.3, 0.0)
    followed = (POINTS.numpy() - ANCHOR) @ rotation_matrices(np.array(turn, np.float32)).T
    np.testing.assert_allclose(displaced(Hanging(1.0, ANCHOR), turn), followed, atol=1e-7)


def test_what_lies_on_the_skin_or_above_or_does_not_follow_the_neck_does_not_hang():
    hanging = Hanging(0.8, ANCHOR)
    assert hanging.strength(POINTS, on_the_neck(), FAR).tolist() == pytest.approx([0.8] * 3)
    assert not hanging.strength(POINTS, on_the_neck(), torch.full((3,), 0.005)).any()
    assert not hanging.strength(POINTS + torch.tensor([0, 0.3, 0]), on_the_neck(), FAR).any()
    assert hanging.strength(POINTS, on_the_neck(0.25), FAR).tolist() == pytest.approx([0.2] * 3)


def test_correctives_hold_it():
    hanging = Hanging(0.7, ANCHOR)
    strength = hanging.strength(POINTS, on_the_neck(), FAR)
    basis, pose = hanging.basis(POINTS, strength), torch.as_tensor(features((0.2, -0.3, 0.1)))
    assert basis.shape == (3, 3, CORRECTIVE_COUNT)
    torch.testing.assert_close(basis @ pose, hanging.displacements(POINTS, strength, pose))


def test_an_avatars_layers_hang_and_its_face_does_not():
    head = canonical_head(ball_head(), ())
    reach = HAIR_RADIUS + 0.03
    grid = Grid.over([-reach] * 3, [reach] * 3, 0.006)
    values = (np.linalg.norm(grid.points(), axis=1) - HAIR_RADIUS).reshape(grid.shape).astype(np.float32)
    deformer = Deformer(head, grid.low, grid.high)
    preset = replace(PREVIEW, tile_size=64)
    for share, expected in ((0.0, {9}), (0.5, {1, 3, 5, 7, 9})):
        layers = shaped_layers(head, deformer.with_hanging(share), values, grid, preset)
        entries = layers.proxies.corrective_entries.tolist()
        # The ball's own is the jaw's.
        assert set(entries) - {11} == expected
    tilting = layers.proxies.corrective_basis[..., entries.index(3)]
    of_vertex = np.zeros(len(tilting), int)
    of_vertex[layers.proxies.faces] = layers.proxies.face_layers[:, None]
    head_layer = preset.geometry.levels.index(0.0)
    assert not tilting[of_vertex == head_layer].any()
    # Half of a tilt, of which this entry is one of two, at arms of up to 16 cm; near the skin hair hangs less.
    assert 0.01 < np.abs(tilting[of_vertex == head_layer + 1]).max() < 0.25 * 0.16
