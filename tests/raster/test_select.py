"""Choosing a rasteriser, and the parts of the nvdiffrast one that need no nvdiffrast."""

import numpy as np
import pytest
import torch
from likeness.camera import Camera
from likeness.errors import LikenessError
from likeness.raster.nvdiffrast_rasteriser import clip_positions, facing, ranges_by_layer
from likeness.raster.select import rasteriser
from likeness.raster.warp_rasteriser import WarpRasteriser

CAMERA = Camera(40, 30, 50.0, 45.0, 18.0, 16.0, np.eye(4, dtype=np.float32))


def test_a_cpu_gets_warp():
    assert isinstance(rasteriser(torch.device("cpu")), WarpRasteriser)
    assert isinstance(rasteriser(torch.device("cpu"), "warp"), WarpRasteriser)


def test_what_cannot_be_had_is_refused():
    with pytest.raises(LikenessError, match="'opengl'"):
        rasteriser(torch.device("cpu"), "opengl")
    with pytest.raises(LikenessError, match="nvdiffrast"):
        rasteriser(torch.device("cpu"), "nvdiffrast")


def test_clip_space_is_the_cameras_picture_with_rows_downwards():
    points = torch.tensor([[0.02, 0.03, -0.5], [-0.1, 0.05, -1.0]])
    clip = clip_positions(points, CAMERA, near=0.25, far=4.0)
    pixels = (clip[:, :2] / clip[:, 3:] + 1) / 2 * torch.tensor([40.0, 30.0])
    np.testing.assert_allclose(pixels, CAMERA.project(points.numpy()), atol=1e-4)
    ends = clip_positions(torch.tensor([[0.0, 0.0, -0.25], [0.0, 0.0, -4.0]]), CAMERA, near=0.25, far=4.0)
    np.testing.assert_allclose(ends[:, 2] / ends[:, 3], [-1, 1], atol=1e-6)


def test_facing_is_what_the_warp_rasteriser_does_not_cull():
    vertices = torch.tensor([[-0.1, -0.1, -1.0], [0.1, -0.1, -1.0], [0.0, 0.1, -1.0]])
    for order in ([0, 1, 2], [0, 2, 1]):
        faces = torch.tensor([order], dtype=torch.int32)
        seen = WarpRasteriser()(vertices, faces, torch.zeros(1, dtype=torch.int32), 1, CAMERA)
        assert facing(vertices, faces).item() == bool((seen == 0).any())


def test_ranges_cover_layers_that_have_no_triangle():
    ranges = ranges_by_layer(torch.tensor([0, 0, 2, 2, 2]), 4)
    assert ranges.tolist() == [[0, 2], [2, 0], [2, 3], [5, 0]]
