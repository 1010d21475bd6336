"""Regular grids over canonical space: where they lie and how they are sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """A regular grid of nodes; the first index is x, the last z.

    Attributes
    ----------
    low : (3,) float32
        Position of the first node, metres.
    cell : float
        Distance of neighbouring nodes, metres.
    shape : tuple of three int
        Number of nodes along x, y, z.
    """

    low: Array
    cell: float
    shape: tuple[int, int, int]

    @classmethod
    def over(cls, low: npt.ArrayLike, high: npt.ArrayLike, cell: float) -> Grid:
        """The grid that begins at ``low`` and covers everything up to ``high``."""
        low = np.asarray(low, np.float32)
        x, y, z = (int(count) for count in np.ceil((np.asarray(high) - low) / cell - 1e-6) + 1)
        return cls(low, float(cell), (x, y, z))

    @property
    def high(self) -> Array:
        """Position (3,) of the last node."""
        return (self.low + self.cell * (np.array(self.shape) - 1)).astype(np.float32)

    def with_cell(self, cell: float) -> Grid:
        """A grid over the same box with another cell."""
        return Grid.over(self.low, self.high, cell)

    def points(self) -> Array:
        """Positions (X * Y * Z, 3) of all nodes, last index fastest."""
        axes = [
            self.low[axis] + self.cell * np.arange(count, dtype=np.float32) for axis, count in enumerate(self.shape)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)

    def sample(self, values: npt.NDArray[np.floating], points: npt.NDArray[np.floating]) -> Array:
        """Trilinear values (N, ...) of a volume (X, Y, Z, ...) at points (N, 3); beyond the box, the nearest inside."""
        coordinates = ((points - self.low) / self.cell).T
        channels = values.reshape(*self.shape, -1)
        columns = [
            map_coordinates(channels[..., channel], coordinates, order=1, mode="nearest")
            for channel in range(channels.shape[-1])
        ]
        return np.stack(columns, -1).reshape(len(points), *values.shape[3:]).astype(np.float32)

    def resampled(self, values: npt.NDArray[np.floating], target: Grid) -> Array:
        """A volume (X, Y, Z) of this grid, trilinear at the nodes of another."""
        places = [
            np.clip(
                (target.low[axis] + target.cell * np.arange(target.shape[axis]) - self.low[axis]) / self.cell, 0, None
            )
            for axis in range(3)
        ]
        result = values.astype(np.float32)
        # Trilinear interpolation on a regular grid is three interpolations along one axis each: no random access.
        for axis, place in enumerate(places):
            position = np.minimum(place, result.shape[axis] - 1)
            first = np.minimum(position.astype(np.intp), result.shape[axis] - 2)
            fraction = (position - first).astype(np.float32).reshape([-1 if axis == k else 1 for k in range(3)])
            below, above = np.take(result, first, axis), np.take(result, first + 1, axis)
            result = below + fraction * (above - below)
        return result
