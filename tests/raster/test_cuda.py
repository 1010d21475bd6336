"""CUDA from the same source: every kernel compiles for it anywhere, and computes the same where there is a GPU."""

import platform
from pathlib import Path

import numpy as np
import pytest
import torch
import warp as wp
from likeness.camera import Camera
from likeness.raster import hash_grid, mesh_query, texture, vertex_normals, warp_rasteriser

AMPERE = 80
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and a torch that knows it")


@pytest.mark.skipif(platform.system() == "Darwin", reason="Warp has no CUDA compiler on macOS")
def test_every_kernel_compiles_for_cuda(tmp_path: Path):
    grid_kernels = [kernel.module for kernel in hash_grid._kernels(2)]
    for module in [texture, warp_rasteriser, vertex_normals, mesh_query, *grid_kernels]:
        made = wp.compile_aot_module(module, arch=AMPERE, module_dir=tmp_path)
        assert all(path.stat().st_size > 0 for path in made) and made


def scene(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A wavy sheet that faces a camera at the origin."""
    axis = torch.linspace(-0.2, 0.2, 30)
    x, y = torch.meshgrid(axis, axis, indexing="xy")
    vertices = torch.stack([x, y, -0.6 + 0.03 * torch.sin(30 * x) * torch.cos(20 * y)], -1).view(-1, 3)
    corner = (torch.arange(29)[:, None] * 30 + torch.arange(29)).view(-1)
    faces = torch.cat(
        [torch.stack([corner, corner + 1, corner + 30], 1), torch.stack([corner + 1, corner + 31, corner + 30], 1)]
    )
    return vertices.to(device), faces.int().to(device)


@needs_gpu
def test_cuda_sees_the_same_triangles():
    camera = Camera(128, 96, 150.0, 150.0, 64.0, 48.0, np.eye(4, dtype=np.float32))
    seen = []
    for device in ("cpu", "cuda"):
        vertices, faces = scene(device)
        layers = torch.zeros(len(faces), dtype=torch.int32, device=device)
        seen.append(warp_rasteriser.WarpRasteriser()(vertices, faces, layers, 1, camera).cpu())
    assert (seen[0] >= 0).any()
    # Only pixels on an edge to within rounding may differ, for CUDA fuses products and sums otherwise.
    assert (seen[0] != seen[1]).float().mean() < 1e-3


@needs_gpu
def test_cuda_computes_the_same_samples_and_gradients():
    generator = torch.Generator().manual_seed(0)
    textures, uv = torch.rand(2, 16, 16, 7, generator=generator), torch.rand(300, 2, generator=generator)
    layer, weights = torch.arange(300) % 2, torch.randn(300, 7, generator=generator)
    results = []
    for device in ("cpu", "cuda"):
        leaves = [tensor.to(device).requires_grad_() for tensor in (textures, uv)]
        values = texture.sample_textures(leaves[0], layer.to(device), leaves[1], srgb_channels=3)
        gradients = torch.autograd.grad((values * weights.to(device)).sum(), leaves)
        results.append([values.cpu(), *(gradient.cpu() for gradient in gradients)])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


@needs_gpu
def test_cuda_computes_the_same_encodings_normals_and_distances():
    torch.manual_seed(0)
    grid = hash_grid.HashGrid(4, 2**10, 4, 4, 40, [[-0.3, -0.3, -0.8], [0.3, 0.3, -0.4]])
    torch.nn.init.normal_(grid.tables)
    results = []
    for device in ("cpu", "cuda"):
        vertices, faces = scene(device)
        points = (vertices * 0.9).requires_grad_()
        on_device = grid.to(device)
        encoded = on_device(points)
        gradients = torch.autograd.grad(encoded.square().sum(), [points, on_device.tables])
        normals = vertex_normals.vertex_normals(vertices.requires_grad_(), faces)
        (bend,) = torch.autograd.grad((normals * vertices.detach()).sum(), vertices)
        distance, _, _ = mesh_query.signed_distance(vertices.detach(), faces, points.detach())
        results.append([value.detach().cpu() for value in (encoded, *gradients, normals, bend, distance)])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-3)
