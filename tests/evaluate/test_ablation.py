"""An ablation's table, and that what is finished is not done again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import cv2
import pytest
from balls import filmed_ball
from likeness.errors import LikenessError
from likeness.evaluate import ablation
from likeness.evaluate.ablation import ablate
from likeness.evaluate.ablation_rows import AS_IT_IS, GROUPS
from likeness.layered.geometry_preset import GeometryPreset
from likeness.layered.presets import PREVIEW
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


def test_several_seeds_are_averaged_and_their_spread_is_told(capture, learnt, monkeypatch, tmp_path):
    values = iter([20.0, 24.0, 30.0, 30.0, 31.0, 35.0])

    def marks(*_):
        return {"psnr_face": {"value": next(values), "unit": "dB"}}

    monkeypatch.setattr(ablation, "held_out_marks", marks)
    rows = ablate(capture, BASE, tmp_path, seconds=5, size=SIZE, only=["mesh"], seeds=(1, 2))["rows"]
    assert len(learnt) == 6
    assert [row["marks"]["psnr_face"]["value"] for row in rows] == [22.0, 30.0, 33.0]
    assert [[run["seed"] for run in row["runs"]] for row in rows] == [[1, 2]] * 3
    page = (tmp_path / "ablation.md").read_text()
    assert "Means of seeds 1, 2 with their standard deviations" in page
    assert "22.00 ± 2.83" in page and "30.00 ± 0.00" in page


def test_what_baking_costs_is_told(capture, tmp_path):
    stage_one = replace(BASE.geometry.stage_one, steps=2, cell=0.012, pixels=100)
    base = replace(BASE, geometry=replace(BASE.geometry, stage_one=stage_one))
    result = ablate(capture, base, tmp_path, seconds=math.inf, size=SIZE, only=["training"])
    rows = {row["name"]: row for row in result["rows"]}
    before, after = rows["stage 1, before baking"], rows["without fine-tuning"]
    assert before["marks"].keys() == after["marks"].keys()
    # Both look alike, and neither like what was fine-tuned from projected pictures.
    lost = before["marks"]["psnr_full"]["value"] - after["marks"]["psnr_full"]["value"]
    assert abs(lost) < 0.5
    assert abs(before["marks"]["psnr_full"]["value"] - rows[AS_IT_IS]["marks"]["psnr_full"]["value"]) > 0.5
    # What an older version did not measure is done again.
    place = tmp_path / "runs" / after["runs"][0]["pictures"].replace(".png", ".json")
    place.write_text(json.dumps({k: v for k, v in json.loads(place.read_text()).items() if k != "before_baking"}))
    again = ablate(capture, base, tmp_path, seconds=math.inf, size=SIZE, only=["training"])
    assert [row["marks"] for row in again["rows"]] == [row["marks"] for row in result["rows"]]
    assert before["megabytes"] is None and after["megabytes"] > 0
    assert before["runs"][0]["pictures"] != after["runs"][0]["pictures"]
    assert all((tmp_path / "runs" / row["runs"][0]["pictures"]).is_file() for row in rows.values())


def test_mistakes_are_told(capture, tmp_path):
    with pytest.raises(LikenessError, match=", ".join(GROUPS)):
        ablate(capture, BASE, tmp_path, seconds=5, only=["shape"])
    with pytest.raises(LikenessError, match="each once"):
        ablate(capture, BASE, tmp_path, seconds=5, seeds=(1, 1))
    with pytest.raises(LikenessError, match="holds out no frame"):
        ablate(replace(capture, held_out=()), BASE, tmp_path, seconds=5)
