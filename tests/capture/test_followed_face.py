"""Of two faces the clearly larger one is followed and this is said; of two alike nobody is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from likeness.capture.followed_face import SIMILAR, extents, followed, two_faces
from likeness.errors import LikenessError

FILM = Path("film.mp4")
FRAMES = 40
NOWHERE = np.zeros(0, np.intp)


def faces(first: float, second: float) -> np.ndarray:
    """Boxes of a face on the left and one on the right, of given sizes, in all frames."""
    boxes = np.empty((FRAMES, 2, 4), np.float32)
    boxes[:, 0] = 100 - first / 2, 100 - first / 2, 100 + first / 2, 100 + first / 2
    boxes[:, 1] = 400 - second / 2, 100 - second / 2, 400 + second / 2, 100 + second / 2
    return boxes


def test_extents_are_longer_sides():
    box = np.array([[10, 20, 50, 100], [np.nan] * 4], np.float32)
    assert extents(box).tolist() == [80, 0]


def test_one_face_is_nothing_to_speak_of():
    boxes = faces(100, 60)
    boxes[:, 1] = np.nan
    assert two_faces(boxes, FILM) == ""
    assert (followed(boxes, NOWHERE) == 0).all()


def test_the_larger_face_is_followed_and_this_is_said():
    boxes = faces(100, 100 / SIMILAR - 5)
    boxes[:10, 1] = np.nan
    assert two_faces(boxes, FILM) == "a second face is seen in 30 of 40 frames; the larger one was followed"
    assert (followed(boxes, NOWHERE) == 0).all()


def test_two_alike_are_refused_but_not_for_a_moment():
    boxes = faces(100, 90)
    with pytest.raises(LikenessError, match=r"Two faces are seen at frame 0 of film\.mp4 .*crop the video"):
        two_faces(boxes, FILM)
    boxes[FRAMES // 2 :, 1] = np.nan
    assert "20 of 40 frames" in two_faces(boxes, FILM)


def test_nobody_takes_over_by_being_a_little_larger():
    boxes = faces(100, 80)
    boxes[20:, 1] = boxes[20:, 1] + np.array([-20, -20, 20, 20])  # now 120
    assert (followed(boxes, NOWHERE) == 0).all()
    boxes[30:, 1] = boxes[30:, 1] + np.array([-30, -30, 30, 30])  # now 180
    assert followed(boxes, NOWHERE).tolist() == [0] * 30 + [1] * 10


def test_a_cut_lets_the_larger_one_take_over():
    boxes = faces(100, 80)
    boxes[20:] = boxes[20:, ::-1]  # who was large is on the other side, and small
    boxes[20:, 0, 2:] += 25  # now 105, against 100
    assert followed(boxes, np.array([20])).tolist() == [0] * 40
    # Without the cut it is the place where somebody was followed that counts.
    assert followed(boxes, NOWHERE).tolist() == [0] * 20 + [1] * 20


def test_frames_without_a_face_follow_nobody():
    boxes = faces(100, 50)
    boxes[5:8] = np.nan
    assert followed(boxes, NOWHERE)[4:9].tolist() == [0, -1, -1, -1, 0]
