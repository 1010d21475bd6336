"""Which films are refused, what is said about a film's rate, and which pictures begin anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import ffmpeg, noise_film, write_film
from likeness.capture.cuts import find_cuts
from likeness.capture.cutting_out import Clip, shot_starts
from likeness.capture.survey import changes_per_frame, frame_rate, survey_film
from likeness.capture.video import open_video
from likeness.errors import LikenessError


def joined(first: Path, second: Path, out: Path) -> Path:
    """One film after another, with its own pictures as they are stored."""
    streams = [path.with_suffix(".ts") for path in (first, second)]
    for path, stream in zip((first, second), streams, strict=True):
        ffmpeg("-i", path, "-c", "copy", stream)
    out.with_suffix(".joined.ts").write_bytes(b"".join(stream.read_bytes() for stream in streams))
    ffmpeg("-i", out.with_suffix(".joined.ts"), "-c", "copy", out)
    return out


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_that_changes_its_size_is_refused(tmp_path, suffix):
    """OpenCV would squeeze the second half into the size of the first, and say nothing."""
    square = noise_film(tmp_path / "square.mp4", 20)
    wide = write_film(tmp_path / "wide.mp4", [np.zeros((48, 96, 3), np.uint8)] * 20)
    film = open_video(joined(square, wide, tmp_path / f"film.{suffix}"))
    with pytest.raises(LikenessError, match=rf"film\.{suffix} changes its size, it shows 64x64 and 96x48 pixels"):
        survey_film(film, lambda *_: None)


def test_a_film_of_one_size_is_looked_through(tmp_path):
    square = noise_film(tmp_path / "square.mp4", 20)
    film = open_video(joined(square, square, tmp_path / "film.mp4"))
    with pytest.raises(LikenessError, match="No face is seen"):
        survey_film(film, lambda *_: None)


def test_a_film_lasts_as_long_as_its_times_say_whatever_rate_it_promises(tmp_path):
    film = open_video(noise_film(tmp_path / "film.mp4", 40))
    with pytest.raises(LikenessError, match="No face is seen"):
        survey_film(replace(film, frame_rate=1000.0), lambda *_: None)


def test_an_even_film_keeps_its_rate():
    assert frame_rate(np.arange(100) / 25, 25.0) == (25.0, "")
    # Phones give times in whole milliseconds.
    assert frame_rate(np.round(np.arange(100) / 29.97, 3), 29.97) == (29.97, "")


def test_a_wrong_promise_is_corrected():
    assert frame_rate(np.arange(100) / 50, 25.0)[0] == pytest.approx(50)


def test_a_variable_rate_is_said_and_its_mean_is_kept():
    steps = np.tile([0.02, 0.06], 50)
    rate, told = frame_rate(np.concatenate([[0], np.cumsum(steps)]), 25.0)
    assert rate == pytest.approx(25.0)
    assert told.startswith("variable, 20 to 60 ms between frames")


def test_what_moves_while_frames_are_left_out_is_no_cut():
    """A film of 25 frames a second, 3 levels of change each; two frames before the last one were left out."""
    seconds, changes = np.arange(40) / 25, np.full(40, 3.0)
    changes[0], seconds[-1], changes[-1] = 0, seconds[-1] + 2 / 25, 9.5
    nowhere = np.full((40, 2), np.nan)
    assert find_cuts(changes, nowhere, nowhere[:, 0]).tolist() == [39]
    np.testing.assert_allclose(changes_per_frame(changes, seconds)[[1, -1]], [3, 9.5 / 3])
    assert not find_cuts(changes_per_frame(changes, seconds), nowhere, nowhere[:, 0]).size
    changes[20] = 40
    assert find_cuts(changes_per_frame(changes, seconds), nowhere, nowhere[:, 0]).tolist() == [20]
    np.testing.assert_array_equal(changes_per_frame(changes, np.zeros(40)), changes)


def test_a_file_without_times_is_believed():
    assert frame_rate(np.zeros(40), 30.0) == (30.0, "")


def test_pictures_begin_anew_after_cuts_and_gaps():
    # Frames 3 to 9 of the film show no face, a moment at 12 neither; cut before 1, before 5 (in the gap), before 14.
    numbers = np.array([0, 1, 2, 10, 11, 13, 14, 15])
    assert shot_starts(numbers, np.array([1, 5, 14])).tolist() == [1, 3, 6]
    assert shot_starts(numbers, np.zeros(0, np.intp)).tolist() == [3]


def test_stretches_without_a_face_are_told():
    def clip(numbers: list[int]) -> Clip:
        nothing = np.zeros((0, 478, 2), np.float32)
        return Clip([], [], nothing, np.array(numbers, np.intp), np.zeros(0, np.intp), count=8)

    assert clip([0, 1, 4, 6]).left_out == [[2, 3], [5, 5], [7, 7]]
    assert clip(list(range(8))).left_out == []
