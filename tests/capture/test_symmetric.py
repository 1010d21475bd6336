"""Cofactors over determinant are the inverse."""

from __future__ import annotations

import numpy as np
from likeness.capture.symmetric import ENTRIES, cofactors


def test_inverses_are_those_of_a_solver():
    matrices = np.random.default_rng(0).normal(size=(50, 3, 3))
    matrices = matrices @ matrices.swapaxes(1, 2) + 0.1 * np.eye(3)
    found, determinant = cofactors(*(matrices[:, i, j] for i, j in ENTRIES))
    expected = np.linalg.inv(matrices)
    for (i, j), values in zip(ENTRIES, found, strict=True):
        # Condition numbers stay below 1e4, so double precision leaves twelve digits.
        np.testing.assert_allclose(values / determinant, expected[:, i, j], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(determinant, np.linalg.det(matrices), rtol=1e-12)
