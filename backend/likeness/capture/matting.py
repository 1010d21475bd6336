"""Where the person is: MediaPipe's selfie segmentation. Its outline is coarse: :mod:`likeness.capture.refining`."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..quiet import silenced

Picture = npt.NDArray[np.uint8]


class Matting:
    """Segments the pictures of one clip; use as a context manager, feed pictures in order."""

    def __init__(self) -> None:
        with silenced():
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

            self._network = SelfieSegmentation(model_selection=0)
            # The first picture waits for threads that announce themselves.
            self._network.process(np.zeros((64, 64, 3), np.uint8))

    def __enter__(self) -> Matting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network.close()

    def person(self, picture: Picture) -> Picture:
        """How probable each pixel (H, W) is the person's, 255 for certain, of an sRGB picture (H, W, 3)."""
        result: Any = self._network.process(picture)
        return np.rint(255 * np.clip(result.segmentation_mask, 0, 1)).astype(np.uint8)
