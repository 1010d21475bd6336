"""Engines against the run-time, with pictures whose differences are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.errors import LikenessError
from likeness.evaluate.blender_jobs import ENGINES, film_frames, render_job
from likeness.evaluate.engines import compare_engines, covered, crossed, differences
from likeness.evaluate.pictures import save_picture
from likeness.runtime.render import render

SIZE = 48


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


@pytest.fixture(scope="module")
def view(avatar):
    """A pose and a camera."""
    return film_frames(avatar, SIZE)[10]


@pytest.fixture
def jobs(tmp_path: Path, avatar, view):
    """Jobs whose pictures are the reference itself."""
    reference = render(avatar, *view)
    made = [render_job(engine, f"engines/smile_left_{engine}.png", *view) for engine in ENGINES]
    for job in made:
        (tmp_path / "engines").mkdir(exist_ok=True)
        save_picture(reference, tmp_path / job["out"])
    return made


def test_the_reference_itself_differs_by_quantisation_only(avatar, jobs, tmp_path: Path):
    marks = compare_engines(avatar, jobs, tmp_path).marks
    for engine in ENGINES:
        # Half an 8-bit step of colour, and half a one of alpha that lets as much of the background through; a quarter
        # each on average.
        assert marks[f"{engine}_mae_255"]["value"] < 0.5
        assert marks[f"{engine}_p99_255"]["value"] < 1


def test_a_shift_by_one_pixel_is_seen(avatar, view, jobs, tmp_path: Path):
    shifted = np.roll(render(avatar, *view), 1, 1)
    save_picture(shifted, tmp_path / "engines" / "smile_left_eevee.png")
    marks = compare_engines(avatar, jobs, tmp_path).marks
    assert marks["eevee_p99_255"]["value"] > 6 and marks["cycles_p99_255"]["value"] < 1


def test_a_missing_render_is_named(avatar, jobs, tmp_path: Path):
    (tmp_path / "engines" / "smile_left_cycles.png").unlink()
    with pytest.raises(LikenessError, match="smile_left_cycles"):
        compare_engines(avatar, jobs, tmp_path)


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_black_and_white_alike_show_that_coverage_differs(colour: float):
    """Black is not seen on black, nor white on white; each is seen on the other."""
    opaque = np.array([[[colour, colour, colour, 1.0]]], np.float32)
    nothing = np.zeros((1, 1, 4), np.float32)
    assert covered(opaque, nothing).all()
    assert differences(opaque, nothing).min() == pytest.approx(255)


def test_layers_of_the_test_avatar_are_nested_and_turned_inside_out_they_are_not(avatar, view):
    assert not crossed(avatar, *view).any()
    inside_out = replace(avatar, layers=avatar.layers[::-1])
    assert crossed(inside_out, *view).any()
