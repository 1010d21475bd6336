"""What an artist has today: the tracked head mesh with one texture, optimised over the training frames.

The mesh is the head model's whole mesh, posed by the tracked parameters and drawn opaque and unlit; its texture is one
RGB picture over the head's own UV layout. The texture starts as the mean of all that was seen of each texel, unseen
texels are filled from their surroundings, and Adam then lowers the mean squared difference of the rendered and the
filmed pixels, in sRGB as PSNR is measured, weighted by the matte: what the mesh covers of the background does not stain
the texture. A weak pull towards smooth textures keeps texels that few pixels saw from fitting their noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import avg_pool2d, interpolate

from ..camera import Camera
from ..capture.model import Capture
from ..capture.storage import load_frame, load_matte
from ..errors import LikenessError
from ..raster.interface import Rasteriser
from ..raster.render_mesh import Surface, render_mesh, surface_hits, texture_coordinates
from ..raster.select import rasteriser
from ..raster.texture import sample_textures

Array = npt.NDArray[np.float32]

TEXTURE_SIZE = 512
SUPERSAMPLING = 2
MAXIMUM_FRAMES = 200
MAXIMUM_PIXELS = 2_000_000
BATCH = 32_768
SMOOTHNESS = 0.25
"""Weight of the mean squared difference of neighbouring texels, against that of pixels."""


@dataclass(frozen=True)
class Baseline:
    """A head mesh's texture.

    Attributes
    ----------
    surface : Surface
        All regions of the head model.
    texture : (T, T, 3) float32
        sRGB-encoded, 0..1.
    seen : (T, T) bool
        Texels that training frames showed; the others were filled in.
    """

    surface: Surface
    texture: torch.Tensor
    seen: torch.Tensor


@dataclass(frozen=True)
class _Observations:
    """Filmed pixels that the mesh covers whole; N pixels of S samples each."""

    uv: torch.Tensor
    """(N, S, 2) float32: where each sample of the pixel lies in the texture, v downwards."""

    colour: torch.Tensor
    """(N, 3) float32: sRGB, 0..1."""

    weight: torch.Tensor
    """(N,) float32: the matte, 0..1."""


def fit_baseline(capture: Capture, size: int, iterations: int = 100, seed: int = 0) -> Baseline:
    """Optimise a texture for the tracked head mesh over the training frames.

    Parameters
    ----------
    capture : Capture
    size : int
        Side of the square pictures that are fitted, pixels.
    iterations : int
        Steps of Adam, on a batch of pixels each.
    seed : int
        Of the choice of pixels; equal seeds give equal textures.

    Raises
    ------
    LikenessError
        If the mesh covers no pixel of any training frame.
    """
    head = capture.head
    uv = np.stack([head.uv[:, 0], 1 - head.uv[:, 1]], 1)
    surface = Surface(torch.tensor(head.faces), torch.tensor(uv), torch.tensor(head.faces_uv.astype(np.int64)))
    generator = torch.Generator().manual_seed(seed)
    observations = _observe(capture, surface, size, generator)
    texture, weight = _mean_texture(observations)
    texture = _optimise(_fill(texture, weight), observations, iterations)
    seen = weight > 0
    return Baseline(surface, _fill(texture, seen.float()), seen)


def render_baseline(baseline: Baseline, capture: Capture, index: int, size: int) -> Array:
    """The textured mesh in the tracked pose of one frame.

    Returns
    -------
    (size, size, 4) float32
        Linear light, premultiplied by alpha.
    """
    positions = capture.head.posed(capture.pose(index), capture.identity)
    camera = capture.camera(index).resized(size, size)
    rasterise = rasteriser(baseline.texture.device)
    return render_mesh(rasterise, baseline.surface, positions, baseline.texture, camera, SUPERSAMPLING)


def _observe(capture: Capture, surface: Surface, size: int, generator: torch.Generator) -> _Observations:
    """Pixels of training frames, spread evenly over the capture, in random order, with a render's samples each."""
    frames = capture.training
    if len(frames) > MAXIMUM_FRAMES:
        frames = [frames[int(place)] for place in np.linspace(0, len(frames) - 1, MAXIMUM_FRAMES).round()]
    rasterise = rasteriser(torch.device("cpu"))
    parts = []
    for index in frames:
        uv, pixels = _visible(capture, surface, rasterise, index, size)
        frame = cv2.resize(load_frame(capture, index), (size, size), interpolation=cv2.INTER_AREA)
        matte = cv2.resize(load_matte(capture, index), (size, size), interpolation=cv2.INTER_AREA)
        keep = torch.randperm(len(pixels), generator=generator)[: MAXIMUM_PIXELS // len(frames)]
        pixels = pixels[keep]
        parts.append(
            (uv[keep], torch.tensor(frame).view(-1, 3)[pixels] / 255, torch.tensor(matte).view(-1)[pixels] / 255)
        )
    if not sum(len(part[0]) for part in parts):
        raise LikenessError(f"The tracked head covers no pixel of {capture.folder}'s training frames; track it again.")
    # A batch is a stretch of these, and shall be of all frames: in their order the last batches were fitted best.
    order = torch.randperm(sum(len(part[0]) for part in parts), generator=generator)
    return _Observations(*(torch.cat(part)[order] for part in zip(*parts, strict=True)))


def _visible(
    capture: Capture, surface: Surface, rasterise: Rasteriser, index: int, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Texture coordinates (N, S, 2) of the samples of pixels (N,) all of whose samples hit the mesh."""
    camera: Camera = capture.camera(index).resized(size * SUPERSAMPLING, size * SUPERSAMPLING)
    positions = capture.head.posed(capture.pose(index), capture.identity)
    hits = surface_hits(rasterise, positions, surface.faces, camera)
    samples = torch.full((camera.height * camera.width, 2), torch.nan)
    samples[hits.pixels] = texture_coordinates(surface, hits)
    blocks = samples.view(size, SUPERSAMPLING, size, SUPERSAMPLING, 2).transpose(1, 2)
    blocks = blocks.reshape(size * size, SUPERSAMPLING**2, 2)
    pixels = torch.isfinite(blocks).all(2).all(1).nonzero()[:, 0]
    return blocks[pixels], pixels


def _mean_texture(observations: _Observations) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted mean colour (T, T, 3) of what each texel was seen as, and its weight (T, T)."""
    # Scattering values into texels is the adjoint of sampling them.
    sums = torch.zeros(1, TEXTURE_SIZE, TEXTURE_SIZE, 4, requires_grad=True)
    samples = observations.uv.shape[1]
    for start in range(0, len(observations.uv), BATCH):
        chosen = slice(start, start + BATCH)
        uv = observations.uv[chosen].view(-1, 2)
        weight = observations.weight[chosen, None]
        values = torch.cat([observations.colour[chosen] * weight, weight], 1).repeat_interleave(samples, 0)
        sample_textures(sums, torch.zeros(len(uv), dtype=torch.int32), uv).backward(values)
    assert sums.grad is not None
    colour, weight = sums.grad[0, ..., :3], sums.grad[0, ..., 3]
    return colour / weight.clamp(min=1e-8)[..., None], weight


def _fill(texture: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Give texels without weight the mean of the nearest block of a pyramid that has some (push and pull)."""
    share = weight.clamp(max=1)[None, None]
    levels = [(texture.permute(2, 0, 1)[None], share)]
    while levels[-1][0].shape[-1] > 1:
        colour, share = levels[-1]
        coarse = avg_pool2d(share, 2)
        levels.append((avg_pool2d(colour * share, 2) / coarse.clamp(min=1e-8), (4 * coarse).clamp(max=1)))
    filled = levels[-1][0]
    for colour, share in reversed(levels[:-1]):
        around = interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        filled = torch.lerp(around, colour, share)
    return filled[0].permute(1, 2, 0).contiguous()


def _optimise(texture: torch.Tensor, observations: _Observations, iterations: int) -> torch.Tensor:
    """Lower the weighted mean squared difference, in sRGB, of rendered and filmed pixels."""
    texels = texture[None].clone().requires_grad_()
    optimiser = torch.optim.Adam([texels], lr=3e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, iterations), eta_min=3e-5)
    count, samples = observations.uv.shape[:2]
    for iteration in range(iterations):
        start = iteration % -(-count // BATCH) * BATCH
        chosen = slice(start, start + BATCH)
        uv = observations.uv[chosen].view(-1, 2)
        linear = sample_textures(texels, torch.zeros(len(uv), dtype=torch.int32), uv, srgb_channels=3)
        rendered = _encode(linear.view(-1, samples, 3).mean(1))
        difference = (rendered - observations.colour[chosen]).square().mean(1)
        loss = (difference * observations.weight[chosen]).mean()
        for axis in (1, 2):
            loss = loss + SMOOTHNESS * texels.diff(dim=axis).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            texels.clamp_(0, 1)
    return texels.detach()[0]


def _encode(linear: torch.Tensor) -> torch.Tensor:
    """SRGB of linear light (IEC 61966-2-1)."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
