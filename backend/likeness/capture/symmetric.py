"""Symmetric 3 x 3 matrices as six entries, one for each pixel: a solver called per pixel takes ten times as long."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]
"""One entry for each pixel."""

ENTRIES = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Row and column of each of the six entries."""


def cofactors(xx: Values, xy: Values, xz: Values, yy: Values, yz: Values, zz: Values) -> tuple[list[Values], Values]:
    """The six entries of the cofactor matrix, and the determinant: their ratio is the inverse (Cramer's rule)."""
    matrix = [
        yy * zz - yz * yz,
        xz * yz - xy * zz,
        xy * yz - xz * yy,
        xx * zz - xz * xz,
        xy * xz - xx * yz,
        xx * yy - xy * xy,
    ]
    return matrix, xx * matrix[0] + xy * matrix[1] + xz * matrix[2]
