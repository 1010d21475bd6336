"""Where rays meet the surface while it is learned: by meshes, by refined meshes, and by the search, on a ball."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from balls import GEOMETRY, PRESET, ball_capture
from likeness.layered.hull_field import carved_field
from likeness.layered.layer_extraction import training_layers
from likeness.layered.nesting import SINKING
from likeness.layered.presets import Preset
from likeness.layered.reference_search import SearchSettings
from likeness.layered.reference_surface import boxed, reference_surface
from likeness.layered.stage_one import view_of
from likeness.layered.stage_one_state import StageOne, initial
from likeness.layered.surface_hits import Surface, View, mesh_surface
from likeness.raster.interface import barycentrics
from likeness.raster.warp_rasteriser import WarpRasteriser
from torch.nn.functional import normalize


def refining(steps: int) -> Preset:
    return replace(PRESET, geometry=replace(GEOMETRY, stage_one=replace(GEOMETRY.stage_one, refinement_steps=steps)))


@pytest.fixture(scope="module")
def scene() -> tuple[StageOne, View]:
    """A ball with open jaw and puffed cheeks, turned; rays that do not graze it."""
    capture, frames = ball_capture(turns=5, size=64)
    frames.expression[1] = torch.tensor([0.8, 0.6])
    frames.joint_rotations[1, :2] = torch.tensor([[0.05, 0.2, 0.0], [0.2, 0.0, 0.0]])
    torch.manual_seed(0)
    state = initial(carved_field(frames, capture, GEOMETRY), frames, PRESET)
    layers = training_layers(state.field, state.manifold, refining(1))
    view = view_of(state, layers, frames, 1, WarpRasteriser())
    distance = (view.directions[:, :2] * 0.6).norm(dim=1)
    chosen = (distance < 0.08).nonzero()[::3, 0]
    return state, replace(view, triangles=view.triangles[:, chosen], directions=view.directions[chosen])


@pytest.mark.parametrize(("steps", "most", "bound"), [(0, 0.9, 5e-5), (4, 0.999, 1e-4)])
def test_hits_on_layers_that_sank_lie_where_these_did(scene, steps, most, bound):
    state, view = scene
    plain, preset = view.layers, refining(steps)
    layers = training_layers(state.field, state.manifold, preset, nested=True)
    # The core is open under the head mesh, and the cover sinks beyond it.
    kept, whole = (torch.bincount(part.proxies.face_layers, minlength=4) for part in (layers, plain))
    assert kept[0] < whole[0]
    view = view_of(state, layers, ball_capture(turns=5, size=64)[1], 1, WarpRasteriser())
    hits = mesh_surface(state, view, preset).hits
    corners = layers.proxies.faces[view.triangles[hits.layers, hits.rays].long()].long()
    heights = (layers.heights[corners] * barycentrics(view.vertices[corners], hits.directions)).sum(1).detach()
    missed = (state.manifold(hits.uv)[0].detach() - heights).abs()
    cover, outermost = hits.layers == 2, hits.layers == 3
    sunk = GEOMETRY.shell_levels[0] - heights[cover]
    assert sunk.min() > -1e-6 and sunk.quantile(0.9) == pytest.approx(SINKING, abs=1e-6)
    # A single step along a slanting ray may overshoot where a coarse triangle spans a bend; refined, hardly any does.
    assert missed[cover].quantile(most) < bound
    torch.testing.assert_close(heights[outermost], torch.full_like(heights[outermost], GEOMETRY.shell_levels[1]))
    assert missed[outermost].median() < 1e-6


def on_levels(view: View, surface: Surface) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points, unit rays and levels of the hits on level sets."""
    hits = surface.hits
    chosen = ~view.layers.fixed[hits.layers]
    return hits.uv[chosen], hits.directions[chosen], view.layers.proxies.levels[hits.layers[chosen]]


