"""Pictures as evaluation compares them."""

import math
from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.errors import LikenessError
from likeness.evaluate.pictures import (
    CAPTION,
    averaged,
    caption_lines,
    captioned,
    load_straight,
    over,
    portrait_camera,
    save_picture,
    to_bytes,
)
from likeness.rig import JOINTS

EIGHT_BITS = 1 / 255


def test_over_mixes_in_linear_light():
    half_black = np.array([[[0.0, 0.0, 0.0, 0.5]]], np.float32)
    # Half of white's light is 0.5 linear, which sRGB encodes as 0.735, not as 0.5.
    assert over(half_black)[0, 0, 0] == pytest.approx(1.055 * 0.5 ** (1 / 2.4) - 0.055, abs=1e-5)


def test_saved_pictures_come_back_within_their_eight_bits(tmp_path: Path):
    generator = np.random.default_rng(1)
    alpha = generator.uniform(0.3, 1, (8, 9, 1))
    picture = np.concatenate([generator.uniform(0, 1, (8, 9, 3)) * alpha, alpha], -1).astype(np.float32)
    save_picture(picture, tmp_path / "a.png")
    again = load_straight(tmp_path / "a.png")
    # Half a step of alpha shows the background by that much more, in addition to half a step of colour.
    assert np.abs(over(again) - over(picture)).max() < 2.5 * EIGHT_BITS
    assert np.abs(again[..., 3] - picture[..., 3]).max() <= 0.5 * EIGHT_BITS + 1e-6


def test_a_missing_picture_is_named(tmp_path: Path):
    with pytest.raises(LikenessError, match="nowhere"):
        load_straight(tmp_path / "nowhere.png")


def test_eight_bits_round_to_the_nearest_value():
    assert to_bytes(np.array([0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 1.7, -1.0])).tolist() == [0, 0, 1, 255, 255, 0]


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.6, 0.0), (-0.6, 0.3)])
def test_a_portrait_shows_the_whole_head_from_any_side(yaw, pitch):
    avatar = tiny_avatar()
    camera = portrait_camera(avatar, 128, yaw, pitch)
    assert np.allclose(camera.camera_to_world[:3, :3] @ camera.camera_to_world[:3, :3].T, np.eye(3), atol=1e-6)
    assert np.linalg.det(camera.camera_to_world[:3, :3]) == pytest.approx(1, abs=1e-6)
    head = avatar.layers[-1].positions
    head = head[head[:, 1] > avatar.joints[JOINTS.index("neck"), 1]]
    pixels = camera.project(head)
    assert pixels.min() > 0 and pixels.max() < 128
    assert np.ptp(pixels, axis=0).max() > 64


def test_a_positive_yaw_looks_from_the_subjects_left():
    camera = portrait_camera(tiny_avatar(), 64, yaw=math.radians(30))
    assert camera.camera_to_world[0, 3] > 0


def test_a_pixel_is_the_mean_of_its_samples():
    fine = np.zeros((4, 6, 4), np.float32)
    fine[:2, :2] = 1
    fine[0, 2] = 1
    coarse = averaged(fine, 2)
    assert coarse.shape == (2, 3, 4) and coarse.dtype == np.float32
    assert coarse[..., 0].tolist() == [[1, 0.25, 0], [0, 0, 0]]


def test_a_caption_takes_as_many_lines_as_it_needs():
    strip = np.zeros((40, 200, 3), np.uint8)
    text = "training stage 1, before baking: face 25.91 +- 0.12 dB"
    lines = caption_lines(text, 200)
    assert len(lines) > 1 and " ".join(lines) == text
    whole = captioned(strip, text)
    assert whole.shape == (40 + CAPTION * len(lines), 200, 3)
    # Every line is written, and none runs into the right border.
    assert all((whole[40 + CAPTION * line : 40 + CAPTION * (line + 1)] < 128).any() for line in range(len(lines)))
    assert (whole[40:, -4:] == 255).all()
    assert captioned(strip, "short", lines=3).shape == (40 + 3 * CAPTION, 200, 3)
    assert caption_lines("disproportionately", 20) == ["disproportionately"]
