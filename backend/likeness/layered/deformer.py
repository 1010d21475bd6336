"""How any point of canonical space moves: attributes of the head's skin, carried outwards.

Near the head a point moves as the nearest skin does. Away from it expressions fade, for hair does not smile, and skin
weights blur, for they would tear hair where the nearest skin jumps from head to shoulder.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from ..rig import AVATAR_JOINTS, CORRECTIVE_COUNT, JOINTS
from .canonical import Attributes, CanonicalHead, bare_vertices
from .carried_motion import CarriedMotion
from .grid import Grid
from .hanging import ANCHOR_DEPTH, Hanging
from .point_deformation import MeshMotion
from .torso import TorsoShare

Array = npt.NDArray[np.float32]

NEIGHBOURS = 8
FADE_START, FADE_LENGTH = 0.01, 0.015
NARROW_BLUR, WIDE_BLUR = 0.012, 0.03
NARROW_START, WIDE_START = 0.01, 0.025
MAXIMAL_INFLUENCES = 4


class Deformer:
    """Expression basis, pose correctives and skin weights at any canonical point.

    Only the outer skin's vertices are carried outwards: eyeballs and teeth lie close behind lids and lips, but shells
    outside the head must follow the lids and the lips.

    Attributes
    ----------
    hanging : Hanging
        How hair hangs; not at all unless :meth:`with_hanging` says otherwise.
    """

    def __init__(self, head: CanonicalHead, low: Array, high: Array, cell: float = 0.008) -> None:
        """Prepare for points between ``low`` and ``high`` (metres); ``cell`` is that of the blurred weights' grid."""
        self._skin = np.unique(head.model.faces[head.model.regions["skin"]])
        self._tree = KDTree(head.points[self._skin])
        attributes = head.attributes[self._skin]
        self._expression_count = attributes.expression_basis.shape[2]
        self._moves = np.concatenate(
            [
                attributes.expression_basis.reshape(len(self._skin), -1),
                attributes.corrective_basis.reshape(len(self._skin), -1),
            ],
            1,
        )
        # Most head models use few of the 36 correctives; columns of zeros are not worth multiplying.
        self._used = np.flatnonzero(np.abs(self._moves).max(0) > 0)
        self._moves = np.ascontiguousarray(self._moves[:, self._used])
        self._weights = attributes.skin_weights
        highest = head.points[self._skin, 1].max()
        neck = head.joints[JOINTS.index("neck")]
        self.hanging = Hanging(0.0, np.array([neck[0], highest - ANCHOR_DEPTH, neck[2]], np.float32))
        self._torso: TorsoShare | None = None
        self._motion: CarriedMotion | None = None
        self._bare = np.isin(self._skin, bare_vertices(head)).astype(np.float32)
        self._grid = Grid.over(low, high, cell)
        nodes = self._grid.points()
        _, nearest = self._tree.query(nodes)
        volume = self._weights[nearest].reshape(*self._grid.shape, -1)
        self._blurred = [
            np.stack(
                [
                    gaussian_filter(volume[..., joint], width / cell, mode="nearest")
                    for joint in range(volume.shape[-1])
                ],
                -1,
            )
            for width in (NARROW_BLUR, WIDE_BLUR)
        ]

    def attributes(self, points: Array) -> Attributes:
        """Attributes of canonical points (N, 3).

        At a skin vertex they are exactly that vertex's.
        """
        return self.looked_up(points)[0]

    def looked_up(self, points: Array) -> tuple[Attributes, Array]:
        """Attributes of canonical points (N, 3), and how much (N,), 0..1, each lies before the bare face.

        Before the face below the brows nothing is expected to stand off the head model.
        """
        blend, distance = self._blend(points)
        fade = np.exp(-np.maximum(distance - FADE_START, 0) / FADE_LENGTH).astype(np.float32)
        moves = np.zeros((len(points), 3 * (self._expression_count + CORRECTIVE_COUNT)), np.float32)
        moves[:, self._used] = (blend @ self._moves) * fade[:, None]
        split = 3 * self._expression_count
        weights = few_influences(self._shifted(points, self._softened(points, blend @ self._weights, distance)))
        correctives = moves[:, split:].reshape(len(points), 3, -1)
        if self.hanging.share:
            places, parts = torch.as_tensor(points), (torch.as_tensor(weights), torch.as_tensor(distance))
            correctives += self.hanging.basis(places, self.hanging.strength(places, *parts)).numpy()
        attributes = Attributes(moves[:, :split].reshape(len(points), 3, -1), correctives, weights)
        return attributes, blend @ self._bare

    def nearest(self, points: Array, count: int) -> npt.NDArray[np.int32]:
        """The skin vertices (N, count) nearest to canonical points (N, 3), in the numbers of :meth:`motion`."""
        return np.asarray(self._tree.query(points, count)[1], np.int32)

    def nearness(self, points: Array) -> Array:
        """Distances (N,) of canonical points (N, 3) from the nearest skin vertex, metres."""
        return np.asarray(self._tree.query(points)[0], np.float32)

    def bareness(self, points: Array) -> Array:
        """How much (N,), 0..1, canonical points (N, 3) lie before the bare face."""
        return self._blend(points)[0] @ self._bare

    def soft_weights(self, points: Array) -> Array:
        """Skin weights (N, 6) alone, blurred everywhere as they are a centimetre and a half away from the head."""
        return self._grid.sample(self._blurred[0], points)

    def hanging_strength(self, points: Array, weights: Array) -> Array:
        """How much (N,) canonical points (N, 3) with skin weights (N, 6) hang."""
        parts = (torch.as_tensor(values) for values in (points, weights, self.nearness(points)))
        return self.hanging.strength(*parts).numpy()

    def _blend(self, points: Array) -> tuple[sparse.csr_matrix, Array]:
        """Interpolation weights (N, V) from skin vertices, and the distance (N,) of the nearest one.

        Modified Shepard interpolation: a neighbour's influence falls to zero at the distance of the first vertex left
        out, so nothing jumps when neighbours change.
        """
        distances, indices = (np.asarray(found) for found in self._tree.query(points, NEIGHBOURS + 1))
        nearest, reach = distances[:, :1], distances[:, -1:]
        influence = (np.maximum(reach - distances[:, :-1], 0) / (distances[:, :-1] + 0.15 * nearest + 1e-7)) ** 2
        influence /= influence.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(points)), NEIGHBOURS)
        shape = (len(points), len(self._skin))
        blend = sparse.csr_matrix((influence.ravel().astype(np.float32), (rows, indices[:, :-1].ravel())), shape)
        return blend, nearest[:, 0].astype(np.float32)

    def with_torso(self, torso: TorsoShare) -> Deformer:
        """The same with a learned correction of the torso's share."""
        corrected = copy(self)
        corrected._torso = torso
        return corrected

    def with_hanging(self, share: float) -> Deformer:
        """The same with hair that does not follow a share, 0..1, of the head's nods and tilts."""
        changed = copy(self)
        changed.hanging, changed._motion = replace(self.hanging, share=share), None
        return changed

    def motion(self, torso: TorsoShare | None = None) -> MeshMotion:
        """The same in torch, frame by frame and differentiable; with a torso's share that is still being learnt."""
        motion = self._motion if self._motion is not None else self._carried_motion()
        self._motion = motion
        return replace(motion, torso=self._torso if torso is None else torso)

    def _carried_motion(self) -> CarriedMotion:
        count, split = len(self._skin), 3 * self._expression_count
        moves = np.zeros((count, 3 * (self._expression_count + CORRECTIVE_COUNT)), np.float32)
        moves[:, self._used] = self._moves
        parts = [part.reshape(count, 3, -1) for part in (moves[:, :split], moves[:, split:])]
        basis = np.concatenate(parts, 2)
        entries = np.flatnonzero(np.abs(basis).max((0, 1)) > 0)
        return CarriedMotion(
            tree=self._tree,
            vertices=torch.as_tensor(np.asarray(self._tree.data, np.float32)),
            basis=torch.as_tensor(basis[:, :, entries]),
            entries=torch.as_tensor(entries),
            skin_weights=torch.as_tensor(self._weights),
            grid=self._grid,
            blurred=torch.as_tensor(np.concatenate(self._blurred, -1).reshape(-1, 2 * len(AVATAR_JOINTS))),
            neighbours=NEIGHBOURS,
            fade=(FADE_START, FADE_LENGTH),
            softening=(NARROW_START, WIDE_START),
            hanging=self.hanging,
        )

    @torch.no_grad()
    def _shifted(self, points: Array, weights: Array) -> Array:
        if self._torso is None:
            return weights
        return self._torso(torch.as_tensor(points), torch.as_tensor(weights, dtype=torch.float32)).numpy()

    def _softened(self, points: Array, weights: Array, distance: Array) -> Array:
        narrow, wide = (self._grid.sample(volume, points) for volume in self._blurred)
        first = np.clip((distance - NARROW_START) / (WIDE_START - NARROW_START), 0, 1)[:, None]
        second = np.clip((distance - WIDE_START) / (WIDE_START - NARROW_START), 0, 1)[:, None]
        return weights * (1 - first) + first * (narrow * (1 - second) + wide * second)


def few_influences(weights: Array) -> Array:
    """Skin weights (N, 6) with all but the four largest set to zero, rows summing to one, as glTF wants them."""
    if weights.shape[1] != len(AVATAR_JOINTS):
        raise ValueError(f"skin weights have {weights.shape[1]} columns, not {len(AVATAR_JOINTS)}")
    smallest = np.argsort(weights, 1)[:, : weights.shape[1] - MAXIMAL_INFLUENCES]
    kept = weights.copy()
    np.put_along_axis(kept, smallest, 0, 1)
    # Traces of weight cost file size and change nothing.
    kept[kept < 1e-4] = 0
    return (kept / kept.sum(1, keepdims=True)).astype(np.float32)
