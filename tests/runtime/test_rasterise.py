import numpy as np
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from likeness.camera import Camera
from likeness.runtime.deform import deform
from likeness.runtime.rasterise import rasterise

CAMERA = Camera(40, 30, 50.0, 45.0, 21.3, 14.2, np.eye(4, dtype=np.float32))
TRIANGLE = np.array([[0, 1, 2]], np.int32)


def brute_force(vertices, faces, camera):
    """Nearest front-facing hit of every ray, ray by ray (Moeller and Trumbore, 1997)."""
    corners = vertices.astype(np.float64)[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    seen = np.full(camera.height * camera.width, -1)
    weights = np.zeros((len(seen), 3))
    for pixel, ray in enumerate(camera.ray_directions().reshape(-1, 3).astype(np.float64)):
        across = np.cross(ray, second)
        determinant = (first * across).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (-corners[:, 0] * across).sum(1) / determinant
            beside = np.cross(-corners[:, 0], first)
            v = (ray * beside).sum(1) / determinant
            distance = (second * beside).sum(1) / determinant
            hit = (determinant > 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
        if hit.any():
            face = int(np.argmin(np.where(hit, distance, np.inf)))
            seen[pixel], weights[pixel] = face, (1 - u[face] - v[face], u[face], v[face])
    return seen, weights


@pytest.mark.parametrize("pose", ["rest", "all"])
def test_the_tiny_head_is_seen_as_ray_by_ray(pose):
    avatar, camera = tiny_avatar(rows=10, columns=12), tiny_camera(40, azimuth=0.5, elevation=0.2)
    layer = avatar.layers[2]
    vertices = camera.to_camera(deform(avatar, tiny_poses()[pose])[2].positions)
    hits = rasterise(vertices, layer.faces, camera)
    seen, weights = brute_force(vertices, layer.faces, camera)
    np.testing.assert_array_equal(hits.pixels, np.flatnonzero(seen >= 0))
    np.testing.assert_array_equal(hits.faces, seen[hits.pixels])
    np.testing.assert_allclose(hits.barycentrics, weights[hits.pixels], atol=1e-6)
    assert len(hits.pixels) > 300


def test_random_triangles_on_a_camera_without_symmetry():
    random = np.random.default_rng(5)
    vertices = random.uniform([-1, -1, -4], [1, 1, -0.7], (60, 3)).astype(np.float32)
    faces = random.permutation(60).reshape(20, 3).astype(np.int32)
    hits = rasterise(vertices, faces, CAMERA)
    seen, _ = brute_force(vertices, faces, CAMERA)
    np.testing.assert_array_equal(hits.pixels, np.flatnonzero(seen >= 0))
    np.testing.assert_array_equal(hits.faces, seen[hits.pixels])


def test_depth_and_place_are_those_of_the_point_seen():
    vertices = np.array([[-0.5, -0.4, -1], [0.6, -0.3, -3], [0.1, 0.7, -2]], np.float32)
    hits = rasterise(vertices, TRIANGLE, CAMERA)
    points = hits.interpolate(vertices, TRIANGLE)
    centres = np.stack([hits.pixels % CAMERA.width, hits.pixels // CAMERA.width], 1) + 0.5
    np.testing.assert_allclose(CAMERA.project(points), centres, atol=1e-4)
    np.testing.assert_allclose(hits.depths, -points[:, 2], rtol=1e-5)


def test_the_back_is_culled():
    vertices = np.array([[-1, -1, -2], [1, -1, -2], [0, 1, -2]], np.float32)
    assert len(rasterise(vertices, TRIANGLE, CAMERA).pixels) > 0
    assert len(rasterise(vertices, TRIANGLE[:, ::-1], CAMERA).pixels) == 0


def test_the_nearest_wins():
    far = np.array([[-1, -1, -3], [1, -1, -3], [0, 1, -3]], np.float32)
    near = far / 3 * 2
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    for vertices, winner in ((np.concatenate([far, near]), 1), (np.concatenate([near, far]), 0)):
        hits = rasterise(vertices, faces, CAMERA)
        assert (hits.faces == winner).all() and len(hits.faces)


def test_nothing_in_sight_is_no_error():
    behind = np.array([[-1, -1, 2], [1, -1, 2], [0, 1, 2]], np.float32)
    aside = np.array([[50, -1, -2], [52, -1, -2], [51, 1, -2]], np.float32)
    for vertices in (behind, aside):
        hits = rasterise(vertices, TRIANGLE, CAMERA)
        assert hits.pixels.shape == (0,) and hits.barycentrics.shape == (0, 3)


def test_a_triangle_that_reaches_behind_the_camera_is_seen_where_it_is_in_front():
    vertices = np.array([[3, -1, -4], [-3, -1, -4], [0, -1, 4]], np.float32)
    hits = rasterise(vertices, TRIANGLE, CAMERA)
    seen, _ = brute_force(vertices, TRIANGLE, CAMERA)
    np.testing.assert_array_equal(hits.pixels, np.flatnonzero(seen >= 0))
    # The floor ends where v = 14.2 + 45 / 4: the five rows below are filled.
    assert len(hits.pixels) == 5 * CAMERA.width


def test_neighbouring_triangles_leave_no_hole_and_no_ray_through_a_vertex_is_lost():
    """A wall of thousands of slivers whose edges and corners lie exactly on rays."""
    camera = Camera(64, 64, 64.0, 64.0, 32.0, 32.0, np.eye(4, dtype=np.float32))
    grid = (np.arange(65) - 32) / 64
    x, y = np.meshgrid(grid, grid)
    # Every other row of vertices lies half a pixel on, which is where rays go.
    shifted = x + np.where(np.arange(65) % 2, 0.5 / 64, 0.0)[:, None]
    vertices = np.stack([shifted * 1.1, (y + 0.5 / 64) * 1.1, -np.full_like(x, 1.1)], -1).reshape(-1, 3)
    index = np.arange(65 * 65).reshape(65, 65)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    hits = rasterise(vertices.astype(np.float32), faces, camera)
    rows, columns = hits.pixels // 64, hits.pixels % 64
    inner = np.zeros((64, 64), bool)
    inner[rows, columns] = True
    assert inner[2:-2, 2:-2].all()
