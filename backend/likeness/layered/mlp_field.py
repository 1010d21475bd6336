"""The paper's fields: networks of frequencies for the manifold and the radiance, in canonical space.

BakedAvatar (TOG 2023) measures in quarters of a metre. Its initialisations and frequencies mean something only there,
so the networks work in that unit about the middle of the field, and everything outside of them in metres.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch.nn.utils.parametrizations import weight_norm

from .field import Manifold, interpolated
from .grid import Grid
from .hull_field import HullField
from .proxies import TextureLayout

UNIT = 0.25
"""The networks' unit of length, metres."""

SPHERE_RADIUS = 0.5
"""Radius of the sphere that an untrained manifold is, units."""

_CHUNK = 65536


class FrequencyEncoding(torch.nn.Module):
    """Points and their sines and cosines: x, then sin(2^k x) and cos(2^k x) for k = 0..F-1, without a factor of pi.

    Parameters
    ----------
    frequencies : int
        F.
    grid : Grid
        The middle of its box becomes the origin, quarters of a metre the unit.
    """

    centre: torch.Tensor

    def __init__(self, frequencies: int, grid: Grid) -> None:
        super().__init__()
        self.frequencies, self.width = frequencies, 3 + 6 * frequencies
        self.register_buffer("centre", torch.as_tensor((grid.low + grid.high) / 2))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Encoded points (N, 3 + 6 F) of points (N, 3), metres."""
        scaled = (points - self.centre) / UNIT
        waves = [wave(2.0**k * scaled) for k in range(self.frequencies) for wave in (torch.sin, torch.cos)]
        return torch.cat([scaled, *waves], 1)


class MlpManifold(Manifold):
    """The field M(x), metres, negative inside, as the paper's network.

    Softplus layers with normalised weights and without skips, initialised so that M is the distance to a sphere.

    Parameters
    ----------
    known : HullField
        Gives the box, and what :meth:`correction` compares with.
    width, depth : int
        Of the hidden layers.
    frequencies : int
    """

    values: torch.Tensor

    def __init__(self, known: HullField, *, width: int = 256, depth: int = 5, frequencies: int = 5) -> None:
        # Nothing of a grid's parts is there; what they answer is.
        torch.nn.Module.__init__(self)
        self.grid = known.grid
        self.register_buffer("values", torch.as_tensor(np.asarray(known.values, np.float32)).reshape(-1, 1))
        self.encoding = FrequencyEncoding(frequencies, known.grid)
        sizes = [self.encoding.width] + [width] * depth
        layers: list[torch.nn.Module] = []
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            layers += [sphere_layer(inputs, outputs, raw_inputs=3 if index == 0 else inputs), smooth_rectifier()]
        last = torch.nn.Linear(width, 1)
        torch.nn.init.constant_(last.weight, math.sqrt(math.pi / width))
        torch.nn.init.constant_(last.bias, -SPHERE_RADIUS)
        self.network = torch.nn.Sequential(*layers, weight_norm(last))

    def forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (N,) at points (N, 3), differentiable by the network alone, and gradients (N, 3), by nothing."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = points.detach().requires_grad_()
            values = self._signed(leaf)
            (gradients,) = torch.autograd.grad(values.sum(), leaf, retain_graph=learning)
        return values if learning else values.detach(), gradients

    def _signed(self, points: torch.Tensor) -> torch.Tensor:
        return UNIT * self.network(self.encoding(points))[:, 0]

    @property
    def residuals(self) -> torch.nn.ParameterList:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All that is learnt."""
        return torch.nn.ParameterList(self.network.parameters())

    def correction(self, points: torch.Tensor) -> torch.Tensor:
        """What was learnt (N,) at points (N, 3): the field less what was known before."""
        return self._signed(points) - interpolated(self.values, self.grid, points)[0].detach()

    def roughness(self) -> torch.Tensor:
        """Zero: the network is smooth by construction, and the paper asks no more of it."""
        return torch.zeros(())

    @torch.no_grad()
    def volume(self, target: Grid) -> np.ndarray:
        """Values (X, Y, Z) at the nodes of a grid."""
        parts = torch.as_tensor(target.points()).split(_CHUNK)
        return torch.cat([self._signed(part) for part in parts]).view(target.shape).numpy()

    def fit(self, steps: int, *, points: int = 4096, rate: float = 1e-3, seed: int = 0) -> None:
        """Learn what is known already, so that training need not grow a person out of a sphere.

        Points are drawn within 4 cm of the known surface three times out of four, where the layers will be.
        """
        generator = torch.Generator().manual_seed(seed)
        nodes = torch.as_tensor(self.grid.points())
        near = (self.values[:, 0].abs() < 0.04).nonzero()[:, 0]
        optimiser = torch.optim.Adam(self.parameters(), lr=rate)
        for step in range(steps):
            everywhere = torch.randint(len(nodes), (points // 4,), generator=generator)
            close = near[torch.randint(len(near), (points - len(everywhere),), generator=generator)]
            chosen = torch.cat([everywhere, close])
            error = self._signed(nodes[chosen]) - self.values[chosen, 0]
            loss = (100 * error).abs().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.param_groups[0]["lr"] = rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            optimiser.step()


class MlpRadiance(torch.nn.Module):
    """Everything a texel holds, at any canonical point, as the paper's network; in the place of ``RadianceField``.

    A trunk of leaky rectifiers; from its feature opacity, the position feature, and each basis' colour by a head of
    its own that sees the encoded point again. The heads' hidden layers are one matrix product.

    Parameters
    ----------
    grid : Grid
    layout : TextureLayout
    width, depth : int
        Of the trunk; heads are as wide.
    frequencies : int
    """

    def __init__(
        self, grid: Grid, layout: TextureLayout, *, width: int = 512, depth: int = 4, frequencies: int = 12
    ) -> None:
        super().__init__()
        self._layout = layout
        self.encoding = FrequencyEncoding(frequencies, grid)
        self.network = torch.nn.ModuleDict()
        sizes = [self.encoding.width] + [width] * depth
        trunk: list[torch.nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            trunk += [torch.nn.Linear(inputs, outputs), torch.nn.LeakyReLU(0.01)]
        bases = layout.basis_count
        self.network["trunk"] = torch.nn.Sequential(*trunk)
        self.network["alpha"] = torch.nn.Linear(width, layout.alpha_count)
        self.network["feature"] = torch.nn.Sequential(
            torch.nn.Linear(width, width), torch.nn.Softplus(), torch.nn.Linear(width, layout.feature_size)
        )
        self.network["colour_hidden"] = torch.nn.Linear(width + self.encoding.width, bases * width)
        self.network["colour"] = torch.nn.Conv1d(bases * width, 3 * bases, 1, groups=bases)
        for module in self.network.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d) and module.bias is not None:
                torch.nn.init.zeros_(module.bias)

    def forward(self, points: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
        """Values (N, C) in the layout of textures, colours sRGB-encoded, at points (N, 3).

        ``opacity`` (N,) is what is expected of the layer there; the network answers by how much it is mistaken.
        """
        encoded = self.encoding(points)
        trunk = self.network["trunk"](encoded)
        expected = torch.logit(opacity.clamp(1e-3, 1 - 1e-3))[:, None]
        # A sigmoid never gets to clear or opaque; stretched a little it does.
        alpha = (1.002 * torch.sigmoid(self.network["alpha"](trunk) + expected) - 0.001).clamp(0, 1)
        features = torch.sigmoid(self.network["feature"](trunk))
        hidden = torch.nn.functional.leaky_relu(self.network["colour_hidden"](torch.cat([trunk, encoded], 1)), 0.01)
        colour = torch.sigmoid(self.network["colour"](hidden[..., None])[..., 0])
        return torch.cat([colour, alpha, features], 1)


def sphere_layer(inputs: int, outputs: int, raw_inputs: int) -> torch.nn.Module:
    """A linear layer with normalised weights that keeps lengths, blind to all but raw inputs (Atzmon, Lipman: SAL)."""
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.normal_(layer.weight[:, :raw_inputs], 0.0, math.sqrt(2 / outputs))
    torch.nn.init.zeros_(layer.bias)
    return weight_norm(layer)


def smooth_rectifier() -> torch.nn.Module:
    """The paper's activation: a rectifier that is smooth within a hundredth."""
    return torch.nn.Softplus(beta=100)
