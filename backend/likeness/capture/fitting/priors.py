"""What is believed about a face before it is seen: small, sparse, slowly changing expressions; blinks are fast."""

from __future__ import annotations

from dataclasses import dataclass

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

# By the beginning of an expression's name, in lower case without separators.
_RIDGE, _RIDGE_ELSEWHERE = {"eyeblink": 0.2, "jawopen": 0.5}, 1.5
_SPARSITY, _SPARSITY_ELSEWHERE = {"eyeblink": 0.05, "jawopen": 0.15, "mouthclose": 0.3, "cheekpuff": 2.4}, 0.6
_SMOOTHNESS, _SMOOTHNESS_ELSEWHERE = {"eyeblink": 0.48, "eyesquint": 3.6, "eyewide": 3.6, "jawopen": 3.6}, 12.0


@dataclass(frozen=True)
class ExpressionPrior:
    """Penalties on expression weights e; each array is (E,).

    Attributes
    ----------
    ridge : weight of e^2 / 2
    sparsity : weight of e, for weights that cannot be negative
    smoothness : weight of (e_t - e_{t-1})^2 / 2
    """

    ridge: Floats
    sparsity: Floats
    smoothness: Floats


def expression_prior(names: tuple[str, ...], lowest: Floats) -> ExpressionPrior:
    """Penalties by the names of expressions; a name that says nothing gets the common ones.

    Parameters
    ----------
    names : tuple of str
    lowest : (E,)
        Lowest weight of each expression; sparsity applies only where that is zero.
    """
    plain = [name.lower().replace("_", "").replace(" ", "") for name in names]

    def by_name(table: dict[str, float], elsewhere: float) -> Floats:
        return np.array(
            [next((v for start, v in table.items() if name.startswith(start)), elsewhere) for name in plain]
        )

    return ExpressionPrior(
        ridge=by_name(_RIDGE, _RIDGE_ELSEWHERE),
        sparsity=np.where(lowest == 0, by_name(_SPARSITY, _SPARSITY_ELSEWHERE), 0.0),
        smoothness=by_name(_SMOOTHNESS, _SMOOTHNESS_ELSEWHERE),
    )
