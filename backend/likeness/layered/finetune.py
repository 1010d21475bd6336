"""Stage 3: learn textures and decoder through the rasterised layers, as the avatar's file will hold them.

Each step renders some pixels of one training frame over a random background and compares sRGB values. Textures are
rounded to 8 bits in every picture (see :mod:`.texels`). Small per-frame corrections of pose, camera and expression
absorb what the tracker got wrong; held-out frames never take part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from ..raster.interface import Rasteriser
from .compositing import composite, distortion, layer_shares, linear_to_srgb, over, srgb_to_linear
from .corrections import CorrectionOptimiser
from .decoder import AppearanceDecoder
from .deformation import PoseCorrections, TorchPose, camera_vertices, posed_vertices
from .frames import TrainingFrames
from .presets import FineTuningPreset, Preset
from .proxies import Proxies
from .rendering import Hits, find_hits, ray_directions, shade, smooth_normals, visible_triangles
from .texels import TexelTable

RARITY_NEIGHBOURS = 8
"""Neighbours that :func:`rarity` measures by."""

Progress = Callable[[str, float, str], None]
"""Told the stage, the part of it that is done (0..1) and a line about it."""


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning learns.

    Attributes
    ----------
    table : TexelTable
        Textures; ``table.textures`` are the 8-bit values.
    decoder : AppearanceDecoder
    corrections : PoseCorrections
    losses : list of float
        Loss of every step.
    seconds : float
        Time taken.
    """

    table: TexelTable
    decoder: AppearanceDecoder
    corrections: PoseCorrections
    losses: list[float]
    seconds: float


@dataclass(frozen=True)
class _Scene:
    """What stays the same from step to step."""

    proxies: Proxies
    frames: TrainingFrames
    rasteriser: Rasteriser
    table: TexelTable
    decoder: AppearanceDecoder
    corrections: PoseCorrections
    directions: torch.Tensor
    normals: dict[int, torch.Tensor]


