"""The Warp rasteriser against a ray caster that tries every triangle at every pixel, and against its own promises."""

import cv2
import numpy as np
import pytest
import torch
from likeness.camera import Camera
from likeness.raster.interface import barycentrics
from likeness.raster.warp_rasteriser import WarpRasteriser
from likeness.runtime.rasterise import rasterise as run_time_rasterise
from scipy.ndimage import binary_fill_holes

RASTERISE = WarpRasteriser()
ON_AN_EDGE = 1
"""Pixels that two rasterisers may see differently: those whose centres lie on an edge to within single precision.

That is a strip 1e-5 pixels wide along some thousand pixels of edges: even one is unlikely.
"""


def camera(width: int, height: int, focal: float | None = None) -> Camera:
    """An off-centre camera whose two focal lengths differ, so that swapped axes show."""
    focal = focal or 1.2 * width
    return Camera(width, height, focal, 1.1 * focal, 0.47 * width, 0.55 * height, np.eye(4, dtype=np.float32))


def torus(rings: int = 24, sides: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A closed surface that hides parts of itself, counter-clockwise from outside."""
    around, across = np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij")
    phi, theta = 2 * np.pi * around / rings, 2 * np.pi * across / sides
    radius = 0.1 + 0.04 * np.cos(theta)
    points = np.stack([radius * np.cos(phi), radius * np.sin(phi), 0.04 * np.sin(theta)], -1).reshape(-1, 3)
    index = (np.arange(rings)[:, None], np.arange(sides)[None, :])

    def at(i: int, j: int) -> np.ndarray:
        return (((index[0] + i) % rings) * sides + (index[1] + j) % sides).ravel()

    quads = at(0, 0), at(1, 0), at(1, 1), at(0, 1)
    faces = np.concatenate([np.stack([quads[0], quads[1], quads[2]], 1), np.stack([quads[0], quads[2], quads[3]], 1)])
    turn = np.array([[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]])
    return points @ turn.T + [0.01, 0.0, -0.5], faces


def cast(vertices: np.ndarray, faces: np.ndarray, view: Camera, near: float = 0.01) -> np.ndarray:
    """Nearest front-facing triangle per pixel in double precision (Moeller and Trumbore), -1 for none."""
    directions = view.ray_directions().astype(np.float64).reshape(-1, 3)
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    best, found = np.full(len(directions), np.inf), np.full(len(directions), -1)
    for triangle in range(len(faces)):
        first, second = b[triangle] - a[triangle], c[triangle] - a[triangle]
        across = np.cross(directions, second)
        determinant = across @ first
        with np.errstate(divide="ignore", invalid="ignore"):
            u = -(across @ a[triangle]) / determinant
            q = np.cross(-a[triangle], first)
            v = directions @ q / determinant
            depth = second @ q / determinant
        hit = (determinant > 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (depth >= near) & (depth < best)
        best[hit], found[hit] = depth[hit], triangle
    return found.reshape(view.height, view.width)


def rasterise(vertices, faces, view, layers=None, layer_count=1) -> np.ndarray:
    layers = np.zeros(len(faces)) if layers is None else layers
    return RASTERISE(
        torch.tensor(np.asarray(vertices)).float(),
        torch.tensor(np.asarray(faces)).int(),
        torch.tensor(np.asarray(layers)).int(),
        layer_count,
        view,
    ).numpy()


def test_sees_what_a_ray_caster_sees():
    vertices, faces = torus()
    view = camera(96, 80)
    seen, expected = rasterise(vertices, faces, view)[0], cast(vertices, faces, view)
    assert (expected >= 0).mean() > 0.1
    assert (seen != expected).sum() <= ON_AN_EDGE


def test_sees_what_the_run_time_reference_sees():
    vertices, faces = torus(60, 40)
    view = camera(128, 128)
    expected = np.full(view.height * view.width, -1)
    hits = run_time_rasterise(vertices.astype(np.float32), faces.astype(np.int32), view)
    expected[hits.pixels] = hits.faces
    assert (expected >= 0).mean() > 0.1
    assert (rasterise(vertices, faces, view)[0].ravel() != expected).sum() <= ON_AN_EDGE


def test_every_hit_has_barycentrics_inside_its_triangle():
    vertices, faces = torus()
    view = camera(96, 80)
    seen = torch.tensor(rasterise(vertices, faces, view)[0])
    rows, columns = (seen >= 0).nonzero(as_tuple=True)
    corners = torch.tensor(vertices).float()[torch.tensor(faces)[seen[rows, columns].long()]]
    weights = barycentrics(corners, torch.tensor(view.ray_directions())[rows, columns])
    # Single precision leaves about 1e-7 of the corners' distance, half a metre, over triangles of centimetres.
    assert len(weights) > 0.1 * seen.numel() and weights.min() > -1e-5


def test_row_zero_is_the_top_and_column_zero_the_left():
    view = Camera(8, 4, 8.0, 8.0, 4.0, 2.0, np.eye(4, dtype=np.float32))
    # A triangle around the point that pixel column 1, row 0 looks at, from one metre.
    x, y = (1.5 - 4) / 8, (2 - 0.5) / 8
    vertices = [[x - 0.01, y - 0.01, -1], [x + 0.01, y - 0.01, -1], [x, y + 0.01, -1]]
    seen = rasterise(vertices, [[0, 1, 2]], view)[0]
    assert np.argwhere(seen == 0).tolist() == [[0, 1]]
    assert (rasterise(vertices, [[0, 2, 1]], view) == -1).all(), "seen from behind, it is culled"


@pytest.mark.parametrize("split", [False, True], ids=["shared vertices", "split vertices"])
def test_shared_edges_have_no_holes(split):
    """A sheet of slivers in random directions, many of whose edges pass through or near pixel centres."""
    generator = np.random.default_rng(3)
    count = 40
    columns, rows = np.meshgrid(np.arange(count), np.arange(count))
    grid = np.stack([columns, rows], -1).astype(float)
    grid[1:-1, 1:-1] += generator.uniform(-0.3, 0.3, (count - 2, count - 2, 2))
    # Every fourth vertex lies exactly on a pixel centre of the 64-pixel picture.
    grid[::4, ::4] = np.round(grid[::4, ::4])
    depth = -1 - 0.3 * generator.random((count, count))
    view = Camera(64, 64, 64.0, 64.0, 32.0, 32.0, np.eye(4, dtype=np.float32))
    x, y = (grid[..., 0] + 12.5 - 32) / 64, (32 - grid[..., 1] - 12.5) / 64
    vertices = np.stack([-x * depth, -y * depth, depth], -1).reshape(-1, 3)
    corner = (rows[:-1, :-1] * count + columns[:-1, :-1]).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + count, corner + 1], 1),
            np.stack([corner + 1, corner + count, corner + count + 1], 1),
        ]
    )
    if split:
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)
        order = generator.permutation(len(faces))
        faces = np.roll(faces[order], 1, axis=1)
    covered = rasterise(vertices, faces, view)[0] >= 0
    assert covered[13:51, 13:51].all()


def test_layers_do_not_hide_one_another():
    vertices, faces = torus()
    inner = vertices * 1.05
    both = rasterise(
        np.concatenate([inner, vertices]),
        np.concatenate([faces, faces + len(vertices)]),
        camera(64, 64),
        np.repeat([1, 0], len(faces)),
        3,
    )
    alone = rasterise(vertices, faces, camera(64, 64))[0]
    np.testing.assert_array_equal(both[0], np.where(alone >= 0, alone + len(faces), -1))
    np.testing.assert_array_equal(both[1], rasterise(inner, faces, camera(64, 64))[0])
    assert (both[2] == -1).all()


def test_triangles_through_the_camera_plane_are_seen_up_to_the_near_plane():
    """A floor that starts behind the camera, and one corner of which lies exactly in the camera's plane."""
    vertices = np.array([[-2.0, -0.3, 1.0], [2.0, -0.3, 1.0], [2.0, -0.3, -6.0], [-2.0, -0.3, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    view = camera(64, 48, 40.0)
    seen, expected = rasterise(vertices, faces, view)[0], cast(vertices, faces, view)
    assert (expected >= 0).sum() > 300
    np.testing.assert_array_equal(seen, expected)


def test_nothing_behind_the_camera_and_nothing_nonfinite_is_seen():
    vertices, faces = torus()
    behind = vertices * [1, 1, -1]
    for order in ([0, 1, 2], [0, 2, 1]):
        assert (rasterise(behind, faces[:, order], camera(32, 32)) == -1).all()
    assert (rasterise(np.full_like(vertices, np.nan), faces, camera(32, 32)) == -1).all()
    assert (rasterise(vertices, np.zeros((0, 3)), camera(32, 32)) == -1).all()


def test_closed_surfaces_have_no_pinholes():
    vertices, faces = torus(120, 60)
    view = camera(256, 256)
    covered = rasterise(vertices, faces, view)[0] >= 0
    hole = binary_fill_holes(covered) & ~covered
    assert hole.sum() > 500, "the torus's own hole"
    # The surroundings and that hole; whatever else was filled is a pinhole.
    assert cv2.connectedComponents(hole.astype(np.uint8))[0] == 2