@torch.no_grad()
def off_ray(state: StageOne, view: View, points: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    posed = view.deformation(state)(points)
    return (posed - (posed * rays).sum(1, keepdim=True) * rays).norm(dim=1)


def test_refinement_brings_hits_onto_ray_and_level(scene):
    state, view = scene
    distances, heights = [], []
    for steps in (0, 4):
        points, rays, levels = on_levels(view, mesh_surface(state, view, refining(steps)))
        distances.append(off_ray(state, view, points, rays))
        heights.append((state.manifold(points)[0] - levels).abs().detach())
    # Between vertices 12 mm apart the mesh's motion is some tenths of a millimetre off.
    assert distances[0].median() > 2e-5
    # Single precision at half a metre; one in a hundred lies next to a wall between cells.
    assert distances[1].median() < 5e-7 and distances[1].quantile(0.99) < 2e-5
    assert heights[1].median() < 1e-7


def test_refined_hits_keep_the_meshs_gradient_for_the_pose(scene):
    state, view = scene
    gradients = []
    for steps in (0, 4):
        vertices = view.vertices.detach().clone().requires_grad_()
        points, _, _ = on_levels(view, mesh_surface(state, replace(view, vertices=vertices), refining(steps)))
        state.manifold.zero_grad()
        points.square().sum().backward()
        gradients.append(vertices.grad)
        assert state.manifold.residuals[0].grad.abs().max() > 0
    # The places differ by tenths of a millimetre, and so do the slopes there.
    similar = torch.nn.functional.cosine_similarity(gradients[0].flatten(), gradients[1].flatten(), dim=0)
    assert similar > 0.995


def test_the_search_finds_the_same_places_and_normals(scene):
    state, view = scene
    fast = mesh_surface(state, view, refining(4))
    slow = reference_surface(SearchSettings(samples=64))(state, view, PRESET)
    places = []
    for surface in (fast, slow):
        hits = surface.hits
        where = torch.full((hits.layer_count, hits.ray_count, 7), torch.nan)
        where[hits.layers, hits.rays] = torch.cat([hits.uv, hits.normals, surface.opacity[:, None]], 1).detach()
        places.append(where)
    both = ~places[0][..., 0].isnan() & ~places[1][..., 0].isnan()
    assert both.sum() > 0.99 * max((~part[..., 0].isnan()).sum() for part in places)
    apart = (places[0] - places[1])[both]
    assert (apart[:, :3].norm(dim=1) < 2e-4).float().mean() > 0.99
    # Smooth normals of a mesh with faces of 12 mm, a tenth of the radius, against the field's own: within 5 degrees.
    assert (places[0] * places[1])[both][:, 3:6].sum(1).median() > 0.996
    assert apart[:, 6].abs().median() < 0.01
    # Layers that are meshes of their own are the same in both.
    fixed = view.layers.fixed.nonzero()[:, 0]
    torch.testing.assert_close(places[0][fixed], places[1][fixed], equal_nan=True)
    assert ((slow.triangles >= 0) == ~places[1][..., 0].isnan()).all()


def test_the_searchs_hits_carry_gradients(scene):
    state, view = scene
    shift = torch.zeros(3, requires_grad=True)
    state.manifold.zero_grad()
    surface = reference_surface(SearchSettings(samples=48))(state, replace(view, shift=shift), PRESET)
    points, rays, _ = on_levels(view, surface)
    (points * rays).sum().backward()
    assert shift.grad is not None and shift.grad.abs().max() > 0
    assert state.manifold.residuals[1].grad.abs().max() > 0
    values, levels, found = surface.outline
    assert (values - levels).abs().max() < 1e-6 and 0 < len(found) < len(points)


def test_outside_of_the_box_is_nothing(scene):
    state, _ = scene
    grid = state.manifold.grid
    inside = torch.as_tensor((grid.low + grid.high) / 2)[None]
    assert boxed(state.manifold)(inside) < 0
    assert boxed(state.manifold)(torch.as_tensor(grid.high)[None] + 0.001) > 100


def test_rays_are_unit(scene):
    state, view = scene
    hits = mesh_surface(state, view, PRESET).hits
    torch.testing.assert_close(hits.directions, normalize(view.directions, dim=1)[hits.rays])
