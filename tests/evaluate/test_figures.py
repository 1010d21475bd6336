"""Measures on regions, by name, against values that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from likeness.evaluate.figures import figures, mean_marks, unit_of
from likeness.evaluate.pictures import Truth
from likeness.evaluate.tables import frames_table, marks_table, measures_table

SIZE = 32


@pytest.fixture
def target() -> Truth:
    """A person on the left half of a white picture, whose face is the upper part of that."""
    picture = np.random.default_rng(0).uniform(0.2, 0.8, (SIZE, SIZE, 3)).astype(np.float32)
    matte = np.zeros((SIZE, SIZE), np.float32)
    matte[:, : SIZE // 2] = 1
    picture[:, SIZE // 2 :] = 1
    face = np.zeros((SIZE, SIZE), bool)
    face[: SIZE // 4, : SIZE // 2] = True
    return Truth(picture, matte, face)


def test_each_region_counts_its_own_pixels(target):
    """A tenth off on the person's lower part alone: nothing on the face, 20 dB there, and so on by area."""
    wrong = target.picture.copy()
    wrong[SIZE // 4 :, : SIZE // 2] += 0.1
    told = figures(wrong, target)
    assert told["psnr_face"] == math.inf and told["l1_face"] == 0 and told["ssim_face"] == pytest.approx(1, abs=0.02)
    assert told["psnr_fg"] == pytest.approx(20 - 10 * math.log10(3 / 4), abs=1e-4)
    assert told["psnr_full"] == pytest.approx(20 - 10 * math.log10(3 / 8), abs=1e-4)
    assert told["l1_fg"] == pytest.approx(0.075, abs=1e-6) and told["l1"] == pytest.approx(0.0375, abs=1e-6)
    assert not any("cloth" in name or "lpips" in name for name in told)


def test_without_cloth_clothes_do_not_count(target):
    cloth = np.zeros((SIZE, SIZE), bool)
    cloth[SIZE // 2 :] = True
    wrong = target.picture.copy()
    wrong[cloth & target.foreground] += 0.1
    told = figures(wrong, target, cloth)
    assert told["l1_fg"] == pytest.approx(0.05, abs=1e-6)
    assert told["l1_fg_no_cloth"] == told["l1_no_cloth"] == told["l1_paper_no_cloth"] == 0


def test_the_papers_masking_sees_nothing_outside_the_person(target):
    wrong = target.picture.copy()
    wrong[:, SIZE // 2 :] = 0
    told = figures(wrong, target)
    assert told["psnr_paper"] == math.inf and told["ssim_paper"] == pytest.approx(1)
    wrong[:, : SIZE // 2] += 0.1
    # Half of the picture is the person, and the mean is over all of it.
    assert figures(wrong, target)["l1_paper"] == pytest.approx(0.05, abs=1e-6)


def test_frames_without_a_face_do_not_spoil_the_mean():
    frames = [{"frame": 1, "psnr_face": 20.0}, {"frame": 2, "psnr_face": math.nan}, {"frame": 3, "psnr_face": 30.0}]
    assert mean_marks(frames) == {"psnr_face": {"value": 25.0, "unit": "dB"}}
    assert mean_marks(frames[1:2]) == {}


def test_every_figure_has_a_unit(target):
    assert {unit_of(name) for name in figures(target.picture, target)} == {"dB", "1"}
    assert unit_of("baseline_psnr_fg") == "dB" and unit_of("lpips_face_fitted") == "1"


def test_the_table_has_a_row_for_each_measure_and_state(target):
    told = figures(target.picture * 0.9, target)
    marks = mean_marks([{"frame": 0, **told, **{f"{name}_fitted": value + 1 for name, value in told.items()}}])
    lines = measures_table(marks)
    assert lines[0].count("|") == 3 + 4 and "without cloth" not in lines[0]
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["PSNR, dB"] * 2 + ["L1"] * 2 + ["SSIM"] * 2
    assert f"{told['psnr_face']:.2f}" in lines[2] and f"{told['psnr_face'] + 1:.2f}" in lines[3]
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert len(marks_table(marks)) == 2 + len(marks)
    assert frames_table([{"frame": 7, **told}], [True])[2].startswith("| 7 (outside) |")
