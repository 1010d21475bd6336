"""The paper's deformer: a network that knows how any canonical point moves, and starts out knowing nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..rig import AVATAR_JOINTS, CORRECTIVE_COUNT
from .canonical import Attributes, CanonicalHead
from .carried_motion import strongest_influences
from .deformer import Deformer, few_influences
from .grid import Grid
from .mlp_field import UNIT, FrequencyEncoding, smooth_rectifier, sphere_layer
from .point_deformation import MeshMotion
from .torso import TorsoShare

Array = npt.NDArray[np.float32]

TEMPERATURE = 20.0
"""Factor on the logits of skin weights, which lets them decide sooner."""

_CHUNK = 65536


class MlpDeformer(torch.nn.Module):
    """Expression basis, pose correctives and skin weights at canonical points.

    Until trained, no expression moves anything and every joint has the same weight.

    Parameters
    ----------
    grid : Grid
        The middle of its box is the networks' origin.
    expression_count : int
        E.
    width : int
    """

    def __init__(self, grid: Grid, expression_count: int, *, width: int = 128) -> None:
        super().__init__()
        self.expression_count = expression_count
        self.encoding = FrequencyEncoding(0, grid)
        self.trunk = torch.nn.Sequential(
            sphere_layer(3, width, 3), smooth_rectifier(), sphere_layer(width, width, width), smooth_rectifier()
        )
        self.displacement = torch.nn.Linear(width, 3 * (expression_count + CORRECTIVE_COUNT))
        self.weight_hidden = torch.nn.Sequential(sphere_layer(width, width, width), smooth_rectifier())
        self.weight = torch.nn.Linear(width, len(AVATAR_JOINTS))
        for last in (self.displacement, self.weight):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)

    def forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements (N, 3, E + 36) per unit of each expression and corrective, metres, and skin weights (N, 6)."""
        trunk = self.trunk(self.encoding(points))
        basis = UNIT * self.displacement(trunk).view(len(points), 3, -1)
        return basis, self._weights(trunk)

    def motion(self, points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements (N, 3) and skin weights (N, 6) for a frame; see ``PointMotion``.

        The last layer is multiplied by the frame's change first: 3 outputs a point instead of hundreds.
        """
        trunk = self.trunk(self.encoding(points))
        matrix = torch.einsum("cew,e->cw", self.displacement.weight.view(3, -1, trunk.shape[1]), change)
        offset = self.displacement.bias.view(3, -1) @ change
        return UNIT * (trunk @ matrix.T + offset), self._weights(trunk)

    def _weights(self, trunk: torch.Tensor) -> torch.Tensor:
        return torch.softmax(TEMPERATURE * self.weight(self.weight_hidden(trunk)), 1)


@dataclass(frozen=True)
class NetworkMotion:
    """A :class:`likeness.layered.point_deformation.PointMotion` that a network knows.

    Attributes
    ----------
    network : MlpDeformer
    torso : TorsoShare, optional
        A learned correction of the torso's share.
    """

    network: MlpDeformer
    torso: TorsoShare | None

    def __call__(self, points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements (N, 3) and skin weights (N, 6) at canonical points (N, 3); see ``PointMotion``."""
        displacements, weights = self.network.motion(points, change)
        return displacements, strongest_influences(weights if self.torso is None else self.torso(points, weights))

    def on_triangles(self, points: torch.Tensor, corners: torch.Tensor, lists: torch.Tensor) -> NetworkMotion:
        """The same: a network looks nothing up."""
        return self


class NetworkDeformer(Deformer):
    """A :class:`Deformer` whose answers are a network's; where the bare face is, the head model knows.

    Attributes
    ----------
    carried : Deformer
        What the skin carries outwards, for comparison.
    """

    def __init__(self, carried: Deformer, network: MlpDeformer) -> None:
        vars(self).update(vars(carried))
        self.carried, self._network = carried, network

    @torch.no_grad()
    def looked_up(self, points: Array) -> tuple[Attributes, Array]:
        """Attributes of canonical points (N, 3), and how much (N,), 0..1, each lies before the bare face."""
        parts = [self._network(part) for part in torch.as_tensor(points).split(_CHUNK)]
        basis, weights = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
        expressions = self._network.expression_count
        attributes = Attributes(
            np.ascontiguousarray(basis[..., :expressions]),
            np.ascontiguousarray(basis[..., expressions:]),
            few_influences(self._shifted(points, weights)),
        )
        return attributes, self.carried.bareness(points)

    def motion(self, torso: TorsoShare | None = None) -> MeshMotion:
        """The same frame by frame and differentiable, by the network too."""
        return NetworkMotion(self._network, self._torso if torso is None else torso)


def fit_deformer(network: MlpDeformer, carried: Deformer, head: CanonicalHead, steps: int, seed: int = 0) -> None:
    """Teach a network what the skin carries outwards, on and up to a few centimetres off the head.

    The paper's loss and weights: 1000, 1000 and 0.1 times the mean squared errors of expressions, correctives (in the
    networks' unit) and skin weights.
    """
    generator = torch.Generator().manual_seed(seed)
    skin = torch.as_tensor(head.points[np.unique(head.model.faces[head.model.regions["skin"]])])
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for step in range(steps):
        chosen = skin[torch.randint(len(skin), (1024,), generator=generator)]
        points = chosen + 0.015 * torch.randn(chosen.shape, generator=generator)
        loss = deformer_loss(network, carried, points)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.param_groups[0]["lr"] = 2e-3 * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        optimiser.step()


def deformer_loss(network: MlpDeformer, carried: Deformer, points: torch.Tensor) -> torch.Tensor:
    """How far a network's motion is from what the skin carries to points (N, 3), weighted as in the paper."""
    known = carried.attributes(points.numpy())
    basis, weights = network(points)
    expressions, correctives = basis.split((network.expression_count, CORRECTIVE_COUNT), 2)
    return (
        1000 * _squared_units(expressions - torch.as_tensor(known.expression_basis))
        + 1000 * _squared_units(correctives - torch.as_tensor(known.corrective_basis))
        + 0.1 * (weights - torch.as_tensor(known.skin_weights)).square().mean()
    )


def _squared_units(error: torch.Tensor) -> torch.Tensor:
    return (error / UNIT).square().mean()
