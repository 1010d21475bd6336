"""Losses that shape the surface itself see what the rest of a step sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from balls import GEOMETRY, PRESET, ball_capture
from likeness.layered.deformation import TorchPose
from likeness.layered.field import Manifold
from likeness.layered.hull_field import carved_field
from likeness.layered.layer_extraction import training_layers
from likeness.layered.outline import outline_loss
from likeness.layered.rendering import ray_directions


@pytest.fixture(scope="module")
def pulled():
    """The outline's loss of rays that pass the ball and meet no layer, though the matte says they should."""
    capture, frames = ball_capture(turns=5, size=48)
    field = carved_field(frames, capture, GEOMETRY)
    manifold = Manifold(field.values, field.grid)
    layers = training_layers(field, manifold, PRESET)
    beside = ray_directions(frames.cameras[1]).view(48, 48, 3)[20:28, :4].reshape(-1, 3)
    count = len(beside)
    nothing = torch.zeros(0)

    def loss(camera, shift=None) -> float:
        return float(
            outline_loss(
                manifold,
                layers,
                TorchPose.of_frame(frames, 1),
                camera,
                rays=beside,
                triangles=torch.full((layers.proxies.layer_count, count), -1, dtype=torch.int32),
                matte=torch.ones(count),
                hits=(nothing, nothing, nothing.long()),
                shift=shift,
            ).detach()
        )

    return frames.cameras[1], loss


def test_a_shifted_camera_looks_for_what_is_missing_where_it_was_shifted_to(pulled):
    camera, loss = pulled
    shift = torch.tensor([0.004, -0.003, 0.006])
    moved = camera.camera_to_world.copy()
    moved[:3, 3] -= moved[:3, :3] @ shift.numpy()
    assert loss(camera, shift) == pytest.approx(loss(replace(camera, camera_to_world=moved)), rel=1e-4)
    assert loss(camera, shift) != pytest.approx(loss(camera), rel=0.01)


def test_without_a_shift_nothing_is_moved(pulled):
    camera, loss = pulled
    assert loss(camera, torch.zeros(3)) == loss(camera) > 0
