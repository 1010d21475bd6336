"""Frames that show nobody, and frames that show somebody where the head model is not, break no training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import GEOMETRY, PRESET, ball_capture
from likeness.capture.model import Capture
from likeness.layered import stage_one as stage_one_module
from likeness.layered.finetune import finetune
from likeness.layered.frames import FilmedFrame, TrainingFrames
from likeness.layered.geometry_preset import NetworkFieldPreset
from likeness.layered.stage_one import train_stage_one
from likeness.raster.warp_rasteriser import WarpRasteriser
from tiny_training import PRESET as TINY
from tiny_training import blank_proxies, training_frames

BESIDE_THE_BALL, BESIDE_THE_AVATAR = 0.6, 5.0
"""How far to the side no layer is in the picture, metres."""

STRAY = 2
"""The frame whose pose is there."""


def strayed(frames: TrainingFrames, metres: float, *, empty: bool) -> TrainingFrames:
    """The frames, one of which was tracked to be elsewhere; where that is ``empty``, its matte found nobody either."""

    def film(index: int) -> FilmedFrame:
        shot = frames.film(index)
        if index != STRAY or not empty:
            return shot
        return shot._replace(matte=torch.zeros_like(shot.matte), face_mask=torch.zeros_like(shot.face_mask))

    moved = frames.root_translation.clone()
    moved[STRAY, 0] = metres
    return replace(frames, film=film, root_translation=moved)


def strayed_ball(*, empty: bool) -> tuple[Capture, TrainingFrames]:
    """The ball with such a frame."""
    capture, frames = ball_capture(turns=5, size=48)
    moved = capture.root_translation.copy()
    moved[STRAY, 0] = BESIDE_THE_BALL
    return replace(capture, root_translation=moved), strayed(frames, BESIDE_THE_BALL, empty=empty)


SMALL = NetworkFieldPreset(
    manifold_width=32, manifold_depth=2, radiance_width=16, radiance_depth=1, deformer_width=32, fit_steps=60
)


@pytest.mark.parametrize(("field", "empty"), [("grid", True), ("grid", False), ("mlp", False)])
def test_stage_one_learns_beside_a_frame_without_the_head(field, empty, monkeypatch):
    capture, frames = strayed_ball(empty=empty)
    visits: list[tuple[int, float]] = []
    once = stage_one_module.stage_one_loss

    def watched(state, layers, frames, index, *parts, **named):
        loss = once(state, layers, frames, index, *parts, **named)
        visits.append((index, float(loss.detach())))
        return loss

    monkeypatch.setattr(stage_one_module, "stage_one_loss", watched)
    numbers = replace(
        GEOMETRY.stage_one, steps=8, cell=0.014, pixels=100, extraction_steps=(), field=field, network=SMALL
    )
    geometry = replace(GEOMETRY, cell=0.008, hull_frames=4, outline_steps=2, stage_one=numbers)
    tuning = replace(PRESET.fine_tuning, correction_start=0.0, correction_interval=1)
    learned = train_stage_one(
        frames, capture, replace(PRESET, geometry=geometry, picture_size=48, fine_tuning=tuning), seconds=math.inf
    )
    assert len(learned.losses) == 8 and np.isfinite(learned.losses).all()
    assert all(torch.isfinite(part).all() for module in learned.modules.values() for part in module.parameters())
    assert {loss == 0.0 for index, loss in visits if index == STRAY} == {empty}
    assert all(loss > 0 for index, loss in visits if index != STRAY)


@pytest.mark.parametrize("perceptual_weight", [0.0, 0.1])
def test_fine_tuning_learns_nothing_from_a_frame_without_anybody(perceptual_weight):
    tuning = replace(
        TINY.fine_tuning, steps=30, correction_start=0.0, perceptual_weight=perceptual_weight, perceptual_side=16
    )
    frames = strayed(training_frames(), BESIDE_THE_AVATAR, empty=True)
    tuned = finetune(blank_proxies(), frames, replace(TINY, fine_tuning=tuning), WarpRasteriser(), seconds=math.inf)
    assert np.isfinite(tuned.losses).all() and 0.0 in tuned.losses
    assert all(torch.isfinite(part).all() for part in tuned.decoder.parameters())
    assert (tuned.corrections.root_translation[STRAY] == 0).all()
    assert (tuned.corrections.root_translation[0] != 0).any()


def test_fine_tuning_goes_on_where_somebody_is_filmed_and_no_layer_is():
    tuning = replace(TINY.fine_tuning, steps=30, correction_start=0.0)
    frames = strayed(training_frames(), BESIDE_THE_AVATAR, empty=False)
    tuned = finetune(blank_proxies(), frames, replace(TINY, fine_tuning=tuning), WarpRasteriser(), seconds=math.inf)
    assert np.isfinite(tuned.losses).all() and 0.0 not in tuned.losses


def test_a_film_without_anybody_teaches_nothing_and_its_losses_can_be_written():
    frames = strayed(training_frames(), BESIDE_THE_AVATAR, empty=True)
    tuning = replace(TINY.fine_tuning, steps=4, correction_start=0.0)
    alone, proxies = replace(frames, training=(STRAY,)), blank_proxies()
    tuned = finetune(proxies, alone, replace(TINY, fine_tuning=tuning), WarpRasteriser(), seconds=math.inf)
    assert tuned.losses == [0.0] * 4
