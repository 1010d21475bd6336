from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh
from balls import ball_head
from likeness.layered.atlas import GUTTER, Atlas, cut_charts, pack_charts
from likeness.layered.canonical import canonical_head
from likeness.layered.head_layers import head_layer
from likeness.layered.mesh import Mesh
from scipy.ndimage import distance_transform_edt

TILE, ZOOM = 96, 8


@pytest.fixture(scope="module")
def packed():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    mesh = Mesh(np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32))
    density = np.where(mesh.positions[mesh.faces].mean(1)[:, 2] > 0, 2.0, 1.0)
    return mesh, density, pack_charts(mesh, cut_charts(mesh), density, TILE)


def test_charts_lie_apart_and_inside_the_tile(packed):
    _, _, atlas = packed
    chart = atlas.chart_of_faces()
    assert chart.max() > 0
    assert atlas.uv.min() >= GUTTER / 2 / TILE - 1e-6
    assert atlas.uv.max() <= 1 - GUTTER / 2 / TILE + 1e-6
    pictures = []
    for index in range(chart.max() + 1):
        picture = np.zeros((TILE * ZOOM, TILE * ZOOM), np.uint8)
        for face in atlas.faces_uv[chart == index]:
            # Sixteenths of a zoomed pixel, counted from pixel centres.
            corners = np.round((atlas.uv[face] * TILE * ZOOM - 0.5) * 16).astype(np.int32)
            cv2.fillConvexPoly(picture, corners, (1,), shift=4)
        pictures.append(picture.astype(bool))
    assert np.sum(pictures, 0).max() == 1
    for picture in pictures:
        others = np.any([other for other in pictures if other is not picture], 0)
        gap = np.asarray(distance_transform_edt(~others))[picture].min() / ZOOM
        # Drawing rounds each chart's edge outwards by up to a zoomed pixel and a half.
        assert gap > GUTTER - 3 / ZOOM


def test_triangles_do_not_overlap(packed):
    _, _, atlas = packed
    counts = np.zeros((TILE * ZOOM, TILE * ZOOM), np.int32)
    for face in atlas.faces_uv:
        a, b, c = atlas.uv[face] * TILE * ZOOM
        counts += _strictly_inside(a, b, c, TILE * ZOOM)
    assert counts.max() == 1


def test_important_charts_get_more_texels():
    head = ball_head()
    halves = Atlas(head.uv, head.faces_uv)
    mesh = Mesh(head.template, head.faces)
    front = mesh.positions[mesh.faces].mean(1)[:, 2] > 0
    packed = pack_charts(mesh, halves, np.where(front, 2.0, 1.0), TILE)
    texels, metres = packed.face_areas(), _areas(mesh)
    density = [texels[side].sum() / metres[side].sum() for side in (front, ~front)]
    # Density is per length: twice as dense is four times the area. xatlas stretches charts to whole texels.
    assert density[0] / density[1] == pytest.approx(4, rel=2 * 2 / (0.4 * TILE))


def test_too_small_a_tile_is_refused(packed):
    mesh, density, _ = packed
    with pytest.raises(ValueError, match="at least"):
        pack_charts(mesh, cut_charts(mesh), density, 3)


def test_head_layer_is_part_of_the_head_model():
    head = canonical_head(ball_head(), ())
    layer = head_layer(head, 200)
    region = np.unique(head.model.faces[head.model.regions["face"]])
    assert set(layer.vertices) <= set(region)
    assert len(layer.mesh.faces) < head.model.regions["face"].sum()
    np.testing.assert_array_equal(layer.attributes.expression_basis, head.attributes.expression_basis[layer.vertices])
    # Texture corners are the head model's own, v turned down.
    corner_of_vertex = head.model.uv[layer.vertices][layer.mesh.faces]
    np.testing.assert_allclose(layer.charts.uv[layer.charts.faces_uv], corner_of_vertex * [1, -1], atol=1e-6)


def test_head_layer_leaves_out_what_looks_back_into_the_head():
    plain = ball_head()
    # An eyeball that is a whole ball.
    head = canonical_head(replace(plain, regions={**plain.regions, "eyes": plain.regions["skin"]}), ())
    layer = head_layer(head, 100000)
    first, second, third = layer.mesh.positions[layer.mesh.faces].swapaxes(0, 1)
    forwards = np.cross(second - first, third - first)[:, 2]
    assert (forwards > 0).sum() > 100
    # Its front is there, and none of its back but triangles that look to the side.
    assert (forwards < -0.2 * np.abs(forwards).max()).sum() == 0


def _strictly_inside(a: np.ndarray, b: np.ndarray, c: np.ndarray, size: int) -> np.ndarray:
    inside = np.zeros((size, size), bool)
    low, high = np.floor(np.min([a, b, c], 0)).astype(int), np.ceil(np.max([a, b, c], 0)).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    signs = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
    # A zoomed pixel's centre that lies on an edge belongs to neither side.
    inside[low[1] : high[1], low[0] : high[0]] = np.all(np.array(signs) > 1e-2, 0) | np.all(np.array(signs) < -1e-2, 0)
    return inside


def _areas(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.positions[mesh.faces[:, corner]] for corner in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
