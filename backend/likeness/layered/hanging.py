"""Hair that hangs: it turns with the head, but stays more upright when the head nods or tilts.

Skinning turns all that is on the head with it. Long hair is held where it grows and hangs from there, so below the
crown it lags behind: with the neck's rotation R, its antisymmetric part W = (R - R^T) / 2 less the turn about the
vertical, and a = the place it hangs from,

    d(x) = -s(x) W (x - a)        added at rest, before skinning,

which is what undoes nodding and tilting to first order where s is one. It is linear in the entries of R - I, so an
avatar's pose correctives of the neck hold it, and every renderer shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..rig import AVATAR_JOINTS, CORRECTIVE_COUNT, POSED_JOINTS

Array = npt.NDArray[np.float32]

START, LENGTH = 0.008, 0.017
"""Distance from the skin at which hair begins to hang, and over what length, metres: what lies on the skin stays."""

ANCHOR_DEPTH, ONSET = 0.04, 0.03
"""How far below the highest skin hair hangs from, and over what height below that it begins to, metres."""

_NECK = AVATAR_JOINTS.index("neck")
_FIRST = 9 * POSED_JOINTS.index("neck")
_TILTING = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
"""One for entries of R that a nod or a tilt changes to first order; a turn changes the other two."""


@dataclass(frozen=True)
class Hanging:
    """How hair hangs.

    Attributes
    ----------
    share : float
        How much of a nod or a tilt hanging hair does not follow, 0..1.
    anchor : (3,) float32
        Where it hangs from in canonical space, metres.
    """

    share: float
    anchor: Array

    def strength(self, points: torch.Tensor, skin_weights: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """How much (N,) of the neck's nods and tilts points do not follow.

        Parameters
        ----------
        points : (N, 3) float32
            Canonical.
        skin_weights : (N, 6) float32
            What does not follow the neck in the first place has nothing to undo.
        distance : (N,) float32
            From the nearest skin, metres.
        """
        depth = float(self.anchor[1]) - points[:, 1]
        off_the_skin = ((distance - START) / LENGTH).clamp(0, 1)
        return self.share * off_the_skin * (depth / ONSET).clamp(0, 1) * skin_weights[:, _NECK]

    def displacements(self, points: torch.Tensor, strength: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Displacements (N, 3) at rest, metres, of points (N, 3), given the corrective features (36,) of a pose."""
        entries = features[_FIRST : _FIRST + 9].view(3, 3)
        turning = 0.5 * (entries - entries.T) * _TILTING.to(entries.device)
        return -strength[:, None] * (self._arms(points) @ turning.T)

    def basis(self, points: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        """The same per unit of each corrective feature: (N, 3, 36)."""
        result, arms = points.new_zeros(len(points), 3, CORRECTIVE_COUNT), self._arms(points)
        for row, column in _TILTING.nonzero().tolist():
            entry = _FIRST + 3 * row + column
            result[:, row, entry] -= 0.5 * strength * arms[:, column]
            result[:, column, entry] += 0.5 * strength * arms[:, row]
        return result

    def _arms(self, points: torch.Tensor) -> torch.Tensor:
        return points - torch.as_tensor(self.anchor, device=points.device)
