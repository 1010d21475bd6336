"""What no training frame has seen: texels that may not stay as chance left them.

A turn of the head beyond the filmed ones uncovers them. Outer layers are hair and loose outline there, and an invented
wisp is worse than none: they become transparent. Inner layers must stay closed: they go on as what lies next to them
was seen on average, alike for every basis, for what the decoder would make of them nobody knows; and since a smear is
not hair, with the strands of hair that was seen (see :mod:`.unseen_hair`). Far from all that was seen they are opaque.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import KDTree

from ..raster.interface import Rasteriser
from .baked_texels import dilated
from .compositing import linear_to_srgb, transmittance
from .decoder import AppearanceDecoder
from .deformation import PoseCorrections, TorchPose, camera_vertices, posed_vertices
from .frames import TrainingFrames, spread
from .proxies import Proxies
from .rendering import find_hits, ray_directions, shade, smooth_normals, visible_triangles
from .texel_surface import TexelSurface
from .texels import TexelTable
from .unseen_hair import HairBand

Array = npt.NDArray[np.float32]

NEIGHBOURS = 96
"""Lumps of what was seen that an unseen texel goes on from."""

EDGE_NEIGHBOURS = 12
"""The same for opacity, whose edges stay sharper so.

Colour may blend over centimetres, but where the head mesh ends it ends at a line.
"""

LUMP = 0.004
"""Side of the cubes in which texels count as one, metres."""

GRAZED = 0.04
"""Mean squared cosine to the line of sight below which a texel was hardly seen."""

LOOSE_LEVEL = 0.002
"""Layers above this level are hair and loose outline, metres."""

STRANDS = 0.004
"""What is smaller than this is a strand, and is not smoothed away, metres."""

STRENGTH = 0.8
"""How much of the seen hair's detail unseen hair gets."""

LENT = 0.2
"""How squarely a texel must have been seen to lend its strands, see :attr:`SeenTexels.square_weights`."""

LENDING_LEVEL = 0.006
"""Layers up to this level lend strands, metres; farther out hair is thin, and looks like what shines through."""

FAR, FARTHER = 0.02, 0.04
"""Distances from what was seen of a layer between which it becomes opaque, metres: gaps do not go on for long."""

FACE_REACH, FACE_END = 0.012, 0.024
"""The same from the head mesh, before which nothing becomes opaque so, metres."""

_CHUNK = 32768


@dataclass(frozen=True)
class SeenTexels:
    """What training frames show of each texel.

    Attributes
    ----------
    weights : (L, S, S) float32
        Pixels of a frame, on average, weighed by what outer layers let through; of frames whose longer side has as
        many pixels as a texture has texels, so that a preset's size does not change what counts as seen.
    square_weights : (L, S, S) float32
        The same, weighed by how squarely the texel was seen as well.
    colours : (L, S, S, 3) float32
        What it looked like on average, by those weights, sRGB 0..1; black where it was not seen.
    """

    weights: torch.Tensor
    square_weights: torch.Tensor
    colours: torch.Tensor


@torch.no_grad()
def seen_texels(
    proxies: Proxies,
    table: TexelTable,
    decoder: AppearanceDecoder,
    frames: TrainingFrames,
    corrections: PoseCorrections,
    rasteriser: Rasteriser,
    count: int,
) -> SeenTexels:
    """Look which texels the training frames show.

    Parameters
    ----------
    count : int
        Number of training frames looked at, spread evenly.
    """
    device, shape = proxies.positions.device, (proxies.layer_count, proxies.tile_size, proxies.tile_size)
    # Light; light seen squarely, and that times colour.
    total = torch.zeros(proxies.layer_count * proxies.tile_size**2, 5, device=device)
    directions = ray_directions(frames.cameras[0], device)
    inspected = spread(frames.training, count)
    for index in inspected:
        pose = corrections.corrected(TorchPose.of_frame(frames, index), index)
        shift = corrections.camera_shift[index]
        vertices = camera_vertices(posed_vertices(proxies, pose), frames.cameras[index], shift)
        triangles = visible_triangles(proxies, vertices, frames.cameras[index], rasteriser)
        hits = find_hits(proxies, vertices, smooth_normals(proxies, vertices), triangles, directions)
        colours, alphas = shade(hits, table.sample, proxies.layout, decoder(pose.conditions))
        light = transmittance(alphas)[hits.layers, hits.rays][:, None]
        facing = -(hits.normals * hits.directions).sum(1, keepdim=True)
        square = light * facing.clamp(0, 1).square()
        shown = torch.cat([light, square, square * colours[hits.layers, hits.rays]], 1)
        _deposit(total, hits.uv, hits.layers, shown, proxies.tile_size)
    camera = frames.cameras[0]
    pixels_per_texel = (max(camera.width, camera.height) / proxies.tile_size) ** 2
    weights, square_weights = (total[:, :2] / (len(inspected) * pixels_per_texel)).unbind(1)
    colours = linear_to_srgb(total[:, 2:] / total[:, 1:2].clamp(min=1e-8))
    return SeenTexels(weights.view(shape), square_weights.view(shape), colours.view(*shape, 3))


