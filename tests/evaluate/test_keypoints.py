"""Features of the face, found by MediaPipe in the sample's pictures."""

import numpy as np
import pytest
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_frame
from likeness.evaluate.keypoints import SCALE, KeypointDistance

SHIFT = 4


@pytest.fixture(scope="module")
def pictures():
    """Three frames (H, W, 3), sRGB 0..1."""
    capture = sample_capture()
    return [load_frame(capture, index).astype(np.float32) / 255 for index in range(3)]


def values(pairs):
    with KeypointDistance() as keypoints:
        for ours, truth in pairs:
            keypoints.add(ours, truth)
    return {name: mark["value"] for name, mark in keypoints.marks().items()}


def test_the_truth_itself_is_no_distance_away(pictures):
    assert values((picture, picture) for picture in pictures) == {"keypoint_px": 0, "faces_missed": 0}


def test_a_face_that_is_moved_is_as_far_away_as_it_was_moved(pictures):
    told = values((np.roll(picture, SHIFT, 1), picture) for picture in pictures)
    # The network places its points to about half a pixel.
    assert told["keypoint_px"] == pytest.approx(SHIFT * SCALE / pictures[0].shape[0], abs=0.5)


def test_a_picture_without_a_face_is_counted(pictures):
    told = values((np.ones_like(picture), picture) for picture in pictures)
    assert told == {"faces_missed": 3}


def test_without_a_face_in_the_truth_nothing_is_told(pictures):
    assert values((picture, np.ones_like(picture)) for picture in pictures) == {}
