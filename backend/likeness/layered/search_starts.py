"""First guesses of where a posed point comes from, for root finding that ends at the root nearest to its start.

Each posed point has as many canonical points as parts of the body are brought to it. The paper starts from the inverse
motion of a few bones. That misses what bones do not move: where an expression closes the mouth, places just before
the lips come from the upper lip's neighbourhood and from the lower one's, and no bone leads to either. Starts from the
nearest skin do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import KDTree

from .linear3 import inverses
from .point_deformation import FrameDeformation

Starts = Callable[[torch.Tensor], torch.Tensor]
"""Canonical starts (S, N, 3) for camera-space points (N, 3)."""

JOINTS = ("body", "neck", "jaw")
"""The bones that the paper starts from: the still one, head and jaw."""

_PATCH = 0.012
_CANDIDATES = 48


def bone_starts(deformation: FrameDeformation, joints: tuple[str, ...] = JOINTS) -> Starts:
    """Starts as if each of some joints alone moved everything."""
    return lambda posed: torch.stack([deformation.undone_by(joint, posed) for joint in joints])


def skin_starts(deformation: FrameDeformation, skin: torch.Tensor, count: int) -> Starts:
    """Starts as if each of the nearest patches of skin alone moved everything.

    Parameters
    ----------
    deformation : FrameDeformation
    skin : (V, 3) float32
        Canonical points of the skin.
    count : int
        How many patches, each about a centimetre wide, are tried.
    """
    posed_skin, linear = deformation.with_linear_part(skin)
    undo, tree, patches = inverses(linear), KDTree(posed_skin.numpy()), _patches(skin.numpy())

    def starts(posed: torch.Tensor) -> torch.Tensor:
        _, found = tree.query(posed.numpy(), _CANDIDATES)
        of_patch = patches[found]
        # The nearest skin of each patch comes first among its patch; others are moved behind all of those.
        order = np.argsort(of_patch, 1, kind="stable")
        ordered = np.take_along_axis(of_patch, order, 1)
        repeated = np.zeros(ordered.shape, bool)
        repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        rank = np.where(repeated, _CANDIDATES, 0) + order
        chosen = np.sort(rank, 1)[:, :count] % _CANDIDATES
        nearest = torch.as_tensor(np.take_along_axis(found, chosen, 1).T.copy())
        back = (undo[nearest] @ (posed - posed_skin[nearest])[..., None])[..., 0]
        return skin[nearest] + back

    return starts


def all_starts(*starts: Starts) -> Starts:
    """Several kinds of starts together."""
    return lambda posed: torch.cat([some(posed) for some in starts])


def _patches(skin: np.ndarray) -> np.ndarray:
    """Number (V,) of the patch that each point of the skin belongs to: a cell of a coarse grid."""
    cells = np.floor(skin / _PATCH).astype(np.int64)
    _, numbers = np.unique(cells, axis=0, return_inverse=True)
    return numbers.reshape(-1)
