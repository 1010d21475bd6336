"""Which held-out frames show the head turned farther than training ever saw it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..capture.model import Capture


def outside_training(capture: Capture) -> npt.NDArray[np.bool_]:
    """Frames (N,) whose yaw or pitch lies outside the range of the training frames."""
    turns = capture.head_turns
    seen = turns[list(capture.training)]
    return ((turns < seen.min(0)) | (turns > seen.max(0))).any(1)