def finetune(
    proxies: Proxies,
    frames: TrainingFrames,
    preset: Preset,
    rasteriser: Rasteriser,
    *,
    seconds: float,
    seed: int = 0,
    progress: Progress = lambda stage, done, message: None,
    decoder: AppearanceDecoder | None = None,
    corrections: PoseCorrections | None = None,
    checkpoint: Callable[[FineTuned], None] | None = None,
) -> FineTuned:
    """Learn textures, decoder and corrections.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors; ``proxies.textures`` is where textures start.
    frames : TrainingFrames
        Only its training frames are used.
    preset : Preset
    rasteriser : Rasteriser
    seconds : float
        Time budget; the cosine of the step sizes follows whichever of it and the preset's steps ends first.
    seed : int
    progress : callable
    decoder, corrections : AppearanceDecoder and PoseCorrections, optional
        Stage 1's, to go on from; they are changed.
    checkpoint : callable, optional
        Given the state about once a minute.
    """
    numbers = preset.fine_tuning
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    scene = _prepared(proxies, frames, preset, rasteriser, decoder, corrections)
    optimiser = torch.optim.Adam(scene.decoder.parameters(), lr=numbers.decoder_rate, betas=(0.9, 0.99), fused=True)
    correcting = CorrectionOptimiser(scene.corrections, numbers)
    losses: list[float] = []
    start = saved = time.monotonic()
    for step, index in enumerate(_drawn_frames(frames, numbers, random)):
        elapsed = time.monotonic() - start
        done = max(step / max(numbers.steps, 1), elapsed / seconds if seconds > 0 else 1.0)
        if done >= 1:
            break
        decay = numbers.final_rate + (1 - numbers.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        correct = done >= numbers.correction_start and step % numbers.correction_interval == 0
        loss = _loss(scene, numbers, index, correct, random)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = numbers.decoder_rate * decay
        optimiser.step()
        scene.table.step(numbers.texture_rate * decay, numbers.agreement_weight)
        if correct:
            correcting.step(index, decay)
        losses.append(float(loss.detach()))
        if step % 20 == 0:
            progress("Fine-tuning", done, f"step {step}, loss {np.mean(losses[-50:]):.4f}")
        if checkpoint is not None and time.monotonic() - saved > 60:
            saved = time.monotonic()
            checkpoint(_result(scene, losses, saved - start))
    progress("Fine-tuning", 1.0, f"{len(losses)} steps, loss {np.mean(losses[-50:] or [0.0]):.4f}")
    return _result(scene, losses, time.monotonic() - start)


def _prepared(
    proxies: Proxies,
    frames: TrainingFrames,
    preset: Preset,
    rasteriser: Rasteriser,
    decoder: AppearanceDecoder | None,
    corrections: PoseCorrections | None,
) -> _Scene:
    device, expressions = proxies.positions.device, proxies.expression_basis.shape[2]
    if decoder is None:
        decoder = AppearanceDecoder(
            9 + expressions, proxies.feature_size, proxies.basis_count, hidden_size=preset.hidden_size
        )
    corrections = PoseCorrections(len(frames), expressions) if corrections is None else corrections
    table = TexelTable(proxies.textures, proxies.layout)
    directions = ray_directions(frames.cameras[0], device)
    return _Scene(proxies, frames, rasteriser, table, decoder.to(device), corrections.to(device), directions, {})


def _result(scene: _Scene, losses: list[float], seconds: float) -> FineTuned:
    return FineTuned(scene.table, scene.decoder, scene.corrections, losses, seconds)


def _drawn_frames(frames: TrainingFrames, numbers: FineTuningPreset, random: np.random.Generator) -> Iterator[int]:
    """Training frames in random order without end, rare turns of the head more often than common ones."""
    indices = np.array(frames.training)
    odds = rarity(frames) ** numbers.rarity_weight
    while True:
        yield from (int(index) for index in random.choice(indices, len(indices), p=odds / odds.sum()))


def rarity(frames: TrainingFrames) -> np.ndarray:
    """How far (T,) each training frame's turn of the head is from its neighbours', relative to the mean, 0.5..3.

    A talking head looks to the side in few frames. What only those show would be learnt in as few steps.
    """
    chosen = list(frames.training)
    turns = (frames.root_rotation + frames.joint_rotations[:, 0])[chosen].cpu().numpy()
    neighbours = min(RARITY_NEIGHBOURS + 1, len(turns))
    distances = np.sort(np.linalg.norm(turns[:, None] - turns, axis=-1), 1)[:, :neighbours].mean(1)
    return np.clip(distances / max(float(distances.mean()), 1e-6), 0.5, 3.0)


def _loss(
    scene: _Scene, numbers: FineTuningPreset, index: int, correct: bool, random: np.random.Generator
) -> torch.Tensor:
    frames, proxies, device = scene.frames, scene.proxies, scene.directions.device
    pose = TorchPose.of_frame(frames, index)
    with torch.set_grad_enabled(correct):
        posed = scene.corrections.corrected(pose, index)
        shift = scene.corrections.camera_shift[index]
        # A filmed pixel is the mean of the light on it, so each step looks at another place inside the pixels.
        camera = frames.cameras[index]
        camera = replace(camera, cx=camera.cx + random.uniform(-0.5, 0.5), cy=camera.cy + random.uniform(-0.5, 0.5))
        vertices = camera_vertices(posed_vertices(proxies, posed), camera, shift)
    triangles = visible_triangles(proxies, vertices, camera, scene.rasteriser)
    pixels = _chosen_pixels(triangles, frames, index, numbers)
    if index not in scene.normals:
        # Corrections turn normals by a fraction of a degree, so they are computed once per frame.
        scene.normals[index] = smooth_normals(proxies, vertices.detach())
    hits = find_hits(proxies, vertices, scene.normals[index], triangles[:, pixels], scene.directions[pixels])
    conditions = pose.conditions + numbers.expression_noise * torch.randn_like(pose.conditions)
    sampler = partial(sample_squarely, scene.table, hits, numbers.grazing_cosine)
    colours, alphas = shade(hits, sampler, proxies.layout, scene.decoder(conditions))
    background = _background(random).to(device)
    picture = composite(colours, alphas)
    truth, matte = target(frames, index, pixels, background)
    error = linear_to_srgb(over(picture, background)) - linear_to_srgb(truth)
    loss = error.abs().mean() + numbers.squared_weight * error.square().mean()
    loss = loss + numbers.alpha_weight * (picture[:, 3] - matte).abs().mean()
    if numbers.distortion_weight:
        loss = loss + numbers.distortion_weight * distortion(layer_shares(alphas), 100 * proxies.levels)
    if correct:
        loss = loss + numbers.expression_weight * scene.corrections.expression[index].square().sum()
    return loss


def sample_squarely(
    table: TexelTable, hits: Hits, grazing_cosine: float, uv: torch.Tensor, layers: torch.Tensor
) -> torch.Tensor:
    """Texture values at hits; gradients reach texels in proportion to how squarely they are seen.

    Outlines are seen at grazing angles, where a texel spans many pixels or none and may well lie behind the surface.
    What is learnt there should be learnt by the decoder, which knows the angle, and not by the texels, which the next
    turn of the head shows squarely.
    """
    values = table.sample(uv, layers)
    facing = -(hits.normals * hits.directions).sum(1, keepdim=True)
    share = (facing / max(grazing_cosine, 1e-6)).clamp(0, 1)
    values.register_hook(lambda gradient: gradient * share)
    return values


def target(
    frames: TrainingFrames, index: int, pixels: torch.Tensor, background: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What was filmed at some pixels (P,) of a frame, in linear light over a background (3,), and the matte (P,)."""
    filmed = srgb_to_linear(frames.pictures[index].view(-1, 3)[pixels].float() / 255)
    matte = frames.mattes[index].view(-1)[pixels].float() / 255
    return filmed * matte[:, None] + (1 - matte[:, None]) * background, matte


def _background(random: np.random.Generator) -> torch.Tensor:
    """Black, white or any colour, so that alpha cannot hide behind one."""
    kind = random.integers(4)
    return torch.full((3,), float(kind)) if kind < 2 else torch.as_tensor(random.random(3, np.float32))


def _chosen_pixels(
    triangles: torch.Tensor, frames: TrainingFrames, index: int, numbers: FineTuningPreset
) -> torch.Tensor:
    """Pixels (P,) in small square patches where a layer or the matte is, a share of them in the face.

    Neighbouring pixels share texels, so a patch costs less than as many scattered pixels.
    """
    shown = (triangles >= 0).any(0) | (frames.mattes[index].view(-1) > 0)
    anywhere, face = shown.nonzero()[:, 0], frames.face_masks[index].view(-1).nonzero()[:, 0]
    patches = max(1, numbers.pixels // numbers.patch**2)
    in_face = round(numbers.face_share * patches) if len(face) else 0
    middles = torch.cat([_drawn(face, in_face), _drawn(anywhere, patches - in_face)])
    width, height = frames.size
    steps = torch.arange(numbers.patch, device=middles.device) - numbers.patch // 2
    columns = (middles % width)[:, None, None] + steps
    rows = (middles // width)[:, None, None] + steps[:, None]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return (rows * width + columns)[inside]


def _drawn(candidates: torch.Tensor, count: int) -> torch.Tensor:
    if len(candidates) == 0:
        return candidates
    return candidates[torch.randint(len(candidates), (count,), device=candidates.device)]
