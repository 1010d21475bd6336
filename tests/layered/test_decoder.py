"""The appearance decoder in torch is the run-time's, also after export."""

from __future__ import annotations

import numpy as np
import torch
from avatars import tiny_avatar, tiny_poses
from likeness.layered.decoder import AppearanceDecoder, basis_weights, imported
from likeness.runtime.decode import spatial_network

FEATURES, BASES, CONDITIONS = 8, 6, 12


def _decoder() -> AppearanceDecoder:
    torch.manual_seed(3)
    return AppearanceDecoder(CONDITIONS, FEATURES, BASES, temperature=10.0)


def _hits() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.rand(50, FEATURES + 6) * 2 - 1


def test_export_folds_the_temperature_into_the_last_layer():
    decoder, conditions = _decoder(), torch.linspace(-1, 1, CONDITIONS)
    again = imported(decoder.exported(), FEATURES, BASES)
    assert again.temperature == 1.0
    for ours, theirs in zip(decoder(conditions), again(conditions), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_basis_weights_are_the_runtimes():
    decoder, conditions, inputs = _decoder(), torch.linspace(-1, 1, CONDITIONS), _hits()
    network = spatial_network(decoder.exported(), conditions.numpy(), BASES, FEATURES)
    parts = (inputs[:, :FEATURES], inputs[:, FEATURES : FEATURES + 3], inputs[:, FEATURES + 3 :])
    theirs = network.blend_weights(*(part.numpy() for part in parts))
    with torch.no_grad():
        ours = basis_weights(inputs, decoder(conditions))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)
    torch.testing.assert_close(ours.sum(1), torch.ones(len(inputs)))


def test_a_decoder_that_is_told_no_view_direction_shows_the_same_wherever_the_head_is_in_the_picture():
    torch.manual_seed(3)
    blind, inputs = AppearanceDecoder(CONDITIONS, FEATURES, BASES, directions=False), _hits()
    elsewhere = torch.cat([inputs[:, :-3], torch.rand(50, 3) * 2 - 1], 1)
    conditions = torch.linspace(-1, 1, CONDITIONS)
    optimiser = torch.optim.Adam(blind.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        basis_weights(inputs, blind(conditions))[:, 0].mean().backward()
        optimiser.step()
    torch.testing.assert_close(
        basis_weights(inputs, blind(conditions)), basis_weights(elsewhere, blind(conditions)), rtol=0, atol=0
    )
    again = AppearanceDecoder(CONDITIONS, FEATURES, BASES)
    again.load_state_dict(blind.state_dict())
    torch.testing.assert_close(
        basis_weights(elsewhere, again(conditions)), basis_weights(inputs, blind(conditions)), rtol=0, atol=1e-6
    )
    network = spatial_network(blind.exported(), conditions.numpy(), BASES, FEATURES)
    parts = (elsewhere[:, :FEATURES], elsewhere[:, FEATURES : FEATURES + 3], elsewhere[:, FEATURES + 3 :])
    shown = network.blend_weights(*(part.numpy() for part in parts))
    np.testing.assert_allclose(shown, basis_weights(inputs, blind(conditions)).detach().numpy(), atol=1e-6)
    assert not torch.allclose(
        basis_weights(inputs, _decoder()(conditions)), basis_weights(elsewhere, _decoder()(conditions))
    )


def test_a_files_decoder_is_read_as_it_is():
    avatar, pose = tiny_avatar(), tiny_poses()["all"]
    decoder = imported(avatar.decoder, avatar.feature_size, avatar.basis_count)
    with torch.no_grad():
        ours = decoder(torch.as_tensor(pose.decoder_input))
    theirs = spatial_network(avatar.decoder, pose.decoder_input, avatar.basis_count, avatar.feature_size)
    features = torch.rand(20, avatar.feature_size, generator=torch.Generator().manual_seed(5))
    inputs = torch.cat([features, torch.zeros(20, 6)], 1)
    reference = theirs.blend_weights(inputs[:, :-6].numpy(), inputs[:, -6:-3].numpy(), inputs[:, -3:].numpy())
    np.testing.assert_allclose(basis_weights(inputs, ours).numpy(), reference, atol=1e-6)
