"""The error of mattes is what it is called, and walls are put behind the person only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from likeness.bench.mattes import REACH, before_wall, busy_wall, matte_error
from likeness.capture.pictures import write_picture
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_frame, load_matte
from scipy.ndimage import distance_transform_edt


def test_true_mattes_have_no_error_and_wrong_ones_theirs(tmp_path: Path):
    truth = sample_capture()
    frames = np.array([0, 60])
    found = replace(truth, folder=tmp_path, mattes=("first.png", "second.png"), frames=truth.frames[:2])
    true = [load_matte(truth, int(frame)) for frame in frames]
    for name, matte in zip(found.mattes, true, strict=True):
        write_picture(matte, tmp_path / name)
    assert matte_error(truth, frames, found) == 0
    # One of two frames is off by ten steps everywhere.
    inside = true[0] > 127
    write_picture(np.where(inside, true[0] - 10, true[0] + 10).astype(np.uint8), tmp_path / "first.png")
    assert matte_error(truth, frames, found) == pytest.approx(0.5 * 10)
    # Far from the outline it may say what it likes; how far is a number of whole pixels.
    away = np.asarray(distance_transform_edt(inside)) + np.asarray(distance_transform_edt(~inside))
    for factor, counts in ((1.2, False), (0.8, True)):
        far = away > factor * REACH * truth.width
        write_picture(np.where(far, 255 - true[0], true[0]), tmp_path / "first.png")
        assert (matte_error(truth, frames, found) > 1) == counts


def test_a_wall_lies_behind_the_person():
    truth = sample_capture()
    picture, matte = load_frame(truth, 0), load_matte(truth, 0)
    seen = before_wall(picture, matte, busy_wall(truth.width))
    assert np.abs(seen[matte == 255].astype(int) - picture[matte == 255]).max() <= 1
    assert seen[matte == 0].std(0).min() > 20
    bare = before_wall(picture, matte, np.zeros((truth.height, truth.width, 3), np.float32))
    # Nothing is left of the old wall but the JPEG's noise, which decoding stretches where it is dark.
    assert bare[matte == 0].mean() < 2
