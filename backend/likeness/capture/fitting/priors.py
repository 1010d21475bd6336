"""What is believed about a face before it is seen: small, sparse, slowly changing expressions; blinks are fast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

IDENTITY = 6.0
"""Weight of |identity|^2 / 2; identity coefficients are standard normal over people."""

FOCAL_DEVIATION = 0.1
"""Standard deviation of the logarithm of the focal length, which landmarks hardly show."""

STEADINESS = (1e4, 1e4, 1e4, 1e6, 1e6, 1e5)
"""Weights of a head's sudden moves: squared change of its velocity against the usual velocity of nearby frames.

For rotation (per square radian a frame) and translation (per square metre a frame) in the camera's space. Landmarks
jump together by half a pixel from frame to frame; against optical flow on the skin this takes a tenth off the error.
"""

LOOK_ANGLE = np.radians(25.0)
"""Turn of an eye at which the lids' expression for that direction is expected to be one."""

LOOK_RIDGE = 10.0
"""Weight of an ``eyeLook`` expression's squared distance from what the eye's turn suggests.

Lids alone hardly show it: without the eyes, these expressions take up whatever else is off around them.
"""

# By the beginning of an expression's name, in lower case without separators.
_RIDGE, _RIDGE_ELSEWHERE = {"eyeblink": 0.2, "jawopen": 0.5, "eyelook": 5.0}, 1.5
_SPARSITY, _SPARSITY_ELSEWHERE = {"eyeblink": 0.05, "jawopen": 0.15, "mouthclose": 0.3, "cheekpuff": 2.4}, 0.6
_SMOOTHNESS, _SMOOTHNESS_ELSEWHERE = {"eyeblink": 0.48, "eyesquint": 3.6, "eyewide": 3.6, "jawopen": 3.6}, 12.0


@dataclass(frozen=True)
class ExpressionPrior:
    """Penalties on expression weights e; each array is (E,) but ``usual``.

    Attributes
    ----------
    ridge : weight of (e - usual)^2 / 2
    sparsity : weight of e, for weights that cannot be negative
    smoothness : weight of (e_t - e_{t-1})^2 / 2
    usual : (1, E) or (F, E), what is expected in all frames alike or in each
    """

    ridge: Floats
    sparsity: Floats
    smoothness: Floats
    usual: Floats

    def at(self, frames: npt.NDArray[np.intp]) -> ExpressionPrior:
        """The same for some frames only."""
        return self if len(self.usual) == 1 else replace(self, usual=self.usual[frames])

    def stiffened(self, factor: float) -> ExpressionPrior:
        """The same with ridge and sparsity larger by a factor."""
        return replace(self, ridge=factor * self.ridge, sparsity=factor * self.sparsity)


def expression_prior(names: tuple[str, ...], lowest: Floats) -> ExpressionPrior:
    """Penalties by the names of expressions; a name that says nothing gets the common ones.

    Parameters
    ----------
    names : tuple of str
    lowest : (E,)
        Lowest weight of each expression; sparsity applies only where that is zero.
    """
    plain = [_plain(name) for name in names]

    def by_name(table: dict[str, float], elsewhere: float) -> Floats:
        return np.array(
            [next((v for start, v in table.items() if name.startswith(start)), elsewhere) for name in plain]
        )

    return ExpressionPrior(
        ridge=by_name(_RIDGE, _RIDGE_ELSEWHERE),
        sparsity=np.where(lowest == 0, by_name(_SPARSITY, _SPARSITY_ELSEWHERE), 0.0),
        smoothness=by_name(_SMOOTHNESS, _SMOOTHNESS_ELSEWHERE),
        usual=np.zeros((1, len(names))),
    )


def with_gaze(prior: ExpressionPrior, names: tuple[str, ...], gaze: Floats) -> ExpressionPrior:
    """The prior with lids that are expected to follow the eyes, for heads whose expressions are named after ARKit's.

    Parameters
    ----------
    prior : ExpressionPrior
    names : tuple of str
    gaze : (F, 2, 2)
        Pitch (down) and yaw (to the subject's left) of the left and the right eye, radians.
    """
    look = np.array([_plain(name).startswith("eyelook") for name in names])
    usual = np.zeros((len(gaze), len(names)))
    for column, name in enumerate(names):
        direction = _plain(name).removeprefix("eyelook")
        for side, eye in enumerate(gaze.transpose(1, 0, 2)):
            letter, outwards = ("l", 1.0) if side == 0 else ("r", -1.0)
            turns = {"up": -eye[:, 0], "down": eye[:, 0], "out": outwards * eye[:, 1], "in": -outwards * eye[:, 1]}
            for way, turn in turns.items():
                if look[column] and direction in (way + letter, way + {"l": "left", "r": "right"}[letter]):
                    usual[:, column] = (turn / LOOK_ANGLE).clip(0, 1)
    return replace(
        prior,
        ridge=np.where(look, LOOK_RIDGE, prior.ridge),
        sparsity=np.where(look, 0.0, prior.sparsity),
        usual=prior.usual + usual,
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")
