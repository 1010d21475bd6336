"""The ablation's rows, and that what is finished is not done again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import cv2
import pytest
from balls import filmed_ball
from likeness.errors import LikenessError
from likeness.evaluate import ablation
from likeness.evaluate.ablation import GROUPS, ablate, variants
from likeness.layered.geometry_preset import GeometryPreset
from likeness.layered.presets import PREVIEW, with_overrides
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


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A ball filmed from five sides, two of them held out."""
    return replace(filmed_ball(tmp_path_factory.mktemp("ball"), turns=5, size=SIZE), held_out=(1, 3))


@pytest.fixture(scope="module")
def ball(capture, tmp_path_factory):
    """One avatar, to stand for all that would be learnt."""
    return train(capture, BASE, tmp_path_factory.mktemp("job"), seconds=30)


@pytest.fixture
def learnt(ball, monkeypatch):
    """Presets that were learnt with, in order."""
    presets = []

    def train_quickly(_, preset, place, **__):
        place.mkdir()
        presets.append(preset)
        return ball

    monkeypatch.setattr(ablation, "train", train_quickly)
    return presets


def test_the_papers_rows_change_one_thing_each():
    rows = variants(PREVIEW)
    assert [row.name for row in rows if row.group == "layers"] == ["1", "2", "4", "8"]
    assert [len(row.preset.geometry.levels) for row in rows if row.group == "layers"] == [1, 2, 4, 8]
    assert [row.preset.basis_count for row in rows if row.group == "bases"] == [1, 2, 4, 8, 16]
    assert [row.preset.geometry.shell_faces for row in rows if row.group == "mesh"] == [3000, 6000, 12000]
    assert [row.preset.tile_size for row in rows if row.group == "texture"] == [256, 512, 1024]
    assert sum(row.preset == PREVIEW for row in rows) == 5
    for row in rows:
        assert with_overrides(row.preset, []) is row.preset
        geometry = row.preset.geometry
        kept = {
            "layers": replace(row.preset, geometry=PREVIEW.geometry),
            "bases": replace(row.preset, basis_count=PREVIEW.basis_count),
            "mesh": replace(
                row.preset,
                geometry=replace(
                    geometry,
                    core_faces=PREVIEW.geometry.core_faces,
                    head_faces=PREVIEW.geometry.head_faces,
                    shell_faces=PREVIEW.geometry.shell_faces,
                ),
            ),
            "texture": replace(row.preset, tile_size=PREVIEW.tile_size),
        }
        assert row.group == "training" or kept[row.group] == PREVIEW, row
        if row.group == "layers":
            assert geometry == PREVIEW.geometry.with_layers(int(row.name))


def test_training_can_do_without_each_of_its_parts():
    rows = {row.name: row.preset for row in variants(PREVIEW, ["training"])}
    assert rows["without fine-tuning"].fine_tuning.steps == 0
    assert rows["without camera and pose refinement"].fine_tuning.correction_start == 1
    with_loss = replace(PREVIEW, fine_tuning=replace(PREVIEW.fine_tuning, perceptual_weight=0.3))
    rows = {row.name: row.preset for row in variants(with_loss, ["training"])}
    assert rows["without perceptual loss"].fine_tuning.perceptual_weight == 0


def test_each_run_is_done_once_and_rows_may_share_it(capture, learnt, tmp_path):
    result = ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["bases", "mesh"])
    # Two bases and the mesh as it is are the preset itself.
    assert len(result["rows"]) == 8 and len(learnt) == 7
    told = json.loads((tmp_path / "ablation.json").read_text())
    assert told == result
    page = (tmp_path / "ablation.md").read_text()
    assert page.count("| bases |") == 5 and page.count("| mesh |") == 3 and "still to be learnt" not in page
    assert cv2.imread(str(tmp_path / "ablation.png")) is not None
    again = ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["bases", "mesh"])
    assert again == result and len(learnt) == 7


def test_what_was_interrupted_goes_on(capture, learnt, ball, monkeypatch, tmp_path):
    def stopped(_, preset, place, **__):
        place.mkdir()
        if len(learnt) == 2:
            raise KeyboardInterrupt
        learnt.append(preset)
        return ball

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ablation, "train", stopped)
        ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    assert "1 rows are still to be learnt" in (tmp_path / "ablation.md").read_text()
    assert len(ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["mesh"])["rows"]) == 3
    assert len(learnt) == 3


def test_other_numbers_are_other_runs(capture, learnt, tmp_path):
    ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    ablate(capture, BASE, tmp_path, seconds=6, size=SIZE, only=["mesh"])
    assert len(learnt) == 6


def test_rows_may_have_equal_steps_in_place_of_equal_time(capture, learnt, tmp_path):
    ablate(capture, BASE, tmp_path, seconds=math.inf, size=SIZE, only=["mesh"])
    assert json.loads((tmp_path / "ablation.json").read_text())["seconds"] is None
    assert "as many steps" in (tmp_path / "ablation.md").read_text()


def test_mistakes_are_told(capture, tmp_path):
    with pytest.raises(LikenessError, match=", ".join(GROUPS)):
        ablate(capture, BASE, tmp_path, seconds=5, only=["shape"])
    with pytest.raises(LikenessError, match="holds out no frame"):
        ablate(replace(capture, held_out=()), BASE, tmp_path, seconds=5)
