"""What training sees of a capture: pictures at its size, clean at outlines, and no more of them in memory than fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import SIZE, filmed_ball
from likeness.capture.model import Capture
from likeness.errors import LikenessError
from likeness.layered import frames
from likeness.layered.frames import face_mask, load_frames, without_background
from likeness.layered.hull_field import in_main_memory


@pytest.fixture(scope="module")
def ball(tmp_path_factory) -> Capture:
    return filmed_ball(tmp_path_factory.mktemp("ball"), turns=5, size=SIZE)


def test_a_long_film_is_read_again_rather_than_kept(ball, monkeypatch):
    whole = load_frames(ball, SIZE)
    read: list[str] = []
    monkeypatch.setattr(frames, "KEPT_BYTES", 2 * 5 * SIZE * SIZE)

    def counted(capture: Capture, name: str, flags: int) -> np.ndarray:
        read.append(name)
        return reading(capture, name, flags)

    reading = frames._read
    monkeypatch.setattr(frames, "_read", counted)
    few = load_frames(ball, SIZE)
    read.clear()
    for index in (0, 1, 0, 1, 2):
        for kept, again in zip(whole.film(index), few.film(index), strict=True):
            assert torch.equal(kept, again)
    assert read == [name for index in (0, 1, 2) for name in (ball.frames[index], ball.mattes[index])]


def test_geometry_is_made_in_main_memory_wherever_training_runs(ball, monkeypatch):
    fetched: list[torch.Tensor] = []
    fetch = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: fetched.append(tensor) or fetch(tensor))
    there = replace(load_frames(ball, SIZE), device=torch.device("cuda"))
    here = in_main_memory(there)
    assert here.device.type == "cpu"
    fetched.clear()
    here.film(1)
    assert [id(tensor) for tensor in fetched] == [id(tensor) for tensor in there.film(1)]


def test_pictures_are_resized_by_area_with_their_cameras(ball):
    whole, half = load_frames(ball, SIZE), load_frames(ball, SIZE // 2)
    assert half.size == (SIZE // 2, SIZE // 2)
    blocks = whole.film(0).matte.float().view(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3))
    assert (half.film(0).matte.float() - blocks).abs().max() <= 0.51
    assert half.cameras[0].fx == pytest.approx(whole.cameras[0].fx / 2)
    assert load_frames(ball, 10 * SIZE).size == (SIZE, SIZE)


def test_a_missing_picture_is_named(ball):
    broken = replace(ball, frames=("gone.png", *ball.frames[1:]))
    with pytest.raises(LikenessError, match=r"gone\.png"):
        load_frames(broken, SIZE)


def test_outlines_have_the_persons_colour():
    # A red person before a white wall, half mixed in the column between.
    picture = np.full((4, 5, 3), 255, np.uint8)
    matte = np.zeros((4, 5), np.uint8)
    picture[:, :2] = [200, 0, 0]
    matte[:, :2] = 255
    picture[:, 2] = [227, 127, 127]
    matte[:, 2] = 120
    cleaned = without_background(picture, matte)
    np.testing.assert_array_equal(cleaned, np.broadcast_to(np.array([200, 0, 0], np.uint8), picture.shape))
    np.testing.assert_array_equal(without_background(picture, np.zeros_like(matte)), picture)


def test_a_face_is_inside_its_landmarks():
    corners = np.array([[2.0, 2.0], [7.9, 2.0], [7.9, 5.9], [2.0, 5.9], [np.nan, 3.0]])
    mask = face_mask(corners, 10, 10)
    assert mask[2:6, 2:8].all()
    assert mask.sum() == 24
    assert not face_mask(np.full((5, 2), np.nan), 10, 10).any()
