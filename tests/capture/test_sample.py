"""The sample capture is small, complete and true: what its parameters say is what its pictures show."""

import cv2
import numpy as np
import pytest
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_frame, load_matte

SOME_FRAMES = (0, 31, 48, 75, 104, 128, 136, 153)


@pytest.fixture(scope="module")
def capture() -> Capture:
    return sample_capture()


def skin_mask(capture: Capture, index: int) -> np.ndarray:
    """Pixels (H, W) uint8 that the posed skin covers, by its parameters alone."""
    head = capture.head
    pixels = capture.camera(index).project(head.posed(capture.pose(index)))
    canvas = np.zeros((capture.height, capture.width), np.uint8)
    # Pixel centres lie at +0.5 here and at whole numbers in OpenCV; 4 bits of its coordinates are fractions.
    corners = np.round((pixels[head.faces[head.regions["skin"]]] - 0.5) * 16).astype(np.int32)
    for triangle in corners:
        cv2.fillConvexPoly(canvas, triangle, (1,), lineType=cv2.LINE_8, shift=4)
    return canvas


def test_it_is_small_enough_to_ship(capture: Capture) -> None:
    size = sum(path.stat().st_size for path in capture.folder.rglob("*") if path.is_file())
    assert size < 6_000_000


def test_it_has_160_frames_of_256_pixels_and_a_fifth_held_out(capture: Capture) -> None:
    assert (len(capture), capture.width, capture.height) == (160, 256, 256)
    assert capture.held_out == tuple(range(128, 160))
    assert capture.head.name == "standin"
    assert capture.provenance["licence"] == "CC0-1.0"


def test_every_expression_is_seen_in_training(capture: Capture) -> None:
    strongest = capture.expression[list(capture.training)].max(0)
    weak = [name for name, value in zip(capture.head.expression_names, strongest, strict=True) if value < 0.8]
    assert weak == []
    assert capture.expression.min() >= 0
    assert capture.expression.max() <= 1


def test_held_out_frames_ask_for_nothing_that_training_does_not_show(capture: Capture) -> None:
    training, held_out = list(capture.training), list(capture.held_out)
    assert (capture.expression[held_out].max(0) <= capture.expression[training].max(0) + 1e-6).all()
    neck = np.degrees(capture.joint_rotations[:, 0])
    reach = np.abs(neck[held_out]).max(0) - np.abs(neck[training]).max(0)
    # A little further round than in training, as a user will turn it.
    assert 1 < reach[1] < 5
    assert reach[0] < 0
    assert reach[2] < 0


def test_it_moves_as_a_person_does(capture: Capture) -> None:
    neck = np.degrees(capture.joint_rotations[:, 0])
    # A quick turn of the head goes at 200 degrees a second.
    assert np.abs(np.diff(neck, axis=0)).max() * capture.frame_rate < 200
    assert np.abs(neck[:128, 1]).max() == pytest.approx(25, abs=1)


@pytest.mark.parametrize("index", SOME_FRAMES)
def test_the_posed_skin_lies_within_the_matte(capture: Capture, index: int) -> None:
    # OpenCV also fills pixels that a triangle only touches, and Cycles' filter blurs over a pixel and a half.
    inner = cv2.erode(skin_mask(capture, index), np.ones((5, 5), np.uint8)) > 0
    assert inner.sum() > 0.15 * inner.size
    assert (load_matte(capture, index)[inner] < 128).sum() == 0


@pytest.mark.parametrize("index", SOME_FRAMES)
def test_the_cheek_ends_where_its_outline_does(capture: Capture, index: int) -> None:
    """The cheek that is turned away is bare, so there the matte's edge is the mesh's own, at the mouth's height."""
    mouth = int(capture.landmarks[index, 13, 1])
    rows = slice(mouth - 3, mouth + 4)
    posed, seen = skin_mask(capture, index)[rows] > 0, load_matte(capture, index)[rows] >= 128
    if capture.joint_rotations[index, 0, 1] > 0:
        posed, seen = posed[:, ::-1], seen[:, ::-1]
    # OpenCV also fills pixels that a triangle only touches.
    np.testing.assert_allclose(posed.argmax(1), seen.argmax(1), atol=1)


def test_irises_are_where_the_landmarks_say(capture: Capture) -> None:
    blink = capture.head.expression_names.index("eyeBlink_L")
    for index in SOME_FRAMES:
        assert capture.expression[index, blink] < 0.2, "choose frames with open eyes"
        grey = load_frame(capture, index).astype(float).mean(-1)
        for centre in (468, 473):
            x, y = (int(value) for value in capture.landmarks[index, centre])
            # The lamp is mirrored in some pupils, but not over three pixels.
            iris = grey[y - 1 : y + 2, x - 1 : x + 2].min()
            skin = [grey[int(v), int(u)] for u, v in capture.landmarks[index, [50, 280]]]
            assert iris < 0.5 * np.mean(skin), (index, centre)
        # The subject's right eye is on the picture's left.
        assert capture.landmarks[index, 468, 0] < capture.landmarks[index, 473, 0]


def test_every_frame_can_be_read_and_is_lit(capture: Capture) -> None:
    for index in range(len(capture)):
        frame, matte = load_frame(capture, index), load_matte(capture, index)
        person = frame[matte == 255]
        assert 40 < person.mean() < 170
        # Highlights may clip, but not a cheek.
        assert (person.min(-1) == 255).mean() < 0.005
