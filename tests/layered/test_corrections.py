"""Per-frame corrections stay small and change slowly, and move when their frame was seen."""

from dataclasses import replace

import pytest
import torch
from likeness.layered.corrections import CorrectionOptimiser, correction_loss
from likeness.layered.deformation import PoseCorrections
from likeness.layered.presets import FineTuningPreset

NUMBERS = FineTuningPreset(expression_weight=0.0, temporal_weight=0.5)
TRAINING = (0, 1, 2, 3, 5, 6)


@pytest.fixture
def corrections() -> PoseCorrections:
    return PoseCorrections(7, 4)


def test_a_correction_that_changes_steadily_costs_nothing(corrections):
    with torch.no_grad():
        corrections.camera_shift[:, 0] = 1e-3 * torch.arange(7)
    # A difference of float32 numbers of a few millimetres, in units of a tenth.
    assert float(correction_loss(corrections, 2, TRAINING, NUMBERS).detach()) < 1e-9


def test_one_that_jumps_is_drawn_to_the_mean_of_its_neighbours(corrections):
    with torch.no_grad():
        corrections.camera_shift[1, 0], corrections.camera_shift[3, 0] = 1e-3, 3e-3
    loss = correction_loss(corrections, 2, TRAINING, NUMBERS)
    assert float(loss.detach()) == pytest.approx(0.5 * (2e-3 / NUMBERS.translation_rate) ** 2)
    loss.backward()
    gradient = corrections.camera_shift.grad
    assert gradient is not None and gradient[2, 0] < 0
    assert not gradient[[1, 3]].any()


@pytest.mark.parametrize("index", [0, 3, 5, 6])
def test_at_an_end_and_beside_held_out_frames_nothing_is_known_of_change(corrections, index):
    with torch.no_grad():
        corrections.root_rotation[index] = 1.0
    assert correction_loss(corrections, index, TRAINING, NUMBERS) == 0


def test_expressions_stay_small_and_what_is_not_corrected_costs_nothing(corrections):
    with torch.no_grad():
        corrections.expression[2] = 0.1
        corrections.root_rotation[2] = 1.0
    numbers = replace(NUMBERS, expression_weight=0.02, expression_rate=0.0, rotation_rate=0.0)
    assert float(correction_loss(corrections, 2, TRAINING, numbers).detach()) == pytest.approx(0.02 * 4 * 0.01)


def test_only_a_frame_that_was_seen_moves(corrections):
    optimiser = CorrectionOptimiser(corrections, NUMBERS)
    corrections.neck_rotation.square().sum().sub(corrections.neck_rotation.sum()).backward()
    optimiser.step(4, decay=0.5)
    moved = corrections.neck_rotation.detach().abs().sum(1) > 0
    assert moved.tolist() == [False] * 4 + [True] + [False] * 2
    torch.testing.assert_close(corrections.neck_rotation.detach()[4], torch.full((3,), 0.5 * NUMBERS.rotation_rate))
