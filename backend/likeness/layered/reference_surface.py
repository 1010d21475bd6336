"""Where rays meet the surface by the reference search: what stage 1 would do without meshes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn.functional import normalize

from .field import Manifold
from .implicit_hits import implicit_hits
from .layer_extraction import TrainingLayers
from .outline import CARVED_LEVEL
from .point_deformation import FrameDeformation
from .presets import Preset
from .reference_search import NOTHING, Crossings, FieldValues, Search, SearchSettings, first_crossings
from .rendering import Hits
from .search_starts import Starts, bone_starts
from .stage_one_state import StageOne
from .surface_hits import Surface, SurfaceFinder, View, mesh_surface

StartsFor = Callable[[FrameDeformation], Starts]
"""Starts of the search in a frame."""


def reference_surface(settings: SearchSettings, starts: StartsFor = bone_starts) -> SurfaceFinder:
    """A finder of hits that searches level sets along rays; layers that are meshes of their own are still meshes."""

    def find(state: StageOne, view: View, preset: Preset) -> Surface:
        layers, proxies = view.layers, view.layers.proxies
        deformation = view.deformation(state)
        crossings = searched(state, view, settings, starts)
        on_level = (~layers.fixed).nonzero()[:, 0]
        place, ray = crossings.found.nonzero(as_tuple=True)
        layer, along = on_level[place], normalize(view.directions, dim=1)[ray]
        levels = proxies.levels[layer]
        points, normals = implicit_hits(deformation, state.manifold, crossings.points[place, ray], along, levels)
        low = (levels < CARVED_LEVEL).nonzero()[:, 0]
        values, _ = state.manifold(points[low])
        bare = torch.as_tensor(state.field.deformer.bareness(points.detach().numpy()))
        alphas = _first_opacities(layers)[layer]
        opacity = torch.where(levels > 0, alphas * (1 - 0.9 * bare), alphas)
        meshes = torch.where(layers.fixed[:, None], view.triangles, -1)
        others = mesh_surface(state, replace(view, triangles=meshes), preset)
        hits = Hits(
            torch.cat([others.hits.layers, layer]),
            torch.cat([others.hits.rays, ray]),
            torch.cat([others.hits.uv, points]),
            torch.cat([others.hits.normals, normals]),
            torch.cat([others.hits.directions, along]),
            len(view.directions),
            len(view.triangles),
        )
        seen = meshes.index_put((layer, ray), torch.zeros_like(layer, dtype=meshes.dtype))
        return Surface(hits, torch.cat([others.opacity, opacity]), (values, levels[low], ray[low]), seen)

    return find


@torch.no_grad()
def searched(state: StageOne, view: View, settings: SearchSettings, starts: StartsFor) -> Crossings:
    """Crossings of all layers that are level sets, inner to outer, along a view's rays."""
    deformation = view.deformation(state)
    middle = (view.vertices.amax(0) + view.vertices.amin(0)) / 2
    reach = float(torch.linalg.vector_norm(view.vertices - middle, dim=1).max())
    search = Search(deformation, boxed(state.manifold), starts(deformation), settings)
    levels = view.layers.proxies.levels[~view.layers.fixed]
    return first_crossings(search, normalize(view.directions, dim=1), levels, (middle, reach))


def _first_opacities(layers: TrainingLayers) -> torch.Tensor:
    """Opacity (L,) that each layer starts with where nothing says that it should be clear."""
    proxies = layers.proxies
    of_face = layers.opacity[proxies.faces.long()].amax(1)
    return torch.zeros(proxies.layer_count).scatter_reduce(0, proxies.face_layers.long(), of_face, "amax")


def boxed(manifold: Manifold) -> FieldValues:
    """The manifold's values in its box; outside, where layers are closed by caps, nothing is."""
    low, high = torch.as_tensor(manifold.grid.low), torch.as_tensor(manifold.grid.high)

    def values(points: torch.Tensor) -> torch.Tensor:
        inside = ((points >= low) & (points <= high)).all(1)
        return torch.where(inside, manifold(points)[0], NOTHING)

    return values
