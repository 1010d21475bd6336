"""An ablation's table, and that what is finished is not done again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import cv2
import pytest
from likeness.errors import LikenessError
from likeness.evaluate import ablation
from likeness.evaluate.ablation import ablate
from likeness.evaluate.ablation_rows import AS_IT_IS, GROUPS

SIZE = 48


@pytest.fixture
def capture(ball_capture):
    return ball_capture


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


def test_each_run_is_done_once_and_rows_may_share_it(capture, base, learnt, tmp_path):
    result = ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["bases", "mesh"])
    # Two bases and the mesh as it is are the preset itself.
    assert len(result["rows"]) == 8 and len(learnt) == 7
    told = json.loads((tmp_path / "ablation.json").read_text())
    assert told == result
    page = (tmp_path / "ablation.md").read_text()
    assert page.count("| bases |") == 5 and page.count("| mesh |") == 3 and "still to be learnt" not in page
    assert cv2.imread(str(tmp_path / "ablation.png")) is not None
    again = ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["bases", "mesh"])
    assert again == result and len(learnt) == 7


def test_what_was_interrupted_goes_on(capture, base, learnt, ball, monkeypatch, tmp_path):
    def stopped(_, preset, place, **__):
        place.mkdir()
        if len(learnt) == 2:
            raise KeyboardInterrupt
        learnt.append(preset)
        return ball

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ablation, "train", stopped)
        ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    assert "1 rows are still to be learnt" in (tmp_path / "ablation.md").read_text()
    assert len(ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["mesh"])["rows"]) == 3
    assert len(learnt) == 3


def test_other_numbers_are_other_runs(capture, base, learnt, tmp_path):
    ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    ablate(capture, base, tmp_path, seconds=6, size=SIZE, only=["mesh"])
    assert len(learnt) == 6


def test_another_capture_in_the_same_place_is_another_run(capture, base, learnt, tmp_path):
    ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    tracked_again = replace(capture, root_translation=capture.root_translation + 0.001)
    ablate(tracked_again, base, tmp_path, seconds=5, size=SIZE, only=["mesh"])
    assert len(learnt) == 6


def test_rows_may_have_equal_steps_in_place_of_equal_time(capture, base, learnt, tmp_path):
    ablate(capture, base, tmp_path, seconds=math.inf, size=SIZE, only=["mesh"])
    assert json.loads((tmp_path / "ablation.json").read_text())["seconds"] is None
    assert "as many steps" in (tmp_path / "ablation.md").read_text()


def test_several_seeds_are_averaged_and_their_spread_is_told(capture, base, learnt, monkeypatch, tmp_path):
    values = iter([20.0, 24.0, 30.0, 30.0, 31.0, 35.0])

    def marks(*_):
        return {"psnr_face": {"value": next(values), "unit": "dB"}}

    monkeypatch.setattr(ablation, "held_out_marks", marks)
    rows = ablate(capture, base, tmp_path, seconds=5, size=SIZE, only=["mesh"], seeds=(1, 2))["rows"]
    assert len(learnt) == 6
    assert [row["marks"]["psnr_face"]["value"] for row in rows] == [22.0, 30.0, 33.0]
    assert [[run["seed"] for run in row["runs"]] for row in rows] == [[1, 2]] * 3
    page = (tmp_path / "ablation.md").read_text()
    assert "Means of seeds 1, 2 with their standard deviations" in page
    assert "22.00 ± 2.83" in page and "30.00 ± 0.00" in page


def test_what_baking_costs_is_told(capture, base, tmp_path):
    stage_one = replace(base.geometry.stage_one, steps=2, cell=0.012, pixels=100)
    base = replace(base, geometry=replace(base.geometry, stage_one=stage_one))
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


def test_mistakes_are_told(capture, base, tmp_path):
    with pytest.raises(LikenessError, match=", ".join(GROUPS)):
        ablate(capture, base, tmp_path, seconds=5, only=["shape"])
    with pytest.raises(LikenessError, match="each once"):
        ablate(capture, base, tmp_path, seconds=5, seeds=(1, 1))
    with pytest.raises(LikenessError, match="holds out no frame"):
        ablate(replace(capture, held_out=()), base, tmp_path, seconds=5)
    for number in (-1.0, math.nan):
        with pytest.raises(LikenessError, match="--seconds is more than 0"):
            ablate(capture, base, tmp_path, seconds=number)
    with pytest.raises(LikenessError, match="--size goes from 16"):
        ablate(capture, base, tmp_path, seconds=5, size=0)
