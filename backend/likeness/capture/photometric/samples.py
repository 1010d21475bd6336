"""Points on a head's skin whose colours are followed through a clip, and which of them a camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ...camera import Camera
from ...head.model import HeadModel
from ...raster.interface import Rasteriser
from ...rig import JOINTS
from ..fitting.residuals import PICTURE, Unknowns

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

COUNT = 3000
"""Points on the face: one for every few pixels of a picture 512 wide."""

FACING = 0.3
"""Cosine of the angle between normal and view from which a point is looked at."""

_ON_NECK = 0.5  # weight of the root's joint from which skin does not follow the head
_DEPTH = 0.002  # metres that a point may lie behind what is seen at its pixel
_SIDE = 256  # of the picture in which visibility is decided


@dataclass(frozen=True)
class SkinSamples:
    """N points on a shaped head, before it moves; everything in the head model's space, metres.

    Attributes
    ----------
    rest : (N, 3) float32
        With no expression.
    expression_basis : (E, N, 3) float32
    normals : (N, 3) float32
        Unit, outwards, with no expression.
    """

    rest: Floats
    expression_basis: Floats
    normals: Floats

    def positions(self, expression: npt.ArrayLike) -> Floats:
        """The points (N, 3) with an expression (E,)."""
        weights = np.asarray(expression, np.float32)
        return self.rest + np.tensordot(weights, self.expression_basis, 1)


def skin_samples(head: HeadModel, identity: npt.ArrayLike, count: int = COUNT) -> SkinSamples:
    """Points spread evenly over the face's outer skin, where it follows the head."""
    shaped = head.shaped(identity)
    follows = (head.skin_weights[head.faces, JOINTS.index("root")] < _ON_NECK).all(1)
    triangles = head.faces[head.regions["face"] & head.regions["skin"] & follows]
    corners = head.template[triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    places = np.cumsum(areas) / areas.sum()
    # Triangles by equal steps of area, points in them by a fixed random sequence: the same in every run.
    chosen = triangles[np.searchsorted(places, (np.arange(count) + 0.5) / count).clip(max=len(triangles) - 1)]
    uniform = np.random.default_rng(0).random((count, 2))
    root = np.sqrt(uniform[:, :1])
    weights = np.concatenate([1 - root, root * (1 - uniform[:, 1:]), root * uniform[:, 1:]], 1).astype(np.float32)

    def at_points(values: Floats) -> Floats:
        # Not as NumPy lays out a sum of picked values: every frame goes through all of it, several times.
        return np.ascontiguousarray((values[..., chosen, :] * weights[..., None]).sum(-2), np.float32)

    normals = at_points(_normals(shaped, triangles))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    return SkinSamples(at_points(shaped), at_points(head.expression_basis), normals)


def visible(
    samples: SkinSamples,
    head: HeadModel,
    shaped: Floats,
    rasterise: Rasteriser,
    unknowns: Unknowns,
    frame: int,
    middle: tuple[float, float],
) -> Flags:
    """Which points (N,) a camera sees in one frame: turned towards it, and not hidden by the head itself.

    Parameters
    ----------
    samples : SkinSamples
    head : HeadModel
    shaped : (V, 3)
        Its vertices with the clip's identity.
    rasterise : Rasteriser
    unknowns : Unknowns
    frame : int
    middle : (float, float)
        The principal point, as shares of the picture's side.
    """
    expression = unknowns.expression[frame].astype(np.float32)
    rotation, translation = (x[frame].astype(np.float32) for x in (unknowns.rotation, unknowns.translation))
    focal = float(np.exp(unknowns.log_focal)) * _SIDE / PICTURE
    camera = Camera(_SIDE, _SIDE, focal, focal, middle[0] * _SIDE, middle[1] * _SIDE, np.eye(4, dtype=np.float32))
    vertices = (shaped + np.tensordot(expression, head.expression_basis, 1)) @ rotation.T + translation
    faces = torch.tensor(head.faces)
    seen = rasterise(torch.from_numpy(vertices), faces, torch.zeros(len(faces), dtype=torch.int32), 1, camera)[0]
    points = samples.positions(expression) @ rotation.T + translation
    normals = samples.normals @ rotation.T
    facing = -(normals * points).sum(1) / np.linalg.norm(points, axis=1) > FACING
    pixels = np.floor(camera.project(points)).astype(int)
    inside = ((pixels >= 0) & (pixels < _SIDE)).all(1)
    column, row = pixels.clip(0, _SIDE - 1).T
    triangle = seen.numpy()[row, column]
    # The farthest corner of the triangle seen stands for its depth: triangles are millimetres wide.
    depth = -vertices[head.faces[triangle]][..., 2].min(-1)
    return facing & inside & (triangle >= 0) & (-points[:, 2] < depth + _DEPTH)


def _normals(points: Floats, triangles: npt.NDArray[np.int32]) -> Floats:
    """Normals (V, 3) at vertices, weighted by area; zero where there is no triangle."""
    corners = points[triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], crosses)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
