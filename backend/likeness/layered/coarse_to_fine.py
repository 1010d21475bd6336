"""Textures are learnt with few texels first: each of many is seen too seldom to be learnt from scratch.

A finer table begins with what the layers' first textures show at its size, changed by as much as the coarser one has
changed them. So what was never touched keeps its first look in full, and what was touched begins where learning was.
Only in what sets a texel's bases apart it begins closer to their mean, while texels are coarse: a coarse texel spans
parts that look differently, its bases part over that, and what is then seldom seen would keep those and show blotches
of colour.
"""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from .presets import FineTuningPreset
from .proxies import TextureLayout
from .texels import TexelTable

KEPT_APART = 0.3
"""Share of what sets a texel's bases apart that finer texels begin with, while texels are coarse."""

FINE = 256
"""Texels of a tile's side from which on finer texels keep all of it: no texel spans what looks differently any more.

There is little time left, too, for ever more texels to part again.
"""


def tile_sizes(tile_size: int, coarsest: int) -> list[int]:
    """Sides of a tile while it is learnt, coarse to fine, texels: halves of ``tile_size``, none below ``coarsest``."""
    sizes = [tile_size]
    while sizes[0] % 2 == 0 and sizes[0] // 2 >= max(1, coarsest):
        sizes.insert(0, sizes[0] // 2)
    return sizes


def tile_size_at(done: float, tile_size: int, numbers: FineTuningPreset) -> int:
    """Side of a tile when a part of the run, 0..1, is done; all coarser ones get the same share of the run."""
    sizes = tile_sizes(tile_size, numbers.coarsest_tile)
    if done >= numbers.coarse_share:
        return tile_size
    return sizes[int(done / numbers.coarse_share * (len(sizes) - 1))]


def coarse_table(start: torch.Tensor, size: int, layout: TextureLayout) -> TexelTable:
    """Textures (L, S, S, C) as a table of ``size`` texels a side where nothing is learnt yet."""
    if size == start.shape[1]:
        return TexelTable(start, layout)
    return TexelTable(torch.stack([_shrunk(layer, size) for layer in start]), layout)


@torch.no_grad()
def refined(table: TexelTable, start: torch.Tensor) -> TexelTable:
    """A table with twice as many texels a side that goes on from what one has learnt, Adam's means begun anew.

    Parameters
    ----------
    table : TexelTable
    start : (L, S, S, C) float32
        Textures at their full size as all learning began with them.
    """
    layers, size, layout = table.layer_count, table.size, table.layout
    finer = coarse_table(start, 2 * size, layout)
    learnt = table.values.view(layers, size, size, -1)
    values, visits = (part.view(layers, 2 * size, 2 * size, -1) for part in (finer.values, finer.visits))
    visited = table.visits.view(layers, 1, size, size).float()
    # Layer by layer: those of the largest preset are gigabytes.
    for place in range(layers):
        change = (learnt[place] - _shrunk(start[place], size).clamp(0, 1)).permute(2, 0, 1).contiguous()
        for part, channels in ((change[layout.colour], 3), (change[layout.alpha], 1)):
            bases = part.view(-1, channels, size, size)
            if size < FINE:
                bases.lerp_(bases.mean(0, keepdim=True), 1 - KEPT_APART)
        values[place] += interpolate(change[None], scale_factor=2, mode="bilinear")[0].permute(1, 2, 0)
        # What lies beside a touched texel is changed by it too, and a checkpoint must hold it.
        beside = max_pool2d(visited[place], 3, 1, 1).clamp(max=1)
        counts = interpolate(torch.maximum(visited[place], beside)[None], scale_factor=2)[0, 0]
        visits[place] = counts[..., None].int()
    finer.replace(finer.values)
    return finer


def _shrunk(layer: torch.Tensor, size: int) -> torch.Tensor:
    """Means (s, s, C) of a layer's texels (S, S, C)."""
    factor = len(layer) // size
    return layer if factor == 1 else avg_pool2d(layer.permute(2, 0, 1)[None], factor)[0].permute(1, 2, 0).contiguous()
