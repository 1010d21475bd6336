"""The appearance decoder: a global network, once per frame, whose output is a spatial network, once per hit.

    h = relu(W1 [p, n, d] + b1),   a = softmax(W2 h + b2)

with the position feature p, the normal n and the view direction d in camera space; colour is sum_i a_i C_i.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..asset.layered import Decoder
from .presets import Preset

GEOMETRY_INPUTS = 6
"""Normal and view direction."""


class SpatialWeights(NamedTuple):
    """The spatial network of one frame: ``first`` (H, D+6) and (H,), ``second`` (B, H) and (B,)."""

    first_weight: torch.Tensor
    first_bias: torch.Tensor
    second_weight: torch.Tensor
    second_bias: torch.Tensor


class AppearanceDecoder(torch.nn.Module):
    """The global network; conditions (9 + E) -> 64 -> 64 -> the spatial network's weights.

    Parameters
    ----------
    condition_count : int
        9 + E.
    feature_size, basis_count, hidden_size : int
        D, B and H of the spatial network.
    width : int
        Of the global network.
    temperature : float
        Factor on W2 and b2, which makes the softmax decide sooner; part of the exported weights.
    directions : bool
        Whether looks may depend on the view direction d; else W1's columns for it are zero, in the file too.
    """

    told: torch.Tensor

    def __init__(
        self,
        condition_count: int,
        feature_size: int,
        basis_count: int,
        *,
        hidden_size: int = 16,
        width: int = 64,
        temperature: float = 10.0,
        directions: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = feature_size + GEOMETRY_INPUTS
        self.basis_count, self.hidden_size, self.temperature = basis_count, hidden_size, temperature
        outputs = hidden_size * (self.input_size + 1) + basis_count * (hidden_size + 1)
        self.first = torch.nn.Linear(condition_count, width)
        self.first_activation = torch.nn.PReLU(width, 0.1)
        self.second = torch.nn.Linear(width, width)
        self.second_activation = torch.nn.PReLU(width, 0.1)
        self.third = torch.nn.Linear(width, outputs)
        told = torch.ones(outputs)
        if not directions:
            told[: hidden_size * self.input_size].view(hidden_size, -1)[:, feature_size + 3 :] = 0
        self.register_buffer("told", told, persistent=False)
        with torch.no_grad():
            # Zeros from the start, and no gradient moves them: whoever reads the weights need not know of the choice.
            self.third.weight.mul_(told[:, None])
            self.third.bias.mul_(told)

    @property
    def linears(self) -> tuple[torch.nn.Linear, torch.nn.Linear, torch.nn.Linear]:
        """The global network's linear maps, input first."""
        return self.first, self.second, self.third

    @property
    def activations(self) -> tuple[torch.nn.PReLU, torch.nn.PReLU]:
        """What lies between them."""
        return self.first_activation, self.second_activation

    def forward(self, conditions: torch.Tensor) -> SpatialWeights:
        """Weights of the spatial network under conditions (9 + E,)."""
        values = self.first_activation(self.first(conditions[None]))
        values = self.second_activation(self.second(values))
        values = self.third(values)[0] * self.told
        hidden, bases = self.hidden_size, self.basis_count
        sizes = (hidden * self.input_size, hidden, bases * hidden, bases)
        first, first_bias, second, second_bias = values.split(sizes)
        return SpatialWeights(
            first.view(hidden, self.input_size),
            first_bias,
            self.temperature * second.view(bases, hidden),
            self.temperature * second_bias,
        )

    def exported(self) -> Decoder:
        """The network as the avatar file holds it, temperature folded in."""
        weights = [linear.weight.detach().cpu().numpy().astype(np.float32) for linear in self.linears]
        biases = [linear.bias.detach().cpu().numpy().astype(np.float32) for linear in self.linears]
        slopes = [activation.weight.detach().cpu().numpy().astype(np.float32) for activation in self.activations]
        scale = np.ones((len(biases[2]), 1), np.float32)
        scale[self.hidden_size * (self.input_size + 1) :] = self.temperature
        weights[2], biases[2] = weights[2] * scale, biases[2] * scale[:, 0]
        return Decoder(
            (weights[0], weights[1], weights[2]),
            (biases[0], biases[1], biases[2]),
            (slopes[0], slopes[1]),
            self.hidden_size,
        )


def new_decoder(expression_count: int, preset: Preset) -> AppearanceDecoder:
    """A decoder as a preset wants it for E expressions; torch's random numbers fill it."""
    return AppearanceDecoder(
        9 + expression_count,
        preset.feature_size,
        preset.basis_count,
        hidden_size=preset.hidden_size,
        directions=preset.view_directions,
    )


def imported(decoder: Decoder, feature_size: int, basis_count: int) -> AppearanceDecoder:
    """The torch network of a file's decoder (its temperature is folded in already)."""
    width, conditions = decoder.weights[0].shape
    network = AppearanceDecoder(
        conditions, feature_size, basis_count, hidden_size=decoder.hidden_size, width=width, temperature=1.0
    )
    with torch.no_grad():
        for linear, weight, bias in zip(network.linears, decoder.weights, decoder.biases, strict=True):
            linear.weight.copy_(torch.as_tensor(weight))
            linear.bias.copy_(torch.as_tensor(bias))
        for activation, slopes in zip(network.activations, decoder.slopes, strict=True):
            activation.weight.copy_(torch.as_tensor(slopes))
    return network


def basis_weights(inputs: torch.Tensor, weights: SpatialWeights) -> torch.Tensor:
    """Softmax weights (N, B) of the bases at hits with inputs (N, D+6)."""
    hidden = torch.relu(torch.addmm(weights.first_bias, inputs, weights.first_weight.T))
    return torch.softmax(torch.addmm(weights.second_bias, hidden, weights.second_weight.T), 1)
