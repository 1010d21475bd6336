"""Numbers of layers, bases, features, texels and triangles are free: an avatar is learnt, written, read and played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from balls import filmed_ball
from likeness.asset import read_layered_avatar, write_layered_avatar
from likeness.layered.geometry_preset import GeometryPreset, StageOnePreset
from likeness.layered.playback import Player
from likeness.layered.presets import PREVIEW
from likeness.layered.training import train
from likeness.runtime.render import render

SIZE = 48
GEOMETRY = GeometryPreset(
    cell=0.008,
    extraction_cell=0.008,
    core_faces=300,
    head_faces=200,
    shell_faces=300,
    hull_frames=4,
    outline_steps=4,
    stage_one=StageOnePreset(cell=0.012, pixels=200, extraction_steps=(), steps=4),
)
PRESET = replace(
    PREVIEW,
    picture_size=SIZE,
    tile_size=64,
    threads=1,
    geometry=GEOMETRY,
    fine_tuning=replace(PREVIEW.fine_tuning, steps=6, pixels=300, inspected_frames=2),
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A ball filmed from four sides."""
    return filmed_ball(tmp_path_factory.mktemp("ball"), turns=4, size=SIZE)


def test_the_report_names_the_perceptual_loss(capture, tmp_path):
    numbers = replace(PRESET.fine_tuning, steps=1, perceptual_weight=0.25, perceptual_side=16)
    preset = replace(PRESET, stage_one_share=0.0, geometry=GEOMETRY.with_layers(1), fine_tuning=numbers)
    report = train(capture, preset, tmp_path / "job", seconds=30).report
    assert report["training"]["perceptual_loss"] == "pyramid on 16 pixels, weight 0.25"


@pytest.mark.parametrize(
    ("layers", "changes", "stage_one_share"),
    [
        (1, {"basis_count": 1, "feature_size": 4}, 0.0),
        (2, {"basis_count": 5, "feature_size": 12, "tile_size": 41, "gutter": 3}, 0.3),
        (12, {"basis_count": 3, "hidden_size": 7, "gutter": 0}, 0.0),
    ],
)
def test_an_avatar_of_any_size_is_learnt_and_played(capture, tmp_path, layers, changes, stage_one_share):
    geometry = GEOMETRY.with_layers(layers)
    preset = replace(PRESET, geometry=geometry, stage_one_share=stage_one_share, **changes)
    avatar = train(capture, preset, tmp_path / "job", seconds=30)
    write_layered_avatar(avatar, tmp_path / "ball.glb")
    read = read_layered_avatar(tmp_path / "ball.glb")
    assert [layer.level for layer in read.layers] == pytest.approx(list(geometry.levels))
    for name, value in changes.items():
        assert getattr(read.decoder if name == "hidden_size" else read, name) == value
    pose, camera = capture.pose(1), capture.camera(1)
    picture = Player(read).render(pose, camera)
    # The trainer's renderer and the run-time are the same to rounding, but for a pixel whose centre lies on an edge.
    difference = np.abs(picture - render(read, pose, camera)).max(2)
    assert (difference > 1e-3).sum() <= 1 and np.percentile(difference, 99) < 1e-5
    assert picture[..., 3].max() > 0.9
