"""Where rays meet the surface while stage 1 learns it: by layer meshes, refined onto the level sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from ..camera import Camera
from ..raster.interface import barycentrics
from .deformation import TorchPose
from .field import project_to_level
from .hit_refinement import refined_hits
from .implicit_hits import implicit_hits
from .layer_extraction import TrainingLayers
from .outline import CARVED_LEVEL
from .point_deformation import FrameDeformation
from .presets import Preset
from .rendering import Hits, smooth_normals
from .stage_one_state import StageOne


@dataclass(frozen=True)
class View:
    """A frame as seen along some rays.

    Attributes
    ----------
    layers : TrainingLayers
    vertices : (V, 3) float32
        Their vertices in camera space.
    triangles : (L, P) int32
        What each layer shows along each ray, -1 for nothing.
    directions : (P, 3) float32
        Rays in camera space, any length.
    pose : TorchPose
        As it is refined so far.
    camera : Camera
    shift : (3,) float32
        Moves everything in camera space.
    """

    layers: TrainingLayers
    vertices: torch.Tensor
    triangles: torch.Tensor
    directions: torch.Tensor
    pose: TorchPose
    camera: Camera
    shift: torch.Tensor

    def deformation(self, state: StageOne) -> FrameDeformation:
        """How any canonical points move in this frame."""
        motion = state.field.deformer.motion(state.torso)
        return FrameDeformation(motion, state.field.head, self.pose, self.camera, self.shift)

    def deformation_of(self, state: StageOne, points: torch.Tensor, corners: torch.Tensor) -> FrameDeformation:
        """How these points (N, 3) on triangles with corners (N, 3) move, and what lies close to them: quicker."""
        motion = state.field.deformer.motion(state.torso).on_triangles(points, corners, self.layers.neighbours)
        return FrameDeformation(motion, state.field.head, self.pose, self.camera, self.shift)


@dataclass(frozen=True)
class Surface:
    """What the losses of stage 1 need to know of a view.

    Attributes
    ----------
    hits : Hits
        With canonical points in the place of texture coordinates.
    opacity : (N,) float32
        What is expected at each hit.
    outline : tuple of tensors
        Field values (M,), levels (M,) and rays (M,) of hits on level sets that shall not reach beyond the matte.
    triangles : (L, P) int32
        Negative where a layer is not hit.
    """

    hits: Hits
    opacity: torch.Tensor
    outline: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    triangles: torch.Tensor


SurfaceFinder = Callable[[StageOne, View, Preset], Surface]


def mesh_surface(state: StageOne, view: View, preset: Preset) -> Surface:
    """Hits of the layer meshes, brought to the level sets, or to how far below them layers have sunk.

    Where the preset asks for it, hits are first brought to where the ray truly is in the deformed field. The last step
    carries the gradient: along the canonical ray into the manifold, with the mesh's own motion for the pose; or, where
    the deformer is learnt, into everything that the hit depends on.
    """
    layers, proxies = view.layers, view.layers.proxies
    layer, ray = (view.triangles >= 0).nonzero(as_tuple=True)
    corners = proxies.faces[view.triangles[layer, ray].long()].long()
    along = normalize(view.directions[ray], dim=1)
    posed, canonical = view.vertices[corners], layers.canonical[corners]
    weights = barycentrics(posed, along)[..., None]
    points = (canonical * weights).sum(1)
    with torch.no_grad():
        normals = smooth_normals(proxies, view.vertices)
        smooth = normalize((normals[corners] * weights).sum(1), dim=1)
        inward = canonical_directions(posed, canonical, along)
    on_level = (~layers.fixed[layer]).nonzero()[:, 0]
    heights = (layers.heights[corners] * weights.detach()[..., 0]).sum(1)
    levels, rays, start = heights[on_level], along[on_level], points[on_level]
    steps, learnt = preset.geometry.stage_one.refinement_steps, state.learns_motion
    if steps or learnt:
        deformation = view.deformation_of(state, start, corners[on_level])
        refined = refined_hits(deformation, state.manifold, start.detach(), rays, levels, steps=steps)
        if learnt:
            moved, _ = implicit_hits(deformation, state.manifold, refined, rays, levels)
        else:
            # The value of one, the gradient of the other.
            start = refined + (start - start.detach())
    if not learnt:
        moved = project_to_level(state.manifold, start, levels, inward[on_level])
    nominal = proxies.levels[layer[on_level]]
    low = (nominal < CARVED_LEVEL).nonzero()[:, 0]
    values, _ = state.manifold(moved[low])
    points = points.index_copy(0, on_level, moved)
    hits = Hits(layer, ray, points, smooth, along, len(view.directions), len(view.triangles))
    opacity = (layers.opacity[corners] * weights.detach()[..., 0]).sum(1)
    return Surface(hits, opacity, (values, nominal[low], ray[on_level[low]]), view.triangles)


def canonical_directions(posed: torch.Tensor, canonical: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Rays seen from canonical space: through the deformation that takes a posed triangle to its canonical self.

    Parameters
    ----------
    posed, canonical : (N, 3, 3)
        Corners of the triangle that each ray hits.
    directions : (N, 3)
        Unit rays in the posed triangles' space.

    Returns
    -------
    (N, 3)
        Unit; towards the inside where the ray meets the triangle's front.
    """
    frames = []
    for corners in (posed, canonical):
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        frames.append(torch.stack([first, second, normalize(torch.linalg.cross(first, second), dim=1)], 2))
    # Slivers have no stable frame; leaning on the identity keeps the solution finite.
    singular = torch.linalg.det(frames[0]).abs() < 1e-12
    frames[0] = torch.where(singular[:, None, None], torch.eye(3), frames[0])
    coefficients = torch.linalg.solve(frames[0], directions)
    turned = torch.where(singular[:, None], directions, (frames[1] @ coefficients[..., None])[..., 0])
    return normalize(turned, dim=1)
