"""The motion of the head's skin carried outwards, in torch and differentiable: what :class:`Deformer` says, per frame.

A frame needs one displacement of each skin vertex instead of a whole basis of them, so this is much quicker than
asking the deformer for attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import KDTree
from torch.nn.functional import embedding_bag

from ..rig import CORRECTIVE_COUNT
from .carried_kernel import carried, nearest_among
from .field import grid_taps
from .grid import Grid
from .hanging import Hanging
from .torso import TorsoShare


@dataclass(frozen=True)
class CarriedMotion:
    """A :class:`likeness.layered.point_deformation.PointMotion` that follows the nearest skin.

    Attributes
    ----------
    tree : KDTree
        Of the V skin vertices in canonical space.
    vertices : (V, 3) float32
        The same vertices.
    basis : (V, 3, C) float32
        Displacements per unit of each of the entries that move anything.
    entries : (C,) int64
        Which of the E + 36 expressions and corrective features those are.
    skin_weights : (V, 6) float32
    grid : Grid
    blurred : (X * Y * Z, 12) float32
        Skin weights blurred a little, then blurred more, at the grid's nodes.
    neighbours : int
    fade : (2,) float
        Distance from which on displacements fade, and over what length.
    softening : (2,) float
        Distances at which skin weights begin to blur, and to blur more.
    hanging : Hanging
        How hair hangs.
    torso : TorsoShare, optional
        A learned correction of the torso's share.
    found : (N, neighbours + 1) int32, optional
        The nearest skin vertices, where it is known which points will be asked for.
    """

    tree: KDTree
    vertices: torch.Tensor
    basis: torch.Tensor
    entries: torch.Tensor
    skin_weights: torch.Tensor
    grid: Grid
    blurred: torch.Tensor
    neighbours: int
    fade: tuple[float, float]
    softening: tuple[float, float]
    hanging: Hanging
    torso: TorsoShare | None = None
    found: torch.Tensor | None = None

    def __call__(self, points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements (N, 3) and skin weights (N, 6) at canonical points (N, 3); see ``PointMotion``."""
        table = torch.cat([self.basis @ change[self.entries], self.skin_weights], 1)
        if self.found is not None and not torch.is_grad_enabled():
            return self._hung(points, change, *self._by_kernel(points, table, self.found))
        indices = self._neighbours(points) if self.found is None else self.found.long()
        distances = torch.linalg.vector_norm(points[:, None] - self.vertices[indices], dim=2)
        # Points that have moved may have their neighbours in another order.
        nearest, reach = distances.amin(1, keepdim=True), distances.amax(1, keepdim=True)
        influence = ((reach - distances) / (distances + 0.15 * nearest + 1e-7)) ** 2
        influence = influence / influence.sum(1, keepdim=True)
        blended = embedding_bag(indices, table, mode="sum", per_sample_weights=influence)
        start, length = self.fade
        faded = torch.exp(-(nearest - start).clamp(min=0) / length)
        weights = self._softened(points, blended[:, 3:], nearest[:, 0])
        if self.torso is not None:
            weights = self.torso(points, weights)
        return self._hung(points, change, blended[:, :3] * faded, strongest_influences(weights), nearest[:, 0])

    def on_triangles(self, points: torch.Tensor, corners: torch.Tensor, lists: torch.Tensor) -> CarriedMotion:
        """The same for points (N, 3) on triangles with corners (N, 3), near which they stay; see ``PointMotion``.

        Looking up neighbours takes most of the time. A point's are among those of its triangle's corners, which
        :meth:`likeness.layered.deformer.Deformer.nearest` finds once for a mesh.
        """
        return replace(self, found=nearest_among(points, corners, lists, self.vertices))

    def among(self, chosen: torch.Tensor) -> CarriedMotion:
        """The same for some (M,) of the points whose neighbours are known."""
        return self if self.found is None else replace(self, found=self.found[chosen])

    def _by_kernel(
        self, points: torch.Tensor, table: torch.Tensor, found: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        torso = None if self.torso is None else (self.torso.grid, self.torso.shifts)
        soft = (self.grid, self.blurred)
        return carried(
            points,
            found,
            self.vertices,
            table,
            fade=self.fade,
            softening=self.softening,
            soft=soft,
            torso=torso,
        )

    def _hung(
        self,
        points: torch.Tensor,
        change: torch.Tensor,
        displacements: torch.Tensor,
        weights: torch.Tensor,
        distance: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements (N, 3) with what hanging adds at distances (N,) from the skin, and the weights as they are."""
        if self.hanging.share:
            strength = self.hanging.strength(points, weights, distance)
            features = change[len(change) - CORRECTIVE_COUNT :]
            displacements = displacements + self.hanging.displacements(points, strength, features)
        return displacements, weights

    def _neighbours(self, points: torch.Tensor) -> torch.Tensor:
        _, found = self.tree.query(points.detach().numpy(), self.neighbours + 1, workers=torch.get_num_threads())
        return torch.as_tensor(np.asarray(found))

    def _softened(self, points: torch.Tensor, weights: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        narrow_start, wide_start = self.softening
        away = (distance > narrow_start).nonzero()[:, 0]
        nodes, shares = grid_taps(points[away], self.grid)
        blurred = embedding_bag(nodes, self.blurred, mode="sum", per_sample_weights=shares)
        narrow, wide = blurred.split(weights.shape[1], 1)
        length = wide_start - narrow_start
        first = ((distance[away] - narrow_start) / length).clamp(0, 1)[:, None]
        second = ((distance[away] - wide_start) / length).clamp(0, 1)[:, None]
        soft = weights[away] * (1 - first) + first * (narrow * (1 - second) + wide * second)
        return weights.index_copy(0, away, soft)


def strongest_influences(weights: torch.Tensor) -> torch.Tensor:
    """Skin weights (N, 6) as files hold them: four influences, no traces, rows summing to one."""
    smallest = weights.detach().topk(weights.shape[1] - 4, dim=1, largest=False).indices
    kept = weights.scatter(1, smallest, 0.0)
    kept = torch.where(kept < 1e-4, 0.0, kept)
    return kept / kept.sum(1, keepdim=True)
