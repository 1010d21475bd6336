"""Fine-tuning learns a look that it can check: that of the tiny avatar."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from likeness.layered.compositing import linear_to_srgb, over
from likeness.layered.corrections import CorrectionOptimiser
from likeness.layered.decoder import AppearanceDecoder, basis_weights
from likeness.layered.deformation import PoseCorrections, TorchPose
from likeness.layered.finetune import (
    RARITY_NEIGHBOURS,
    FineTuned,
    finetune,
    learning_conditions,
    rarity,
    sample_squarely,
    target,
)
from likeness.layered.frames import FilmedFrame
from likeness.layered.proxies import TextureLayout
from likeness.layered.rendering import Hits
from likeness.layered.texels import TexelTable
from likeness.raster.warp_rasteriser import WarpRasteriser
from tiny_training import PRESET, blank_proxies, rendered, training_frames


@pytest.fixture(scope="module")
def frames():
    return training_frames()


@pytest.fixture(scope="module")
def learnt(frames) -> FineTuned:
    return finetune(blank_proxies(), frames, PRESET, WarpRasteriser(), seconds=math.inf)


@torch.no_grad()
def psnr(frames, index: int, table: TexelTable, decoder: AppearanceDecoder) -> float:
    """Of a frame, rendered with its tracked pose, over white, sRGB values, dB."""
    picture = rendered(blank_proxies(), TorchPose.of_frame(frames, index), frames.cameras[index], table, decoder)
    white = torch.ones(3)
    truth, _ = target(frames, index, torch.arange(len(picture)), white)
    error = (linear_to_srgb(over(picture, white)) - linear_to_srgb(truth)).square().mean()
    return float(-10 * torch.log10(error))


def test_the_loss_falls(learnt):
    assert len(learnt.losses) == PRESET.fine_tuning.steps
    assert np.mean(learnt.losses[-20:]) < 0.5 * np.mean(learnt.losses[:5])


def test_frames_that_were_held_out_look_right_too(frames, learnt):
    proxies = blank_proxies()
    before = TexelTable(proxies.textures, proxies.layout)
    for index in frames.held_out:
        assert psnr(frames, index, learnt.table, learnt.decoder) > psnr(frames, index, before, learnt.decoder) + 10


def test_nothing_is_fitted_to_frames_that_were_held_out(frames, learnt):
    for parameter in learnt.corrections.parameters():
        assert (parameter[list(frames.held_out)] == 0).all()
        assert (parameter[list(frames.training)] != 0).any()


def test_held_out_pictures_make_no_difference(frames, learnt):
    def blinded(index: int) -> FilmedFrame:
        filmed = frames.film(index)
        return filmed._replace(picture=filmed.picture * 0) if index in frames.held_out else filmed

    blind = finetune(blank_proxies(), replace(frames, film=blinded), PRESET, WarpRasteriser(), seconds=math.inf)
    assert torch.equal(blind.table.codes, learnt.table.codes)


def test_a_decoder_that_prefers_one_basis_gives_the_others_a_say_again(frames):
    proxies = blank_proxies()

    @torch.no_grad()
    def most_said(balance_weight: float) -> float:
        torch.manual_seed(0)
        decoder = AppearanceDecoder(frames.expression.shape[1] + 9, proxies.feature_size, proxies.basis_count)
        decoder.third.bias[-proxies.basis_count] += 0.3
        numbers = replace(PRESET.fine_tuning, balance_weight=balance_weight, turned_weight=0.0)
        preset = replace(PRESET, fine_tuning=numbers)
        with torch.enable_grad():
            tuned = finetune(proxies, frames, preset, WarpRasteriser(), seconds=math.inf, decoder=decoder)
        said = [
            basis_weights(
                torch.rand(200, decoder.input_size), tuned.decoder(TorchPose.of_frame(frames, index).conditions)
            )
            for index in frames.training
        ]
        return float(torch.cat(said).mean(0).max())

    assert most_said(0.0) > 0.5 > most_said(PRESET.fine_tuning.balance_weight)


def test_normals_that_are_computed_anew_are_those_that_were_kept(frames, learnt, monkeypatch):
    monkeypatch.setattr("likeness.layered.finetune.KEPT_NORMALS", 2)
    forgetful = finetune(blank_proxies(), frames, PRESET, WarpRasteriser(), seconds=math.inf)
    assert torch.equal(forgetful.table.codes, learnt.table.codes)


def test_the_time_budget_is_kept(frames, counted_clock):
    numbers = replace(PRESET.fine_tuning, steps=10**6)
    now = counted_clock(0.1)
    result = finetune(blank_proxies(), frames, replace(PRESET, fine_tuning=numbers), WarpRasteriser(), seconds=1.0)
    # A step looks at the clock a few times, and the last one ends before the next begins.
    assert 1.0 <= now() < 1.5
    assert 1 < len(result.losses) <= 10


def test_no_time_gives_what_there_was(frames):
    proxies = blank_proxies()
    result = finetune(proxies, frames, PRESET, WarpRasteriser(), seconds=0.0)
    assert result.losses == []
    torch.testing.assert_close(result.table.textures, proxies.textures, rtol=0, atol=0.5 / 255 + 1e-6)


def test_corrections_move_against_the_gradient_of_their_frame_only():
    corrections = PoseCorrections(3, 2)
    optimiser = CorrectionOptimiser(corrections, PRESET.fine_tuning)
    corrections.root_rotation[1].sum().backward()
    optimiser.step(1, decay=0.5)
    rate = PRESET.fine_tuning.rotation_rate
    torch.testing.assert_close(corrections.root_rotation.detach()[1], torch.full((3,), -0.5 * rate))
    assert (corrections.root_rotation[[0, 2]] == 0).all()
    assert (corrections.expression == 0).all()


def test_rare_turns_of_the_head_are_drawn_more_often(frames):
    turns = torch.zeros(12, 3)
    turns[:, 1] = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.9, 0.0, 0.0, 0.0])
    odds = rarity(replace(frames, root_rotation=turns, joint_rotations=torch.zeros(12, 4, 3)))
    assert len(odds) == len(frames.training)
    assert odds.argmax() == 8
    assert odds[8] == 3.0
    assert odds[:8].max() < 1
    # Where nothing turns, no frame is special.
    still = rarity(replace(frames, root_rotation=torch.zeros(12, 3), joint_rotations=torch.zeros(12, 4, 3)))
    assert still.min() == still.max()


@pytest.fixture
def long_film(frames):
    """Two minutes whose head turns at random."""
    count = 3000
    turns = torch.as_tensor(np.random.default_rng(0).normal(0, 0.2, (count, 3)).astype(np.float32))
    still = torch.zeros(count, 4, 3)
    return replace(frames, root_rotation=turns, joint_rotations=still, training=tuple(range(0, count, 2)))


def test_rarity_is_the_mean_distance_to_the_nearest_turns(long_film):
    turns = long_film.root_rotation[list(long_film.training)].numpy()
    nearest = np.sort(np.linalg.norm(turns[:, None] - turns, axis=-1), 1)[:, : RARITY_NEIGHBOURS + 1].mean(1)
    np.testing.assert_allclose(rarity(long_film), np.clip(nearest / nearest.mean(), 0.5, 3.0), rtol=1e-5)


def test_rarity_takes_no_memory_for_each_pair_of_frames(long_film):
    tracemalloc.start()
    try:
        rarity(long_film)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len(long_film.training) ** 2


def test_a_single_frame_is_not_rare(frames):
    assert rarity(replace(frames, training=(4,))).tolist() == [0.5]


def test_now_and_then_the_decoder_is_told_of_a_neutral_face(frames):
    numbers = replace(PRESET.fine_tuning, expression_noise=0.0, condition_dropout=0.3)
    pose = TorchPose.of_frame(frames, 2)
    torch.manual_seed(0)
    told = torch.stack([learning_conditions(pose, numbers) for _ in range(400)])
    neutral = (told == 0).all(1)
    assert neutral.float().mean() == pytest.approx(0.3, abs=0.06)
    assert (told[~neutral] == pose.conditions).all()
    always_its_own = replace(numbers, condition_dropout=0.0)
    torch.testing.assert_close(learning_conditions(pose, always_its_own), pose.conditions)


def test_texels_seen_edge_on_learn_nothing():
    layout = TextureLayout(1, 1, 4)
    table = TexelTable(torch.full((1, 4, 4, layout.channels), 0.5), layout)
    uv, layers = torch.tensor([[0.125, 0.125], [0.875, 0.875]]), torch.zeros(2, dtype=torch.int64)
    normals = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    directions = torch.tensor([[0.0, 0.0, -1.0]]).expand(2, 3)
    hits = Hits(layers, torch.arange(2), uv, normals, directions, 2, 1)
    sample_squarely(table, hits, 0.4, uv, layers).sum().backward()
    table.step(0.1)
    assert (table.textures[0, 0, 0] < 0.5).all()
    torch.testing.assert_close(table.textures[0, 3, 3], torch.full((layout.channels,), 0.5), atol=1 / 255, rtol=0)
