"""What no training frame has seen: texels that may not stay as chance left them.

A turn of the head beyond the filmed ones uncovers them. Outer layers are hair and loose outline there, and an invented
wisp is worse than none: they become transparent. Inner layers must stay closed: they continue what lies next to them on
the surface.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import KDTree

from ..raster.interface import Rasteriser
from .baked_texels import dilated
from .compositing import transmittance
from .decoder import AppearanceDecoder
from .deformation import PoseCorrections, TorchPose, camera_vertices, posed_vertices
from .frames import TrainingFrames
from .proxies import Proxies
from .rendering import find_hits, ray_directions, shade, smooth_normals, visible_triangles
from .texel_surface import TexelSurface
from .texels import TexelTable

NEIGHBOURS = 12

LOOSE_LEVEL = 0.002
"""Layers above this level are hair and loose outline, metres."""


@torch.no_grad()
def seen_weights(
    proxies: Proxies,
    table: TexelTable,
    decoder: AppearanceDecoder,
    frames: TrainingFrames,
    corrections: PoseCorrections,
    rasteriser: Rasteriser,
    count: int,
) -> torch.Tensor:
    """How much of each texel (L, S, S) the training frames have seen: pixels, weighed by what outer layers let through.

    Parameters
    ----------
    count : int
        Number of training frames looked at, spread evenly.
    """
    device = proxies.positions.device
    weights = torch.zeros(proxies.layer_count * proxies.tile_size**2, device=device)
    directions = ray_directions(frames.cameras[0], device)
    places = np.unique(np.linspace(0, len(frames.training) - 1, min(count, len(frames.training))).round().astype(int))
    for place in places:
        index = frames.training[place]
        pose = corrections.corrected(TorchPose.of_frame(frames, index), index)
        shift = corrections.camera_shift[index]
        vertices = camera_vertices(posed_vertices(proxies, pose), frames.cameras[index], shift)
        triangles = visible_triangles(proxies, vertices, frames.cameras[index], rasteriser)
        hits = find_hits(proxies, vertices, smooth_normals(proxies, vertices), triangles, directions)
        _, alphas = shade(hits, table.sample, proxies.layout, decoder(pose.conditions))
        light = transmittance(alphas)[hits.layers, hits.rays]
        _deposit(weights, hits.uv, hits.layers, light, proxies.tile_size)
    return weights.view(proxies.layer_count, proxies.tile_size, proxies.tile_size) / len(places)


def _deposit(weights: torch.Tensor, uv: torch.Tensor, layers: torch.Tensor, light: torch.Tensor, size: int) -> None:
    """Add each hit's light to its four texels, by bilinear weight."""
    texels = uv * size - 0.5
    corner = texels.floor()
    right, down = (texels - corner).unbind(1)
    column, row = corner.long().unbind(1)
    for step_right, across in ((0, 1 - right), (1, right)):
        for step_down, along in ((0, 1 - down), (1, down)):
            x, y = (column + step_right).clamp(0, size - 1), (row + step_down).clamp(0, size - 1)
            weights.index_add_(0, (layers * size + y) * size + x, light * across * along)


def inpainted(
    textures: torch.Tensor, proxies: Proxies, surface: TexelSurface, seen: torch.Tensor, threshold: float
) -> torch.Tensor:
    """Textures (L, S, S, C) with unseen texels made plausible, and charts grown into the space between them.

    Parameters
    ----------
    textures : (L, S, S, C) float32
    proxies : Proxies
    surface : TexelSurface
    seen : (L, S, S) float32
        See :func:`seen_weights`.
    threshold : float
        A texel seen with this weight or more keeps its values.
    """
    layout = proxies.layout
    covered, weights = surface.covered.cpu().numpy(), seen.cpu().numpy()
    positions, values = surface.positions.cpu().numpy(), textures.cpu().numpy().copy()
    levels = proxies.levels.cpu().numpy()
    for layer in range(proxies.layer_count):
        known = covered[layer] & (weights[layer] >= threshold)
        unknown = covered[layer] & ~known
        if known.any() and unknown.any():
            filled = _continued(positions[layer], values[layer], known, unknown)
            trust = (weights[layer][unknown] / threshold)[:, None]
            if levels[layer] > LOOSE_LEVEL:
                # Fading by how little was seen leaves no hard edge.
                own = values[layer][unknown][:, layout.alpha]
                filled[:, layout.alpha] = np.minimum(filled[:, layout.alpha], own) * trust
            elif levels[layer] < 0:
                # The core lies well inside: whatever looks through a gap in outer layers must end there.
                filled[:, layout.alpha] = 1
            else:
                # Between opaque and transparent neighbours: one or the other, for a mixture would be a ghost.
                filled[:, layout.alpha] = np.clip(2.5 * (filled[:, layout.alpha] - 0.5) + 0.5, 0, 1)
            values[layer][unknown] = trust * values[layer][unknown] + (1 - trust) * filled
    return dilated(torch.as_tensor(values, device=textures.device), surface.covered)


def _continued(positions: np.ndarray, values: np.ndarray, known: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Values (N, C) for the unknown texels: of the nearest known ones on the surface, nearer ones counting more."""
    places = positions[known]
    count = min(NEIGHBOURS, len(places))
    distances, indices = KDTree(places).query(positions[unknown], count)
    distances, indices = distances.reshape(-1, count), indices.reshape(-1, count)
    shares = 1 / (distances + 1e-4)
    shares = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    neighbours = values[known]
    filled = np.zeros((len(indices), values.shape[-1]), np.float32)
    for rank in range(count):
        filled += shares[:, rank, None] * neighbours[indices[:, rank]]
    return filled
