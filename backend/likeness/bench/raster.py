"""Speed of the training kernels against the plain ways of doing the same, in one process on one thread.

Each figure is the median of repeated runs after one that warms up (and, for Warp, compiles); ways that are compared
take turns, so that whatever else the machine does slows all of them. They do equal work on equal data, and what they
compute is compared before it is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import embedding_bag, grid_sample

from ..camera import Camera
from ..raster.hash_grid import HashGrid
from ..raster.mesh_query import intersect_rays
from ..raster.texture import sample_textures
from ..raster.warp_rasteriser import WarpRasteriser
from ..runtime.rasterise import rasterise as rasterise_numpy
from .threads import one_thread

LAYERS = 8
FACES = 10_000
SAMPLES = 40_000
TILE = 192
CHANNELS = (33, 57)
POINTS = 36_000

Marks = dict[str, dict[str, Any]]


def bench_raster() -> dict[str, Marks]:
    """Measure rasterising, texture sampling and hash grids.

    Returns
    -------
    dict
        ``{"marks": {name: {"value": v, "unit": u}}}``; names end in what ran: ``warp`` is ours.

    Raises
    ------
    RuntimeError
        If two ways of computing the same disagree.
    """
    with one_thread():
        marks = {**_rasterisers(), **_textures(), **_hash_grids()}
    return {"marks": {name: {"value": value, "unit": "ms"} for name, value in marks.items()}}


def _rasterisers() -> dict[str, float]:
    """Nested spheres that cover more than half of the picture; milliseconds per layer."""
    marks = {}
    vertices, faces = _sphere(FACES)
    stack = torch.cat([vertices * (1 + 0.02 * layer) for layer in range(LAYERS)]) - torch.tensor([0.0, 0.0, 0.5])
    stacked = torch.cat([faces + layer * len(vertices) for layer in range(LAYERS)]).int()
    layers = torch.arange(LAYERS, dtype=torch.int32).repeat_interleave(len(faces))
    shifted = vertices - torch.tensor([0.0, 0.0, 0.5])
    rasterise = WarpRasteriser()
    for size in (256, 512):
        focal = 2.1 * size
        camera = Camera(size, size, focal, focal, size / 2, size / 2, np.eye(4, dtype=np.float32))
        seen = rasterise(stack, stacked, layers, LAYERS, camera)
        hits = rasterise_numpy(shifted.numpy(), faces.numpy(), camera)
        found = np.full(size * size, -1)
        found[hits.pixels] = hits.faces
        _agree("rasterisers", float((seen[0].flatten().numpy() != found).mean()), 1e-3)
        directions = torch.from_numpy(camera.ray_directions()).view(-1, 3)
        ways = {
            "warp": partial(rasterise, stack, stacked, layers, LAYERS, camera),
            "rays": partial(intersect_rays, shifted, faces, torch.zeros_like(directions), directions),
            "numpy": partial(rasterise_numpy, shifted.numpy(), faces.numpy(), camera),
        }
        durations = _medians(ways, 5)
        # The others do one layer.
        durations["warp"] /= LAYERS
        marks.update({f"raster_{size}_{name}": value for name, value in durations.items()})
    return marks


def _textures() -> dict[str, float]:
    """Forward and backward of pictures' worth of samples from six layers; milliseconds."""
    marks = {}
    layer_count = 6
    side = int((SAMPLES / layer_count) ** 0.5)
    axis = torch.linspace(0.1, 0.9, side)
    uv = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2).repeat(layer_count, 1)
    generator = torch.Generator().manual_seed(0)
    uv = (uv + 0.004 * torch.rand(uv.shape, generator=generator)).requires_grad_()
    layer = torch.arange(layer_count, dtype=torch.int32).repeat_interleave(side * side)
    for channels in CHANNELS:
        textures = torch.rand(layer_count, TILE, TILE, channels, generator=generator).requires_grad_()
        planar = textures.detach().permute(0, 3, 1, 2).contiguous().requires_grad_()
        weights = torch.randn(len(uv), channels, generator=generator)
        ways: dict[str, Callable[[], torch.Tensor]] = {
            "warp": partial(sample_textures, textures, layer, uv),
            "embedding_bag": partial(_by_embedding_bag, textures, layer, uv),
            "gather": partial(_by_gather, textures, layer, uv),
            "grid_sample": partial(_by_grid_sample, planar, uv, layer_count),
        }
        ours = ways["warp"]()
        for name, way in ways.items():
            _agree(name, float((way() - ours).detach().abs().max()), 1e-4)
        # Only ours decodes sRGB on the way, for which the others would need a whole pass over the textures.
        ways["warp_srgb"] = partial(sample_textures, textures, layer, uv, srgb_channels=channels - 9)
        leaves = (textures, planar, uv)
        durations = _medians({name: partial(_both_ways, way, weights, leaves) for name, way in ways.items()}, 9)
        marks.update({f"texture_{channels}_{name}": value for name, value in durations.items()})
    return marks


