"""Where clothes are, in captures that know: labels of a face parser in the folder ``semantics``.

A label picture is named as its frame is, ``semantics/00000.png`` for ``frames/00000.jpg``, and holds the numbers of the
19-class face parser (CelebAMask-HQ) that IMavatar's data sets come with.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..capture.model import Capture
from ..errors import LikenessError

FOLDER = "semantics"
CLOTH = (15, 16)
"""Necklace and cloth, in the parser's numbers; the paper leaves both out."""


def knows_cloth(capture: Capture) -> bool:
    """Whether a capture comes with labels."""
    return (capture.folder / FOLDER).is_dir()


def cloth_mask(capture: Capture, index: int, size: int) -> npt.NDArray[np.bool_]:
    """Pixels (size, size) of one frame that show clothes.

    Raises
    ------
    LikenessError
        If the frame's labels are missing or of another size than the frame.
    """
    path = capture.folder / FOLDER / f"{Path(capture.frames[index]).stem}.png"
    labels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if labels is None or labels.shape != (capture.height, capture.width):
        raise LikenessError(
            f"{path} is not a picture of labels, {capture.width} x {capture.height} pixels; "
            f"label every frame, or remove the folder {FOLDER}."
        )
    # Labels are no quantities: a pixel takes that at its middle.
    resized = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
    return np.isin(resized, CLOTH)