def _deposit(total: torch.Tensor, uv: torch.Tensor, layers: torch.Tensor, shown: torch.Tensor, size: int) -> None:
    """Add what each hit shows (N, 4) to its four texels, by bilinear weight."""
    texels = uv * size - 0.5
    corner = texels.floor()
    right, down = (texels - corner).unbind(1)
    column, row = corner.long().unbind(1)
    for step_right, across in ((0, 1 - right), (1, right)):
        for step_down, along in ((0, 1 - down), (1, down)):
            x, y = (column + step_right).clamp(0, size - 1), (row + step_down).clamp(0, size - 1)
            total.index_add_(0, (layers * size + y) * size + x, shown * (across * along)[:, None])


def inpainted(
    textures: torch.Tensor, proxies: Proxies, surface: TexelSurface, seen: SeenTexels, threshold: float
) -> torch.Tensor:
    """Textures (L, S, S, C) with unseen texels made plausible, and charts grown into the space between them.

    Parameters
    ----------
    textures : (L, S, S, C) float32
    proxies : Proxies
    surface : TexelSurface
    seen : SeenTexels
    threshold : float
        A texel seen with this weight or more keeps its values.
    """
    layout, levels = proxies.layout, proxies.levels.cpu().numpy()
    covered, weights = surface.covered.cpu().numpy(), seen.weights.cpu().numpy().copy()
    positions, values = surface.positions.cpu().numpy(), textures.cpu().numpy().copy()
    square_weights = seen.square_weights.cpu().numpy()
    looks, opacities = seen.colours.cpu().numpy(), values[..., layout.alpha].mean(-1, keepdims=True)
    # Loose hair is there to be grazed; on a closed surface that shows the outline's light and what swings before it.
    loose = levels > LOOSE_LEVEL
    weights[~loose] = np.minimum(weights, square_weights / GRAZED)[~loose]
    known = covered & (weights >= threshold)
    trust = np.divide(weights, threshold, out=np.ones_like(weights), where=weights < threshold)[..., None]
    band = HairBand.of_joints(proxies.joints.cpu().numpy())
    closed = np.flatnonzero(~loose & (levels != 0)).tolist()
    lends = known & (square_weights >= LENT) & ((levels > 0) & (levels < LENDING_LEVEL))[:, None, None]
    lenders = _Seen(positions[lends], looks[lends], square_weights[lends])
    for layer, level in enumerate(levels):
        unknown = covered[layer] & ~known[layer]
        if loose[layer]:
            # Fading by how little was seen leaves no hard edge.
            values[layer][..., layout.alpha] *= trust[layer]
            continue
        # The core is hidden almost everywhere: where a gap shows it, it looks like what covers it elsewhere.
        sources = [layer] if level == 0 else closed
        if not unknown.any() or not known[sources].any():
            continue
        examples = _Seen(*(part[sources][known[sources]] for part in (positions, looks, square_weights)))
        points, filled = positions[layer][unknown], values[layer][unknown]
        look = examples.continued(points) if level == 0 else _with_hair(examples, lenders, points, band)
        filled[:, layout.colour] = np.tile(np.clip(look, 0, 1), (1, layout.basis_count))
        # The core lies well inside: whatever looks through a gap in outer layers must end there. Others are opaque or
        # transparent, for a mixture would be a ghost.
        filled[:, layout.alpha] = 1.0
        if level >= 0 and known[layer].any():
            own = _Seen(*(part[layer][known[layer]] for part in (positions, opacities, weights)))
            opacity = np.clip(2.5 * (own.continued(points, neighbours=EDGE_NEIGHBOURS) - 0.5) + 0.5, 0, 1)
            if level > 0:
                mesh = positions[levels == 0][covered[levels == 0]]
                opacity = np.maximum(
                    opacity, _beyond(own.places, points, FAR, FARTHER) * _beyond(mesh, points, FACE_REACH, FACE_END)
                )
            filled[:, layout.alpha] = opacity
        share = trust[layer][unknown]
        values[layer][unknown] = share * values[layer][unknown] + (1 - share) * filled
    return dilated(torch.as_tensor(values, device=textures.device), surface.covered)


