"""Linear systems of a whole clip, in which a frame is tied to the next one only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def solve_chain(blocks: Floats, coupling: Floats, right: Floats) -> Floats:
    """Solve a symmetric block-tridiagonal system whose off-diagonal blocks are diagonal (block Thomas algorithm).

    Parameters
    ----------
    blocks : (F, n, n)
        Diagonal blocks, symmetric; the whole matrix must be positive definite.
    coupling : (F - 1, n)
        Diagonals of the blocks between frame t and frame t + 1.
    right : (F, n)

    Returns
    -------
    (F, n)
    """
    count, size = right.shape
    inverses = np.empty((count, size, size))
    partial = np.empty((count, size))
    block, value = blocks[0], right[0]
    for frame in range(count):
        if frame:
            tie = coupling[frame - 1]
            block = blocks[frame] - tie[:, None] * inverses[frame - 1] * tie
            value = right[frame] - tie * partial[frame - 1]
        inverses[frame] = np.linalg.inv(block)
        partial[frame] = inverses[frame] @ value
    solution = partial
    for frame in range(count - 2, -1, -1):
        solution[frame] -= inverses[frame] @ (coupling[frame] * solution[frame + 1])
    return solution
