from dataclasses import replace

import numpy as np
import pytest
from avatars import encode_png, tiny_avatar, tiny_poses
from likeness.runtime.colour import srgb_to_linear
from likeness.runtime.decode import sample, shade, spatial_network, unpack_textures

AVATAR = tiny_avatar()
LAYER = AVATAR.layers[1]


def frame_network(pose: str):
    return spatial_network(AVATAR.decoder, tiny_poses()[pose].decoder_input, AVATAR.basis_count, AVATAR.feature_size)


def test_the_global_network_number_by_number():
    decoder, conditions = AVATAR.decoder, tiny_poses()["all"].decoder_input
    assert len(conditions) == 9 + 3
    values = conditions.tolist()
    for layer in range(3):
        rows = []
        for row, bias in zip(decoder.weights[layer].tolist(), decoder.biases[layer].tolist(), strict=True):
            rows.append(bias + sum(weight * value for weight, value in zip(row, values, strict=True)))
        if layer < 2:
            slopes = decoder.slopes[layer].tolist()
            rows = [row if row > 0 else slope * row for row, slope in zip(rows, slopes, strict=True)]
        values = rows
    network = frame_network("all")
    parts = (network.hidden_weights, network.hidden_biases, network.output_weights, network.output_biases)
    assert [part.shape for part in parts] == [(16, 14), (16,), (4, 16), (4,)]
    np.testing.assert_allclose(np.concatenate([part.ravel() for part in parts]), values, atol=1e-4)


def test_blend_weights_are_a_softmax_of_what_the_network_says():
    network = frame_network("smile")
    inputs = np.linspace(-1, 1, 14, dtype=np.float32)
    hidden = [
        max(0.0, float(row @ inputs + bias))
        for row, bias in zip(network.hidden_weights, network.hidden_biases, strict=True)
    ]
    powers = [
        np.exp(float(row @ hidden + bias))
        for row, bias in zip(network.output_weights, network.output_biases, strict=True)
    ]
    weights = network.blend_weights(inputs[None, :8], inputs[None, 8:11], inputs[None, 11:])
    np.testing.assert_allclose(weights[0], np.array(powers) / sum(powers), rtol=1e-4)


def test_the_fixture_needs_its_decoder():
    """A decoder that hardly mattered would let any mistake in it pass."""
    random = np.random.default_rng(3)
    features = random.random((500, 8), np.float32)
    normals, views = random.normal(size=(2, 500, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    rest, smile = (frame_network(pose).blend_weights(features, normals, views) for pose in ("rest", "smile"))
    assert rest.std(0).min() > 0.05
    assert np.abs(rest - smile).mean() > 0.02


def test_huge_logits_stay_finite():
    network = frame_network("rest")
    weights = network.blend_weights(np.full((1, 8), 1e6, np.float32), *np.ones((2, 1, 3), np.float32))
    assert np.isfinite(weights).all() and weights.sum() == pytest.approx(1)


RAMP = np.arange(36, dtype=np.float32).reshape(6, 6, 1)


@pytest.mark.parametrize(
    ("uv", "expected"),
    [
        ((0.125, 0.125), RAMP[1, 1]),
        ((0.875, 0.125), RAMP[1, 4]),
        ((0.375, 0.625), RAMP[3, 2]),
        ((0.25, 0.125), (RAMP[1, 1] + RAMP[1, 2]) / 2),
        ((0.125, 0.25), (RAMP[1, 1] + RAMP[2, 1]) / 2),
        # The tile's edges lie between its outermost texels and the gutter.
        ((0.0, 0.125), (RAMP[1, 0] + RAMP[1, 1]) / 2),
        ((1.0, 1.0), (RAMP[4, 4] + RAMP[4, 5] + RAMP[5, 4] + RAMP[5, 5]) / 4),
    ],
)
def test_texels_lie_where_they_should(uv, expected):
    found = sample(RAMP, np.array([uv], np.float32), tile_size=4, gutter=1)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_without_a_gutter_the_edge_repeats():
    found = sample(RAMP, np.array([[0.0, 0.0], [1.0, 1.0]], np.float32), tile_size=6, gutter=0)
    np.testing.assert_array_equal(found, [[0], [35]])


def test_tiles_are_unpacked_in_rows():
    textures = unpack_textures(AVATAR, LAYER)
    side = AVATAR.tile_size + 2 * AVATAR.gutter
    assert textures.features.shape == (side, side, 8)
    assert textures.bases.shape == (side, side, 4, 4)
    ten, twenty, thirty, forty, fifty, sixty = (np.full((2, 2, 4), value, np.uint8) for value in range(10, 70, 10))
    bases = encode_png(np.concatenate([np.concatenate([ten, twenty], 1), np.concatenate([thirty, forty], 1)]))
    features = encode_png(np.concatenate([fifty, sixty], 1))
    small = replace(AVATAR, tile_size=2, gutter=0)
    unpacked = unpack_textures(small, replace(LAYER, bases=bases, features=features))
    np.testing.assert_allclose(unpacked.bases[0, 0, :, 3] * 255, [10, 20, 30, 40], rtol=1e-6)
    np.testing.assert_allclose(unpacked.bases[0, 0, :, 0], srgb_to_linear(np.array([10, 20, 30, 40]) / 255), rtol=1e-6)
    np.testing.assert_allclose(unpacked.features[1, 1] * 255, [50] * 4 + [60] * 4, rtol=1e-6)


def test_colour_is_filtered_in_linear_light_and_alpha_as_it_is():
    """Half way between black and white lies half the light, which is not what the mean of the encoded values holds."""
    texels = np.zeros((1, 2, 4), np.uint8)
    texels[0, 1] = 255
    picture = np.tile(texels, (2, 1, 1))
    avatar = replace(AVATAR, tile_size=2, gutter=0, basis_count=1, atlas_columns=1)
    layer = replace(LAYER, bases=encode_png(picture), features=encode_png(np.zeros((2, 4, 4), np.uint8)))
    network = frame_network("rest")
    one = replace(network, output_weights=network.output_weights[:1], output_biases=network.output_biases[:1])
    up = np.array([[0, 0, 1]], np.float32)
    found = shade(one, unpack_textures(avatar, layer), np.array([[0.5, 0.5]], np.float32), up, -up)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.5, 0.5]], atol=1e-6)
