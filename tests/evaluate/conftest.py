"""What tests of evaluations share: a filmed ball and an avatar of it that has learnt next to nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from balls import filmed_ball
from likeness.asset.layered import LayeredAvatar
from likeness.capture.model import Capture
from likeness.layered.geometry_preset import GeometryPreset
from likeness.layered.presets import PREVIEW, Preset
from likeness.layered.training import train

SIZE = 48
BASE = replace(
    PREVIEW,
    stage_one_share=0.0,
    picture_size=SIZE,
    tile_size=64,
    threads=1,
    basis_count=2,
    geometry=GeometryPreset(
        cell=0.008, extraction_cell=0.008, core_faces=300, head_faces=200, shell_faces=300, outline_steps=0
    ).with_layers(3),
    fine_tuning=replace(PREVIEW.fine_tuning, steps=2, pixels=200, inspected_frames=2),
)


@pytest.fixture(scope="session")
def base() -> Preset:
    """Numbers with which an avatar is learnt in no time, and badly."""
    return BASE


@pytest.fixture(scope="session")
def ball_capture(tmp_path_factory) -> Capture:
    """A ball filmed from five sides, two of them held out."""
    return replace(filmed_ball(tmp_path_factory.mktemp("ball"), turns=5, size=SIZE), held_out=(1, 3))


@pytest.fixture(scope="session")
def ball(ball_capture, tmp_path_factory) -> LayeredAvatar:
    """One avatar, to stand for all that would be learnt."""
    return train(ball_capture, BASE, tmp_path_factory.mktemp("job"), seconds=30)
