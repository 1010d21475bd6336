"""How far features of the face lie from where they should: points found in the avatar's picture and in the truth."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..capture.landmarks import FaceMesh
from .pictures import to_bytes

SCALE = 512
"""Side of the square picture, pixels, that distances are told for; those of pictures of other sizes are scaled."""


class KeypointDistance:
    """Collects the distances of MediaPipe's 478 points between two pictures of a frame; use as a context manager.

    Each sequence of pictures has a network of its own, which follows the face from one frame to the next.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._ours = self._stack.enter_context(FaceMesh(most=1))
        self._truths = self._stack.enter_context(FaceMesh(most=1))
        self._distances: list[float] = []
        self._missed = 0

    def __enter__(self) -> KeypointDistance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, picture: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> None:
        """Compare two sRGB pictures (H, W, 3) of one frame, 0..1; a frame without a face in the truth tells nothing."""
        wanted, found = self._truths.faces(to_bytes(truth)), self._ours.faces(to_bytes(picture))
        if not wanted:
            return
        if not found:
            self._missed += 1
            return
        distance = np.linalg.norm(found[0] - wanted[0], axis=1).mean()
        self._distances.append(float(distance) * SCALE / max(picture.shape[:2]))

    def marks(self) -> dict[str, dict[str, Any]]:
        """``keypoint_px``, mean over points and frames, and ``faces_missed``, frames with a face in the truth alone."""
        marks: dict[str, dict[str, Any]] = {}
        if self._distances:
            marks["keypoint_px"] = {"value": float(np.mean(self._distances)), "unit": "px"}
        if self._distances or self._missed:
            marks["faces_missed"] = {"value": self._missed, "unit": "1"}
        return marks
