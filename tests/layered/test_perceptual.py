"""Losses on patches: zero for the truth, blind to what pixels see to, sharp-eyed for what pixels blur."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from likeness.errors import LikenessError
from likeness.evaluate.metrics import similarity_map
from likeness.layered import perceptual
from likeness.layered.compositing import linear_to_srgb, over
from likeness.layered.deformation import TorchPose
from likeness.layered.finetune import filmed_light, finetune
from likeness.layered.perceptual import chosen_patches, patch_loss, pyramid_difference, smallest_patch, structure
from likeness.raster.warp_rasteriser import WarpRasteriser
from tiny_training import PRESET, blank_proxies, rendered, training_frames
from torch.nn.functional import avg_pool2d, interpolate

SIDE = 32


@pytest.fixture
def truth() -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["pyramid", "structure"])
def test_the_truth_costs_nothing_and_a_blur_costs_more_than_a_change_of_brightness_of_its_size(truth, kind):
    loss = patch_loss(kind)
    assert loss(truth, truth) == pytest.approx(0, abs=1e-6)
    blurred = interpolate(avg_pool2d(truth, 2), scale_factor=2.0, mode="bilinear")
    brighter = truth + (blurred - truth).abs().mean()
    assert loss(blurred, truth) > 2 * loss(brighter, truth)


def test_an_octave_of_a_chequerboard_is_its_mean_difference():
    """A board of single pixels vanishes when halved: its whole amplitude is in the finest octave."""
    signs = torch.ones(SIDE)
    signs[1::2] = -1
    board = 0.1 * (signs[:, None] * signs).expand(1, 3, SIDE, SIDE)
    assert pyramid_difference(0.5 + board, torch.full_like(board, 0.5)) == pytest.approx(0.1, abs=1e-6)


def test_structure_is_the_similarity_that_evaluation_measures(truth):
    """Scikit-image's on the windows that lie wholly inside, at two scales."""
    wrong = (truth + 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(4))).clamp(0, 1)
    expected = []
    for scale in (1, 2):
        side = SIDE // scale
        inside = np.zeros((side, side), bool)
        inside[5 : side - 5, 5 : side - 5] = True
        parts = (avg_pool2d(part, scale).permute(0, 2, 3, 1).numpy() for part in (wrong, truth))
        expected.append(
            np.mean([similarity_map(ours, theirs)[inside].mean() for ours, theirs in zip(*parts, strict=True)])
        )
    assert float(structure(wrong, truth)) == pytest.approx(np.mean(expected), abs=1e-6)


def test_patches_are_whole_and_within_the_picture():
    patches = chosen_patches(torch.tensor([0, 7 * 10 + 9, 3 * 10 + 5]), (10, 8), 4)
    assert patches.shape == (3, 4, 4)
    assert patches[0].tolist() == [[row * 10 + column for column in range(4)] for row in range(4)]
    assert patches[1, -1, -1] == 7 * 10 + 9
    assert patches[2, 2, 2] == 3 * 10 + 5


def test_kinds_have_names(monkeypatch):
    with pytest.raises(LikenessError, match="pyramid, structure, lpips"):
        patch_loss("vgg")
    patch_loss.cache_clear()
    monkeypatch.setattr(perceptual, "load_lpips", lambda: None)
    with pytest.raises(LikenessError, match="choose pyramid"):
        patch_loss("lpips")
    assert smallest_patch("structure") == 22


@pytest.mark.parametrize("kind", ["pyramid", "structure"])
def test_fine_tuning_with_patches_brings_structure_back(kind):
    """On training frames of the tiny avatar: more of it than there was, on whole pictures over white."""
    frames, numbers = (
        training_frames(),
        replace(PRESET.fine_tuning, steps=60, perceptual_loss=kind, perceptual_weight=0.5, perceptual_side=24),
    )
    preset, proxies = replace(PRESET, fine_tuning=numbers), blank_proxies()
    learnt = finetune(proxies, frames, preset, WarpRasteriser(), seconds=60)
    untouched = finetune(proxies, frames, preset, WarpRasteriser(), seconds=0)
    assert len(learnt.losses) == 60
    index, white = frames.training[0], torch.ones(3)
    truth = linear_to_srgb(over(filmed_light(frames, index), white))
    found = []
    for state in (untouched, learnt):
        picture = rendered(
            proxies, TorchPose.of_frame(frames, index), frames.cameras[index], state.table, state.decoder
        )
        parts = (part.view(1, 48, 48, 3).permute(0, 3, 1, 2) for part in (linear_to_srgb(over(picture, white)), truth))
        found.append(float(structure(*parts)))
    assert found[1] > found[0] + 0.1
