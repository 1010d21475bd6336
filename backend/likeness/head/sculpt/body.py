"""All pieces of the head in one mesh, and which vertex belongs to what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from .distance import Array
from .ears import ear
from .eyes import eyeball
from .part import Indices, Part, joined, mirrored
from .sheet import skin
from .teeth import lower_gums, lower_teeth, tongue, upper_gums, upper_teeth


@dataclass(frozen=True)
class Body:
    """The assembled head.

    Attributes
    ----------
    parts : tuple of Part
        In the order of their vertices.
    points, faces : arrays
        Of all parts together, centimetres.
    owner : (V,) of str
        Name of each vertex's part.
    ring, column, patch : (V,)
        As in :class:`~.part.Part`.
    twin : (V,)
        The vertex on the other side; itself on the midline.
    """

    parts: tuple[Part, ...]
    points: Array
    faces: Indices
    owner: npt.NDArray[np.str_]
    ring: Indices
    column: Indices
    patch: npt.NDArray[np.str_]
    twin: Indices

    def of(self, *names: str) -> npt.NDArray[np.bool_]:
        """Mask (V,) of the vertices of named parts."""
        return np.isin(self.owner, names)

    def rows(self, patch: str) -> Indices:
        """Ring numbers (V,) within one kind of patch, -1 elsewhere."""
        return np.where(self.patch == patch, self.ring, -1)


def body() -> Body:
    """Make every piece and put them together."""
    left_ear, left_eye = ear(), eyeball()
    parts = (
        skin(),
        left_ear,
        mirrored(left_ear, "ear_r"),
        left_eye,
        mirrored(left_eye, "eye_r"),
        upper_teeth(),
        lower_teeth(),
        upper_gums(),
        lower_gums(),
        tongue(),
    )
    names = ("skin", "ear_l", "ear_r", "eye_l", "eye_r", *(part.name for part in parts[5:]))
    whole = joined("head", parts)
    owner = np.concatenate([np.full(len(part.points), name) for name, part in zip(names, parts, strict=True)])
    twin = _twins(whole.points, owner, whole)
    # The file keeps float32: rounding here keeps what is computed and what is stored the same, and mirror images exact.
    points = ((whole.points + whole.points[twin] * [-1, 1, 1]) / 2).astype(np.float32).astype(np.float64)
    return Body(parts, points, whole.faces, owner, whole.ring, whole.column, whole.patch, twin)


def _twins(points: Array, owner: npt.NDArray[np.str_], whole: Part) -> Indices:
    # Lips that touch and lids' corners coincide: the place in the grid tells such points apart.
    _, kind = np.unique([name.removesuffix("_l").removesuffix("_r") for name in owner.tolist()], return_inverse=True)
    place = 100.0 * np.column_stack([kind, whole.ring, whole.column])
    distance, twin = KDTree(np.column_stack([points, place])).query(np.column_stack([points * [-1, 1, 1], place]))
    if distance.max() > 1e-4:
        raise ValueError(f"the head is not symmetric: a vertex is {distance.max():.2g} cm from its mirror image")
    return np.asarray(twin, np.int64)