@dataclass(frozen=True)
class _Seen:
    """What was seen: looks (M, K) at places (M, 3), at rest, metres; how much (M,); and lumps of neighbouring ones."""

    places: Array
    looks: Array
    weights: Array

    @cached_property
    def _lumps(self) -> tuple[KDTree, Array, Array]:
        """Middles, looks (L, K) and weights (L,)."""
        cubes, lump = np.unique(np.floor(self.places / LUMP).astype(np.int64), axis=0, return_inverse=True)
        weights = np.bincount(lump.ravel(), self.weights, len(cubes))
        sums = [np.bincount(lump.ravel(), self.weights * part, len(cubes)) for part in (*self.places.T, *self.looks.T)]
        means = (np.stack(sums, 1) / weights[:, None]).astype(np.float32)
        return KDTree(means[:, :3]), means[:, 3:], weights.astype(np.float32)

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> _Seen:
        return _Seen(self.places[chosen], self.looks[chosen], self.weights[chosen])

    def continued(self, points: Array, blur: float = 0.5 * LUMP, neighbours: int = NEIGHBOURS) -> Array:
        """Looks (N, K) at points (N, 3): of the nearest lumps, nearer and better seen ones counting more.

        Within ``blur`` (metres) all lumps are about as near.
        """
        tree, looks, weights = self._lumps
        count = min(neighbours, len(looks))
        result = np.empty((len(points), looks.shape[1]), np.float32)
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            found = tree.query(points[part], count, workers=-1)
            distances, nearest = (np.reshape(values, (-1, count)) for values in found)
            shares = weights[nearest] / (distances.astype(np.float32) + np.float32(blur)) ** 3
            result[part] = np.einsum("nk,nkc->nc", shares / shares.sum(1, keepdims=True), looks[nearest])
        return result


def _beyond(places: Array, points: Array, start: float, end: float) -> Array:
    """How much (N, 1), 0..1, points (N, 3) are farther from all places (M, 3) than ``start``, on the way to ``end``."""
    if not len(places):
        return np.ones((len(points), 1), np.float32)
    distances = KDTree(places).query(points, workers=-1)[0].astype(np.float32)
    return np.clip((distances - start) / (end - start), 0, 1)[:, None]


def _with_hair(seen: _Seen, lenders: _Seen, points: Array, band: HairBand) -> Array:
    """Looks at unseen points (N, 3): what lies next to them, or hair, as lenders show it, where hair is expected."""
    look, expected = seen.continued(points), band.expected(points)
    hair, strands = (shown[band.known(shown.places)] for shown in (seen, lenders))
    hairy = np.flatnonzero(expected > 0)
    if len(hairy) and len(hair.places):
        colour = hair.continued(points[hairy], STRANDS)
        if len(strands.places):
            colour += STRENGTH * _detail(strands, points[hairy], band)
        look[hairy] += expected[hairy, None] * (colour - look[hairy])
    return look


def _detail(strands: _Seen, points: Array, band: HairBand) -> Array:
    """What strands, mirrored, add to the colour of unseen hair at points (N, 3)."""
    lending, of_point = np.unique(band.mirrored(strands.places, points), return_inverse=True)
    detail = strands.looks[lending] - strands.continued(strands.places[lending], STRANDS)
    # Rims of ears and stray lights are no strands.
    limit = np.percentile(np.abs(detail), 90)
    return detail.clip(-limit, limit)[of_point.ravel()]
