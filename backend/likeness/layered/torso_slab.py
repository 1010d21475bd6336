"""Where shoulders and chest may be: no head model has them, and outlines tell their width but not their depth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..rig import JOINTS
from .canonical import CanonicalHead
from .grid import Grid

Array = npt.NDArray[np.float32]

HALF_DEPTH = 0.085

THROAT_HALF_WIDTH, THROAT_EDGE = 0.045, 0.015
"""Where the throat is, and over what width its edges fade, metres."""

CHEST_START, CHEST_SLOPE = 0.04, 0.8
"""How far before the root the chest begins to slope down, metres, and how steeply."""


def torso_slab(head: CanonicalHead, hull: Array, grid: Grid) -> Array:
    """Distance to a slab below the chin, as deep as the outline is wide there, up to a limit, and round at the outline.

    Before the throat it begins at the neck's base and slopes down: below a chin there is air, which no outline shows.

    Parameters
    ----------
    head : CanonicalHead
    hull : (X, Y, Z) float32
        Signed distance to the matte hull, metres.
    grid : Grid

    Returns
    -------
    (X, Y, Z) float32
        Negative inside, metres.
    """
    root, neck = head.joints[JOINTS.index("root")], head.joints[JOINTS.index("neck")]
    inward = np.clip(1 + hull / HALF_DEPTH, 0, 1)
    half_depth = HALF_DEPTH * np.sqrt(1 - inward * inward)
    x, y, z = (grid.low[axis] + grid.cell * np.arange(count, dtype=np.float32) for axis, count in enumerate(grid.shape))
    behind = np.abs(z - root[2]) - half_depth
    beside_throat = np.clip((np.abs(x) - THROAT_HALF_WIDTH) / THROAT_EDGE, 0, 1)
    behind_throat = np.clip((neck[2] - z) / THROAT_EDGE + 1, 0, 1)
    throat = 1 - np.maximum(beside_throat[:, None], behind_throat)
    drop = neck[1] - root[1] + CHEST_SLOPE * np.maximum(z - root[2] - CHEST_START, 0)
    above = (y - neck[1])[None, :, None] + (throat * drop)[:, None, :]
    outside = np.hypot(np.maximum(behind, 0), np.maximum(above, 0))
    return (outside + np.minimum(np.maximum(behind, above), 0)).astype(np.float32)
