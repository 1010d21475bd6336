"""MediaPipe's face mesh over the frames of one clip: 478 points per frame, and a word when a second face shows."""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from .quiet import silenced

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

POINTS = 478
"""Points of the refined mesh; the last ten lie on the irises."""

RIGHT_IRIS, LEFT_IRIS = 468, 473
"""Points at the centres of the subject's right and left iris."""

SECOND_FACE_FRAMES = 3
"""Consecutive frames that must show a second face before it counts: one alone is often a false detection."""


class FaceMesh:
    """Finds the one face of a clip; use as a context manager and feed frames in order, as it tracks between them."""

    def __init__(self) -> None:
        with silenced():
            from mediapipe.python.solutions.face_mesh import FaceMesh as Network

            self._network = Network(refine_landmarks=True, max_num_faces=2)
            # The first picture waits for threads that announce themselves.
            self._network.process(np.zeros((64, 64, 3), np.uint8))
        self._seen = False
        self._frame = 0
        self._with_second_face = 0

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network.close()

    def points(self, picture: Picture) -> Floats | None:
        """Pixel positions (478, 2) of the face in an sRGB picture (H, W, 3), or None where no face is seen.

        Raises
        ------
        LikenessError
            If a second face stays in the picture.
        """
        height, width = picture.shape[:2]
        # Some warnings come with the first face; afterwards a user's own progress display must not be swallowed.
        with nullcontext() if self._seen else silenced():
            result: Any = self._network.process(picture)
        found = result.multi_face_landmarks or []
        self._seen = self._seen or bool(found)
        faces = [np.array([[p.x * width, p.y * height] for p in face.landmark], np.float32) for face in found]
        faces.sort(key=_extent, reverse=True)
        self._with_second_face = self._with_second_face + 1 if _second_face(faces) else 0
        self._frame += 1
        if self._with_second_face == SECOND_FACE_FRAMES:
            raise LikenessError(
                f"Two faces are seen at frame {self._frame - SECOND_FACE_FRAMES}; crop the video to the one to track."
            )
        return faces[0] if faces else None


def _extent(points: Floats) -> float:
    """The longer side of the box around a face, pixels."""
    return float(np.ptp(points, axis=0).max())


def _second_face(faces: list[Floats]) -> bool:
    """Whether the second of two faces, largest first, is someone else: not tiny and not the same face again."""
    if len(faces) < 2:
        return False
    apart = np.linalg.norm(faces[0].mean(0) - faces[1].mean(0))
    return _extent(faces[1]) > 0.25 * _extent(faces[0]) and float(apart) > 0.5 * _extent(faces[0])
