"""Keeping layers nested: inner ones behind outer ones along every ray, so that order and depth agree.

Layers are composited in order; Blender's engines also go by depth. Level sets of one field are nested by themselves,
but the head mesh is none, and it is open: hair lies far outside of it, beside it and before it. So no layer within the
head mesh may hold hair. The core withdraws behind the head mesh and rises beyond its rim no more steeply than rays come
in. Hair, neck and torso get their opaque surface from the innermost shell, the cover: before the face it stands off the
head mesh and starts transparent; beyond the rim, and where hair stands high above the head, it sinks below the outline
and starts opaque.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from .canonical import CanonicalHead
from .distance import head_distance
from .geometry_preset import GeometryPreset
from .grid import Grid
from .head_layers import REGIONS

Array = npt.NDArray[np.float32]

CLEARANCE = 0.0035
"""How far behind the head mesh the core stays, metres: more than what decimation moves either."""

SLOPE = 1.2
"""How steeply the core may rise beyond the head mesh's rim; rays that come in at 40 degrees still pass it.

Less steeply it would lie too deep beside cheeks: a ray that just misses one meets shells there that must stay clear,
for behind them is skin when the head turns back, and without the core nothing opaque behind them.
"""

RIM = 0.003
"""How far beyond the head mesh's rim the core begins to rise, metres: about what a grid cell blurs the rim by."""

CORE_SINKING = 0.0025
"""How far the core sinks everywhere, metres: the cover is the opaque surface in its place."""

SINKING = 0.0015
"""How far the cover sinks where it is the opaque surface, metres.

Rays that pass between it and the next shell are drawn by shells alone, which were seldom seen at that angle: what is
between becomes a pale rim along the hair wherever the head turns.
"""

SINKING_START, SINKING_END = 0.002, 0.012
"""Distances beyond the head mesh's rim between which the cover becomes the opaque surface, metres."""

HAIR_START, HAIR_END = 0.0035, 0.007
"""Heights above the head between which it becomes that before the head mesh: there hangs hair, metres."""


@dataclass(frozen=True)
class Nesting:
    """Where the head mesh is, as volumes on a grid over canonical space.

    Attributes
    ----------
    grid : Grid
    head : (X, Y, Z) float32
        Signed distance to the whole head, metres.
    beyond : (X, Y, Z) float32
        How far the nearest point of the head lies beyond the head mesh's rim, metres; zero under the head mesh.
    """

    grid: Grid
    head: Array
    beyond: Array

    def sunk(self, values: Array, level: float, geometry: GeometryPreset) -> Array:
        """The field (X, Y, Z) of which a layer is the level set, where ``values`` has the surface at zero."""
        if level == geometry.core_level:
            return self.core(values, level)
        return self.cover(values) if level == geometry.shell_levels[0] else values

    def solid(self, points: Array, level: float, geometry: GeometryPreset) -> Array:
        """How much (N,), 0..1, a layer is the opaque surface at points (N, 3), whatever opacity it starts with."""
        return self.cover_share(points) if level == geometry.shell_levels[0] else np.zeros(len(points), np.float32)

    def core(self, values: Array, level: float) -> Array:
        """A field (X, Y, Z) whose level set lies within that of ``values`` and stays behind the head mesh."""
        return np.maximum(values + CORE_SINKING, self.head - SLOPE * (self.beyond - RIM).clip(0) + (CLEARANCE + level))

    def cover(self, values: Array) -> Array:
        """A field (X, Y, Z) whose level sets are those of ``values`` before the bare face and sink elsewhere."""
        return values + SINKING * _cover_share(self.beyond, self.head)

    def cover_share(self, points: Array) -> Array:
        """How much (N,), 0..1, the cover is the opaque surface at points (N, 3)."""
        return _cover_share(self.grid.sample(self.beyond, points), self.grid.sample(self.head, points))


def nesting(head: CanonicalHead, grid: Grid) -> Nesting:
    """Find where the head mesh is."""
    distance = head_distance(head, grid)
    beyond = gaussian_filter(_beyond_rim(head)[distance.nearest], 0.5)
    return Nesting(grid, distance.values, distance.coarse.resampled(beyond, grid))


def _cover_share(beyond: Array, height: Array) -> Array:
    share = np.maximum(_rise(beyond, SINKING_START, SINKING_END), _rise(height, HAIR_START, HAIR_END))
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _rise(values: Array, start: float, end: float) -> Array:
    return np.clip((values - start) / (end - start), 0, 1)


def _beyond_rim(head: CanonicalHead) -> Array:
    """How far (F,) each triangle of the head lies from those that the head mesh shows, metres."""
    faces, regions = head.model.faces, head.model.regions
    drawn = np.unique(faces[np.any([regions[name] for name in REGIONS], axis=0)])
    distances, _ = KDTree(head.points[drawn]).query(head.points)
    return distances[faces].mean(1).astype(np.float32)
