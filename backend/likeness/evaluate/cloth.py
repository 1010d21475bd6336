"""Where clothes are, in captures that come with labels of a face parser; see :mod:`likeness.capture.semantics`."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..capture.model import Capture
from ..capture.semantics import CLASSES, load_semantics

CLOTH = (CLASSES.index("necklace"), CLASSES.index("cloth"))
"""The paper leaves out both."""


def cloth_mask(capture: Capture, index: int, size: int) -> npt.NDArray[np.bool_]:
    """Pixels (size, size) of one frame that show clothes.

    Raises
    ------
    LikenessError
        If the frame's labels are missing, damaged or of another size than the frame.
    """
    # Labels are no quantities: a pixel takes that at its middle.
    resized = cv2.resize(load_semantics(capture, index), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.isin(resized, CLOTH)