def _hash_grids() -> dict[str, float]:
    """Forward and backward by tables and positions, eight levels of four features; milliseconds."""
    torch.manual_seed(0)
    grid = HashGrid(levels=8, table_size=2**15, features=4, coarsest=12, finest=200, bounds=[[0.0] * 3, [1.0] * 3])
    torch.nn.init.normal_(grid.tables)
    points = torch.rand(POINTS, 3, requires_grad=True)
    weights = torch.randn(POINTS, grid.width)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "warp": lambda: grid(points),
        "torch": lambda: _hash_by_embedding_bag(grid, points),
    }
    _agree("hash grids", float((ways["warp"]() - ways["torch"]()).detach().abs().max()), 1e-3)
    leaves = (grid.tables, points)
    durations = _medians({name: partial(_both_ways, way, weights, leaves) for name, way in ways.items()}, 5)
    return {f"hash_grid_{name}": value for name, value in durations.items()}


def _by_embedding_bag(textures: torch.Tensor, layer: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    texels, weights = _texels_and_weights(textures, layer, uv)
    return embedding_bag(texels, textures.view(-1, textures.shape[3]), mode="sum", per_sample_weights=weights)


def _by_gather(textures: torch.Tensor, layer: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    texels, weights = _texels_and_weights(textures, layer, uv)
    return (textures.view(-1, textures.shape[3])[texels] * weights[..., None]).sum(1)


def _by_grid_sample(planar: torch.Tensor, uv: torch.Tensor, layer_count: int) -> torch.Tensor:
    """Every layer has as many samples here, which is what grid_sample needs; scattered points would need padding."""
    grid = (2 * uv - 1).view(layer_count, -1, 1, 2)
    sampled = grid_sample(planar, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[..., 0].transpose(1, 2).reshape(-1, planar.shape[1])


def _texels_and_weights(
    textures: torch.Tensor, layer: torch.Tensor, uv: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    size = textures.shape[1]
    position = (uv * size - 0.5).clamp(0, size - 1)
    low = position.detach().floor().long()
    high = (low + 1).clamp(max=size - 1)
    right, down = (position - low).unbind(1)
    rows = layer.long() * size
    texels = [(rows + v[:, 1]) * size + u[:, 0] for v in (low, high) for u in (low, high)]
    weights = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
    return torch.stack(texels, 1), torch.stack(weights, 1)


def _hash_by_embedding_bag(grid: HashGrid, points: torch.Tensor) -> torch.Tensor:
    levels, size, _ = grid.tables.shape
    corners = torch.tensor([[c >> 2, (c >> 1) & 1, c & 1] for c in range(8)])
    parts = []
    for level in range(levels):
        resolution = int(grid.resolutions[level])
        scaled = points.clamp(0, 1) * resolution
        cell = scaled.detach().floor().long().clamp(max=resolution - 1)
        fraction = (scaled - cell)[:, None]
        i, j, k = (cell[:, None] + corners).unbind(-1)
        side = resolution + 1
        dense = side**3 <= size
        entries = (i * side + j) * side + k if dense else (i ^ (j * 2654435761) ^ (k * 805459861)) & (size - 1)
        weights = torch.where(corners.bool(), fraction, 1 - fraction).prod(-1)
        parts.append(embedding_bag(entries, grid.tables[level], mode="sum", per_sample_weights=weights))
    return torch.cat(parts, 1)


def _sphere(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A sphere of radius 0.1 with about ``count`` triangles, counter-clockwise from outside."""
    rings = int((count / 4) ** 0.5)
    theta = torch.linspace(0, torch.pi, rings + 1)[:, None]
    phi = torch.arange(2 * rings)[None] * (torch.pi / rings)
    vertices = 0.1 * torch.stack(
        [theta.sin() * phi.sin(), theta.cos().expand(-1, 2 * rings), theta.sin() * phi.cos()], -1
    )
    ring, place = torch.meshgrid(torch.arange(rings), torch.arange(2 * rings), indexing="ij")
    following = (place + 1) % (2 * rings)
    a, b = ring * 2 * rings + place, ring * 2 * rings + following
    c, d = a + 2 * rings, b + 2 * rings
    faces = torch.cat([torch.stack([a, c, b], -1).view(-1, 3), torch.stack([b, c, d], -1).view(-1, 3)])
    return vertices.view(-1, 3), faces.int()


def _both_ways(way: Callable[[], torch.Tensor], weights: torch.Tensor, leaves: tuple[torch.Tensor, ...]) -> None:
    for leaf in leaves:
        leaf.grad = None
    way().backward(weights)


def _medians(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median duration of each way, milliseconds; they take turns, and each has one run that does not count."""
    durations: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                durations[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(values)) for name, values in durations.items()}


def _agree(what: str, difference: float, allowed: float) -> None:
    if not difference <= allowed:
        raise RuntimeError(f"{what} differ by {difference:g}, more than {allowed:g}; a comparison would mean nothing")
