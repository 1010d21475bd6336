"""Which held-out frames lie outside of what training saw."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from likeness.evaluate.turns import outside_training


def test_what_training_did_not_reach_is_outside():
    turns = np.array([[-10, 0], [20, 3], [5, 1], [25, 2], [-12, 1], [5, 4]], np.float32)
    capture: Any = SimpleNamespace(head_turns=turns, training=(0, 1))
    assert outside_training(capture).tolist() == [False, False, False, True, True, True]
