"""MediaPipe's face mesh over the frames of one clip: 478 points per face and frame."""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..quiet import silenced

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

POINTS = 478
"""Points of the refined mesh; the last ten lie on the irises."""

RIGHT_IRIS, LEFT_IRIS = 468, 473
"""Points at the centres of the subject's right and left iris."""


class FaceMesh:
    """Finds the faces of a clip; use as a context manager and feed frames in order, as it tracks between them.

    Parameters
    ----------
    most : int
        How many faces to look for, 1 or 2; looking for a second one takes twice as long.
    """

    def __init__(self, most: int = 2) -> None:
        with silenced():
            from mediapipe.python.solutions.face_mesh import FaceMesh as Network

            self._network = Network(refine_landmarks=True, max_num_faces=most)
            # The first picture waits for threads that announce themselves.
            self._network.process(np.zeros((64, 64, 3), np.uint8))
        self._seen = False

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network.close()

    def forget(self) -> None:
        """Look for faces anew in the next picture, as after a cut."""
        with silenced():
            self._network.reset()
        self._seen = False

    def faces(self, picture: Picture) -> list[Floats]:
        """Pixel positions (478, 2) of each face in an sRGB picture (H, W, 3), the largest first."""
        height, width = picture.shape[:2]
        # Some warnings come with the first face; afterwards a user's own progress display must not be swallowed.
        with nullcontext() if self._seen else silenced():
            result: Any = self._network.process(picture)
        found = result.multi_face_landmarks or []
        self._seen = self._seen or bool(found)
        faces = [np.array([[p.x * width, p.y * height] for p in face.landmark], np.float32) for face in found]
        faces.sort(key=_extent, reverse=True)
        return faces if _second_face(faces) else faces[:1]

    def face_near(self, picture: Picture, place: npt.ArrayLike) -> Floats | None:
        """The face (478, 2) at a place (2,), pixels; None where there is none within its own size."""

        def away(face: Floats) -> float:
            return float(np.linalg.norm(face.mean(0) - place)) / _extent(face)

        nearest = min(self.faces(picture), key=away, default=None)
        return nearest if nearest is not None and away(nearest) < 1 else None


def _extent(points: Floats) -> float:
    """The longer side of the box around a face, pixels."""
    return float(np.ptp(points, axis=0).max())


def _second_face(faces: list[Floats]) -> bool:
    """Whether the second of two faces, largest first, is someone else: not tiny and not the same face again."""
    if len(faces) < 2:
        return False
    apart = np.linalg.norm(faces[0].mean(0) - faces[1].mean(0))
    return _extent(faces[1]) > 0.25 * _extent(faces[0]) and float(apart) > 0.5 * _extent(faces[0])
