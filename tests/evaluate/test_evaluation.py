"""An avatar measured on frames that it has not seen, and how that is written down."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from likeness.asset import write_layered_avatar
from likeness.errors import LikenessError
from likeness.evaluate.evaluation import evaluate, write_evaluation
from likeness.evaluate.report import write_report

SIZE = 48


def measured(avatar, capture, size=SIZE, shown=2):
    return evaluate(avatar, capture, size, shown, lambda *_: None)


def with_landmarks(capture, *indices):
    """The capture with the ball's outline as landmarks of some frames."""
    landmarks = np.full_like(capture.landmarks, np.nan)
    angles = np.linspace(0, 2 * np.pi, landmarks.shape[1])
    landmarks[list(indices)] = SIZE / 2 + SIZE / 6 * np.stack([np.cos(angles), np.sin(angles)], 1)
    return replace(capture, landmarks=landmarks)


def strict(text):
    """JSON as other programs read it, which knows no NaN."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_a_frame_without_landmarks_leaves_the_others_figures_alone(ball, ball_capture, tmp_path):
    one, both = (measured(ball, with_landmarks(ball_capture, *seen)) for seen in ((1,), (1, 3)))
    place = next(name for name in ("inside", "outside") if one.marks[f"frames_{name}"]["value"])
    assert np.isfinite(one.marks[f"psnr_face_{place}"]["value"])
    assert one.frames[0]["psnr_face"] == both.frames[0]["psnr_face"]
    assert all(np.isfinite(mark["value"]) for mark in one.marks.values())
    write_evaluation(one, ball, ball_capture, tmp_path)
    written = strict((tmp_path / "evaluation.json").read_text())
    assert written["frames"][1]["psnr_face"] is None and written["frames"][1]["psnr_fg"] > 0
    assert "nan" not in (tmp_path / "evaluation.md").read_text()


def test_without_any_landmarks_nothing_is_told_of_faces(ball, ball_capture):
    marks = measured(ball, ball_capture).marks
    assert "psnr_fg" in marks and not any("face" in name for name in marks)


def test_a_report_needs_blenders_pictures_and_says_how_to_make_them(ball, ball_capture, tmp_path):
    evaluation = measured(ball, ball_capture)
    write_evaluation(evaluation, ball, ball_capture, tmp_path / "evaluation")
    write_layered_avatar(ball, tmp_path / "ball.glb")
    with pytest.raises(LikenessError, match=r"dev\.py blender tools/render_avatar\.py .*blender-jobs\.json"):
        write_report(tmp_path / "evaluation", tmp_path / "ball.glb", tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(("numbers", "told"), [({"size": 0}, "--size"), ({"shown": 0}, "--shown")])
def test_numbers_that_nothing_can_be_measured_with_are_told(ball, ball_capture, numbers, told):
    with pytest.raises(LikenessError, match=told):
        measured(ball, ball_capture, **numbers)
