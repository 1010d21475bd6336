"""Layers over one another in linear light."""

from __future__ import annotations

import numpy as np
import torch
from likeness.layered.compositing import (
    composite,
    distortion,
    imbalance,
    layer_shares,
    linear_to_srgb,
    over,
    srgb_to_linear,
    transmittance,
)
from likeness.runtime import colour
from likeness.runtime import composite as reference


def _layers(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.rand(4, 7, 3), torch.rand(4, 7)


def test_outer_layers_lie_over_inner_ones():
    colours, alphas = _layers()
    expected = np.zeros((7, 4), np.float32)
    for layer in range(4):
        straight = torch.cat([colours[layer], alphas[layer, :, None]], 1).numpy()
        expected = reference.over(reference.premultiplied(straight), expected)
    np.testing.assert_allclose(composite(colours, alphas).numpy(), expected, atol=1e-6)


def test_an_opaque_outer_layer_hides_all_others():
    colours, alphas = _layers()
    alphas[-1] = 1.0
    picture = composite(colours, alphas)
    torch.testing.assert_close(picture, torch.cat([colours[-1], torch.ones(7, 1)], 1))
    assert transmittance(alphas)[:-1].abs().max() == 0


def test_shares_add_up_to_the_alpha():
    colours, alphas = _layers()
    torch.testing.assert_close(layer_shares(alphas).sum(0), composite(colours, alphas)[:, 3])
    background = torch.tensor([0.2, 0.4, 0.6])
    torch.testing.assert_close(over(torch.zeros(2, 4), background), background.expand(2, 3))


def test_distortion_is_zero_for_one_layer_and_grows_with_the_gap():
    levels = torch.tensor([0.0, 1.0, 3.0])
    assert distortion(torch.tensor([[0.0], [1.0], [0.0]]), levels) == 0
    # Two halves one unit apart: 2 * 0.5 * 0.5 * 1.
    torch.testing.assert_close(distortion(torch.tensor([[0.5], [0.5], [0.0]]), levels), torch.tensor(0.5))
    torch.testing.assert_close(distortion(torch.tensor([[0.5], [0.0], [0.5]]), levels), torch.tensor(1.5))


def test_bases_are_out_of_balance_where_one_has_all_say():
    even = torch.full((3, 4), 0.25)
    alone = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(3, 4)
    seen = torch.tensor([0.5, 1.0, 0.0])
    torch.testing.assert_close(imbalance(even, seen), torch.tensor(0.0))
    torch.testing.assert_close(imbalance(alone, seen), torch.tensor(4.0).log())
    # Each hit may choose one basis, as long as others choose others; and what is not seen has no say.
    torch.testing.assert_close(imbalance(torch.eye(4), torch.ones(4)), torch.tensor(0.0))
    torch.testing.assert_close(imbalance(torch.cat([even[:2], alone[:1]]), seen), torch.tensor(0.0))


def test_balance_draws_on_shares_and_not_on_what_is_seen():
    shares = torch.tensor([[0.7, 0.3], [0.6, 0.4]], requires_grad=True)
    seen = torch.tensor([0.5, 1.0], requires_grad=True)
    imbalance(shares, seen).backward()
    assert seen.grad is None
    assert shares.grad is not None
    assert (shares.grad[:, 0] > shares.grad[:, 1]).all()


def test_the_srgb_curve_is_the_runtimes():
    values = torch.linspace(0, 1, 1001)
    np.testing.assert_allclose(srgb_to_linear(values).numpy(), colour.srgb_to_linear(values.numpy()), atol=1e-6)
    np.testing.assert_allclose(linear_to_srgb(values).numpy(), colour.linear_to_srgb(values.numpy()), atol=1e-6)


def test_the_srgb_curve_has_finite_gradients_at_black():
    values = torch.zeros(3, requires_grad=True)
    linear_to_srgb(values).sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
