"""What an avatar's weights image has to hold."""

from __future__ import annotations

import numpy as np
from bl_ext.dev.likeness.addon.live import shown_image
from likeness.runtime.decode import spatial_network


def shown_weights(rig):
    """Rows of the image that a rig's materials read."""
    image = shown_image(rig.data)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[..., :3].reshape(image.size[1], -1)


def expected_weights(avatar, pose, width):
    """Rows of the image, told again in another way than by the code."""
    network = spatial_network(avatar.decoder, pose.decoder_input, avatar.basis_count, avatar.feature_size)
    rows = [
        *(
            np.append(weights, bias)
            for weights, bias in zip(network.hidden_weights, network.hidden_biases, strict=True)
        ),
        *(
            np.append(weights, bias)
            for weights, bias in zip(network.output_weights, network.output_biases, strict=True)
        ),
    ]
    return np.stack([np.pad(row, (0, width - len(row))) for row in rows])


def assert_shows(rig, avatar, pose):
    """The weights are those that the run-time has for a pose."""
    found = shown_weights(rig)
    # Axis-angle vectors make a round trip through single-precision quaternions and matrices.
    np.testing.assert_allclose(found, expected_weights(avatar, pose, found.shape[1]), atol=2e-6)
