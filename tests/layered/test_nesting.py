"""Along any ray the core lies behind the head mesh, and the cover before it; hair is the cover's."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from balls import HAIR_RADIUS, ball_head
from likeness.camera import Camera
from likeness.layered.assembly import SOLID_OPACITY, level_set
from likeness.layered.canonical import canonical_head
from likeness.layered.core_opening import open_core
from likeness.layered.deformation import TorchPose, camera_vertices, posed_vertices
from likeness.layered.deformer import Deformer
from likeness.layered.extraction import extract_level
from likeness.layered.grid import Grid
from likeness.layered.hulls import shaped_layers
from likeness.layered.nesting import CLEARANCE, SINKING, nesting
from likeness.layered.presets import PREVIEW
from likeness.layered.rendering import ray_directions, visible_triangles
from likeness.raster.interface import barycentrics
from likeness.raster.warp_rasteriser import WarpRasteriser
from likeness.rig import Pose

CELL = 0.0045


@pytest.fixture(scope="module")
def scene():
    """A ball of hair around a bald ball with a face in front: the hardest case, for hair hangs before the face too."""
    head = canonical_head(ball_head(), ())
    reach = HAIR_RADIUS + 0.03
    grid = Grid.over([-reach] * 3, [reach] * 3, CELL)
    radius = np.linalg.norm(grid.points(), axis=1).reshape(grid.shape)
    return head, grid, (radius - HAIR_RADIUS).astype(np.float32)


def test_the_core_stays_behind_the_face_and_reaches_into_hair_elsewhere(scene):
    head, grid, values = scene
    nested = nesting(head, grid)
    level = PREVIEW.geometry.core_level
    core = extract_level(nested.core(values, level), grid, level).positions
    heights, beyond = grid.sample(nested.head, core), grid.sample(nested.beyond, core)
    # A grid's level set is off by a small part of its cell where the field bends.
    assert heights[beyond == 0].max() < -CLEARANCE + 0.1 * CELL
    # So near to the rim, because rays that just miss a cheek meet no other opaque layer.
    assert heights[beyond < 0.01].max() > 0.004


def test_the_cover_is_transparent_on_the_face_and_sinks_elsewhere(scene):
    head, grid, _ = scene
    nested = nesting(head, grid)
    bald = nested.cover(nested.head)
    cover = extract_level(bald, grid, 0.001).positions
    beyond, share = grid.sample(nested.beyond, cover), nested.cover_share(cover)
    assert share[beyond == 0].max() == 0
    assert share[beyond > 0.015].min() == 1
    assert grid.sample(nested.head, cover)[beyond > 0.015].max() < 0.001 - SINKING + 0.1 * CELL


def test_hair_before_the_face_is_the_covers(scene):
    head, grid, values = scene
    nested = nesting(head, grid)
    cover = extract_level(nested.cover(values), grid, 0.001).positions
    assert nested.cover_share(cover).min() == 1


def test_layers_know_how_far_they_sank(scene):
    head, grid, values = scene
    deformer = Deformer(head, grid.low, grid.high)
    for nested, level in product((None, nesting(head, grid)), PREVIEW.geometry.levels):
        if level != 0:
            layer = level_set(head, deformer, values, grid, level, PREVIEW.geometry, nested)
            found = grid.sample(values, layer.mesh.positions)
            # A vertex where the level set leaves the grid is on its cap, half a cell off.
            inside = (np.abs(layer.mesh.positions) < grid.high - grid.cell).all(1)
            assert np.abs(found - layer.heights)[inside].max() < 0.05 * CELL
            if nested is None:
                assert (layer.heights == np.float32(level)).all() and not layer.solid.any()


@pytest.mark.parametrize("turn", [0.0, 0.6, -0.6])
def test_no_ray_meets_an_inner_layer_before_an_outer_one(scene, turn):
    head, grid, values = scene
    preset = replace(PREVIEW, tile_size=64)
    layers = shaped_layers(head, Deformer(head, grid.low, grid.high), values, grid, preset)
    assert layers.opacity_prior(preset.geometry.opacities).max() == pytest.approx(
        max(SOLID_OPACITY, *preset.geometry.opacities)
    )
    proxies = open_core(layers.proxies).torch()
    matrix = np.eye(4, dtype=np.float32)
    sine, cosine = np.sin(turn), np.cos(turn)
    matrix[:3, :3] = [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]
    matrix[:3, 3] = matrix[:3, :3] @ [0, 0, 1]
    camera = Camera(96, 96, 250.0, 250.0, 48.0, 48.0, matrix)
    pose = TorchPose.of(Pose(np.zeros(head.model.expression_count, np.float32)))
    vertices = camera_vertices(posed_vertices(proxies, pose), camera)
    seen = visible_triangles(proxies, vertices, camera, WarpRasteriser())
    layer, ray = (seen >= 0).nonzero(as_tuple=True)
    corners = vertices[proxies.faces[seen[layer, ray].long()].long()]
    weights = barycentrics(corners, ray_directions(camera)[ray])
    depths = np.full(seen.shape, -np.inf)
    depths[layer, ray] = -(corners * weights[..., None]).sum(1)[:, 2].numpy()
    farthest_outside = np.maximum.accumulate(depths[::-1])[::-1][1:]
    crossed = (np.where(np.isfinite(depths[:-1]), depths[:-1], np.inf) < farthest_outside).any(0)
    # Of a pixel in a thousand, rays may graze where decimated meshes of neighbouring levels touch.
    assert crossed.sum() < 0.001 * (seen >= 0).any(0).sum().item()
