import numpy as np
from likeness.runtime.colour import linear_to_srgb, srgb_to_linear, to_srgb8


def test_known_values():
    # From the standard's formulas: the two pieces, where they meet, and middle grey.
    np.testing.assert_allclose(srgb_to_linear([0, 0.04045, 0.5, 1]), [0, 0.0031308, 0.2140411, 1], atol=1e-7)


def test_every_8_bit_value_survives_the_way_to_linear_light_and_back():
    values = np.arange(256)
    np.testing.assert_array_equal(np.rint(linear_to_srgb(srgb_to_linear(values / 255)) * 255), values)


def test_pictures_get_straight_alpha():
    half_red = np.array([[[0.5, 0.0, 0.0, 0.5]]], np.float32)
    np.testing.assert_array_equal(to_srgb8(half_red), [[[255, 0, 0, 128]]])


def test_nothing_is_black_and_too_bright_is_white():
    picture = np.array([[[0, 0, 0, 0], [7, 7, 7, 1]]], np.float32)
    np.testing.assert_array_equal(to_srgb8(picture), [[[0, 0, 0, 0], [255, 255, 255, 255]]])
