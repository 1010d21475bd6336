"""The report that is made of an evaluation and Blender's renders."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.asset import write_layered_avatar
from likeness.errors import LikenessError
from likeness.evaluate.blender_jobs import ENGINES, FILM_FRAMES, engine_frames, film_frames, render_job
from likeness.evaluate.pictures import save_picture, save_srgb
from likeness.evaluate.report import COLUMNS, compare_engines, contact_sheet, write_film
from likeness.runtime.render import render

SIZE = 48


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


@pytest.fixture
def evaluation(tmp_path: Path, avatar) -> Path:
    """An evaluation folder whose engines' pictures are the reference itself."""
    write_layered_avatar(avatar, tmp_path / "avatar.glb")
    pose, camera = film_frames(avatar, SIZE)[10]
    reference = render(avatar, pose, camera)
    jobs = [render_job(engine, f"engines/smile_left_{engine}.png", pose, camera) for engine in ENGINES]
    (tmp_path / "blender-jobs.json").write_text(json.dumps(jobs))
    (tmp_path / "engines").mkdir()
    for job in jobs:
        save_picture(reference, tmp_path / job["out"])
    return tmp_path


def test_engines_equal_to_the_reference_differ_by_quantisation_only(evaluation: Path):
    marks = compare_engines(evaluation, evaluation / "avatar.glb", evaluation / "engines.png")
    for mean, percentile in marks.values():
        # An 8-bit step of colour, and one of alpha that lets as much of the background through.
        assert mean < 1
        assert percentile < 2


def test_a_shift_by_one_pixel_is_seen(evaluation: Path, avatar):
    pose, camera = film_frames(avatar, SIZE)[10]
    save_picture(np.roll(render(avatar, pose, camera), 1, 1), evaluation / "engines" / "smile_left_eevee.png")
    marks = compare_engines(evaluation, evaluation / "avatar.glb", evaluation / "engines.png")
    assert marks["eevee"][1] > 6 > marks["cycles"][1]


def test_a_missing_render_is_named(evaluation: Path):
    (evaluation / "engines" / "smile_left_cycles.png").unlink()
    with pytest.raises(LikenessError, match="smile_left_cycles"):
        compare_engines(evaluation, evaluation / "avatar.glb", evaluation / "engines.png")


def test_the_contact_sheet_has_a_column_for_every_renderer(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    for name in COLUMNS[:3]:
        save_srgb(grey, tmp_path / "pictures" / f"00007_{name}.png")
    for engine in ENGINES:
        save_picture(np.full((SIZE, SIZE, 4), 0.5, np.float32), tmp_path / "pictures" / f"00007_{engine}.png")
    sheet = contact_sheet(tmp_path, [7])
    assert sheet.shape[1] == SIZE * len(COLUMNS)
    # Trainer and truth are the same grey, so the error column is black.
    assert sheet[-30 - SIZE // 2, -SIZE // 2].tolist() == [0, 0, 0]


def test_the_film_is_a_film(tmp_path: Path):
    import imageio.v2 as imageio

    frames = tmp_path / "film"
    frames.mkdir()
    for number in range(5):
        save_picture(np.full((SIZE, SIZE, 4), number / 5, np.float32), frames / f"{number:04d}.png")
    write_film(frames, tmp_path / "avatar.mp4")
    assert len(imageio.mimread(tmp_path / "avatar.mp4")) == 5


def test_the_film_goes_through_every_expression_group_and_returns(avatar):
    frames = film_frames(avatar, SIZE)
    assert len(frames) == FILM_FRAMES
    expressions = np.stack([pose.expression for pose, _ in frames])
    assert (np.abs(expressions).max(0)[: len(avatar.expression_names)] > 0.5).any()
    assert np.abs(np.diff(expressions, axis=0)).max() < 0.2
    assert np.abs(expressions[0] - expressions[-1]).max() < 0.2


def test_engines_are_compared_on_three_frames_from_two_sides(avatar, tmp_path: Path):
    from types import SimpleNamespace

    strongest = np.zeros((3, len(avatar.expression_names)), np.float32)
    strongest[1, 0] = 1
    capture = SimpleNamespace(training=(0, 1), expression=strongest)
    frames = engine_frames(avatar, capture, SIZE)  # type: ignore[arg-type]
    assert len({name for name, _, _ in frames}) == 6
    by_name = {name: pose for name, pose, _ in frames}
    assert by_name["extreme_left"].expression[0] == 1.5
    assert by_name["turned_left"].joint_rotations[1, 0] > 0
    assert not by_name["neutral_right"].expression.any()


def test_an_avatar_without_arkit_names_still_moves_in_its_film(avatar):
    renamed = replace(avatar, expression_names=tuple(f"component{n}" for n in range(len(avatar.expression_names))))
    expressions = np.stack([pose.expression for pose, _ in film_frames(renamed, SIZE)])
    assert expressions.max() > 0.5
