"""Smooth vertex normals: corner-angle weights, welding, gradients."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from likeness.raster.vertex_normals import vertex_normals
from likeness.runtime.normals import vertex_normals as run_time_normals

SINGLE = 2e-6
"""A few roundings of single precision."""


def fan(corner_angles: list[float]) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Triangles around vertex 0 with given angles there, bent out of one plane, and the loop-by-loop reference."""
    turns = np.cumsum([0.0, *corner_angles])
    heights = 0.3 * np.sin(3 * turns + 1)
    rim = np.stack([np.cos(turns), np.sin(turns), heights], 1)
    points = np.concatenate([[[0.0, 0.0, 0.5]], rim])
    faces = np.array([[0, i + 1, i + 2] for i in range(len(corner_angles))])
    expected = np.zeros_like(points)
    for face in faces:
        a, b, c = points[face]
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        for corner in range(3):
            here, following, previous = (points[face[(corner + k) % 3]] for k in range(3))
            one, two = following - here, previous - here
            cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
            expected[face[corner]] += np.arccos(cosine) * normal
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    return torch.tensor(points).float(), torch.tensor(faces), expected


def test_normals_are_the_angle_weighted_mean_of_face_normals():
    points, faces, expected = fan([0.2, 1.3, 0.9, 0.4])
    np.testing.assert_allclose(vertex_normals(points, faces), expected, atol=SINGLE)


def test_a_fan_cut_into_slivers_keeps_its_normal():
    """Angle weights do not see how a flat piece is triangulated; area or equal weights would."""
    corner = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    coarse = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    middle = 0.9 * corner[1:2] + 0.1 * corner[2:3]
    fine = torch.tensor([[0, 1, 4], [0, 4, 2], [0, 2, 3], [0, 3, 1]])
    a = vertex_normals(corner, coarse)[0]
    b = vertex_normals(torch.cat([corner, middle]), fine)[0]
    np.testing.assert_allclose(a, b, atol=SINGLE)


def test_welded_vertices_share_the_normal_of_the_unsplit_mesh():
    points, faces, _ = fan([0.7, 0.8, 1.1, 0.6, 0.9])
    split = points[faces].reshape(-1, 3)
    normals = vertex_normals(split, torch.arange(len(split)).view(-1, 3), weld=faces.reshape(-1))
    np.testing.assert_allclose(normals, vertex_normals(points, faces)[faces].reshape(-1, 3), atol=SINGLE)
    unwelded = vertex_normals(split, torch.arange(len(split)).view(-1, 3))
    assert (normals - unwelded).abs().max() > 0.05


def test_gradients_agree_with_finite_differences():
    points, faces, _ = fan([0.7, 0.8, 1.1])
    weld = torch.tensor([0, 1, 2, 3, 1])
    weights = torch.randn(points.shape, generator=torch.Generator().manual_seed(3))

    def total(where: torch.Tensor) -> float:
        return (vertex_normals(where, faces, weld) * weights).sum().item()

    points.requires_grad_()
    (gradient,) = torch.autograd.grad((vertex_normals(points, faces, weld) * weights).sum(), points)
    step = 1e-2
    for vertex in range(len(points)):
        for axis in range(3):
            shift = torch.zeros_like(points)
            shift[vertex, axis] = step
            numerical = (total(points.detach() + shift) - total(points.detach() - shift)) / (2 * step)
            # The step's square times third derivatives of order ten; roundings of 1e-6 over the step.
            assert numerical == pytest.approx(gradient[vertex, axis].item(), abs=2e-3)


def test_degenerate_triangles_leave_no_nan():
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0], [0, 0, 0]], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [1, 1, 1]])
    normals = vertex_normals(points, faces)
    assert normals[:3].tolist() == [[0.0, 0.0, 1.0]] * 3
    assert normals[3].tolist() == [1.0, 0.0, 0.0], "nothing defines it, so it is the position's direction"
    assert normals[4].tolist() == [0.0, 0.0, 1.0]
    normals.sum().backward()
    assert points.grad is not None and torch.isfinite(points.grad).all()


def rough_sphere() -> tuple[np.ndarray, np.ndarray]:
    """Sharp and blunt corners, and vertices with any number of faces."""
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    noise = np.random.default_rng(4).normal(0, 0.004, mesh.vertices.shape)
    return (mesh.vertices + noise).astype(np.float32), np.array(mesh.faces, np.int32)


def test_the_trainers_normals_are_the_run_times():
    positions, faces = rough_sphere()
    weld = np.arange(len(positions), dtype=np.int32)
    weld[5] = 3
    ours = vertex_normals(torch.tensor(positions), torch.tensor(faces), torch.tensor(weld))
    np.testing.assert_allclose(ours, run_time_normals(positions, faces, weld), atol=SINGLE)


def test_blender_computes_the_same(repository: Path, tmp_path: Path):
    blender = repository / ".venv" / "blender-5.0" / "bin" / "python"
    if not blender.exists():
        pytest.skip("needs the environment blender-5.0")
    positions, faces = rough_sphere()
    source, target = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(source, positions=positions, faces=faces)
    script = repository / "tests" / "runtime" / "blender_normals.py"
    subprocess.run([str(blender), str(script), str(source), str(target)], check=True, capture_output=True)
    normals = vertex_normals(torch.tensor(positions), torch.tensor(faces))
    # Blender's arc cosine in single precision is good to a few 1e-5 where a corner is sharp.
    np.testing.assert_allclose(normals, np.load(target)["normals"], atol=1e-4)
