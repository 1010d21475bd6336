"""Hair where nobody has looked: behind the ears, all the way round.

Seen from above, hair goes round the head, and behind the ears there is nothing else down to the nape. Its colour goes
on from hair that was seen above the brows, for beside the face lie ears and skin. Its strands are those of the seen
hair, mirrored at the last angle that was seen, so that nothing breaks there, and folded to and fro.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree

from ..rig import JOINTS

Array = npt.NDArray[np.float32]

BROWS, NAPE, NECK = 0.03, -0.05, -0.1
"""Heights above the eyes, metres: hair is known above the first; from the second down to the third it ends."""

BESIDE, BEHIND = np.radians(95.0), np.radians(115.0)
"""Angles from the face, about the vertical through the ears: from the first to the second hair begins."""

STRIP = 0.05
"""How much of the seen hair is repeated, metres round the head."""

_EARS = -0.07
_SLICE = 0.01


@dataclass(frozen=True)
class HairBand:
    """Where hair is known, and where it is expected.

    Attributes
    ----------
    axis : (3,) float32
        A point between the ears at the height of the eyes, at rest, metres.
    """

    axis: Array

    @classmethod
    def of_joints(cls, joints: Array) -> HairBand:
        """Between the ears of a head with these joints (5, 3)."""
        eyes = joints[[JOINTS.index("eye_l"), JOINTS.index("eye_r")]].mean(0)
        return cls((eyes + np.array([0, 0, _EARS])).astype(np.float32))

    def known(self, places: Array) -> npt.NDArray[np.bool_]:
        """Which of the seen places (M, 3) show hair, if the person has any."""
        return places[:, 1] - self.axis[1] > BROWS

    def expected(self, points: Array) -> Array:
        """How much (N,), 0..1, hair is expected at unseen points (N, 3)."""
        angles, heights = self._unrolled(points)
        above = np.clip((heights - NECK) / (NAPE - NECK), 0, 1)
        behind = np.clip((np.abs(angles) - BESIDE) / (BEHIND - BESIDE), 0, 1)
        behind = np.maximum(behind, np.clip((heights - BROWS) / BROWS, 0, 1))
        return (above * behind).astype(np.float32)

    def mirrored(self, places: Array, points: Array) -> npt.NDArray[np.intp]:
        """Which of the places (M, 3), all of them hair that was seen, lends its strands to each point (N, 3)."""
        (seen_angles, seen_heights), (angles, heights) = self._unrolled(places), self._unrolled(points)
        radius = float(np.hypot(*(places - self.axis)[:, ::2].T).mean())
        lowest, highest = BROWS, seen_heights.max()
        heights = lowest + _folded(heights - lowest, max(highest - lowest, _SLICE))
        for side in (-1, 1):
            here = side * angles > 0
            end = _last_angle(side * seen_angles, seen_heights, heights[here])
            beyond = side * angles[here] - end
            turned = end - _folded(np.maximum(beyond, 0) * radius, STRIP) / radius
            angles[here] = side * np.where(beyond > 0, turned, side * angles[here])
        tree = KDTree(np.stack([seen_angles * radius, seen_heights], 1))
        return np.asarray(tree.query(np.stack([angles * radius, heights], 1), workers=-1)[1])

    def _unrolled(self, points: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Angles from the face (N,), radians, and heights above the eyes (N,), metres."""
        x, y, z = (points - self.axis).astype(np.float64).T
        return np.arctan2(x, z), y


def _last_angle(
    angles: npt.NDArray[np.float64], seen_heights: npt.NDArray[np.float64], heights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The angle up to which hair was seen on the positive side, smoothed, at heights (N,)."""
    slices = np.floor(seen_heights / _SLICE).astype(np.int64)
    beside = angles > 0
    found = [(number, np.percentile(angles[beside & (slices == number)], 98)) for number in np.unique(slices[beside])]
    if not found:
        return np.zeros_like(heights)
    numbers, ends = np.array(found).T
    return np.interp(heights, (numbers + 0.5) * _SLICE, gaussian_filter1d(ends, 1.0, mode="nearest"))


def _folded(distance: npt.NDArray[np.float64], length: float) -> npt.NDArray[np.float64]:
    """Distances (N,) run to and fro over a length."""
    return length - np.abs(np.abs(distance) % (2 * length) - length)
