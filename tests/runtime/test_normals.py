import subprocess
from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar, tiny_poses
from likeness.runtime.deform import deform
from likeness.runtime.normals import vertex_normals


def test_a_box_corner_points_along_the_diagonal_however_its_sides_are_split():
    """Each side has a right angle at the corner, in one triangle or in two: only angle weighting sees them alike."""
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 2, 0]], np.float32)
    one = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2]])
    two = np.array([[0, 2, 4], [0, 4, 1], [0, 1, 3], [0, 3, 2]])
    for faces in (one, two):
        normal = vertex_normals(positions, faces.astype(np.int32), np.arange(5, dtype=np.int32))[0]
        np.testing.assert_allclose(normal, -np.ones(3) / 3**0.5, atol=1e-7)


def test_welded_vertices_share_their_normal():
    layer = tiny_avatar().layers[2]
    normals = vertex_normals(layer.positions, layer.faces, layer.weld)
    first = np.unique(layer.weld, return_index=True)[1][layer.weld]
    assert len(np.unique(layer.weld)) < len(layer.weld)
    np.testing.assert_array_equal(normals, normals[first])


def test_normals_are_unit_even_where_nothing_defines_them():
    positions = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 0, 5]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    normals = vertex_normals(positions, faces, np.arange(4, dtype=np.int32))
    np.testing.assert_allclose(normals, [[0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 1]])


def test_blender_computes_the_same(repository, tmp_path):
    blender = repository / ".venv" / "blender-5.0" / "bin" / "python"
    if not blender.exists():
        pytest.skip("needs the environment blender-5.0")
    avatar = tiny_avatar()
    layer = avatar.layers[2]
    deformed = deform(avatar, tiny_poses()["all"])[2]
    first = np.unique(layer.weld, return_index=True)[1]
    source, target = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(source, positions=deformed.positions[first], faces=layer.weld[layer.faces])
    script = Path(__file__).parent / "blender_normals.py"
    subprocess.run([str(blender), str(script), str(source), str(target)], check=True, capture_output=True)
    # Blender's arc cosine in single precision is good to a few 1e-5 where a corner is sharp.
    np.testing.assert_allclose(deformed.normals[first], np.load(target)["normals"], atol=1e-4)
