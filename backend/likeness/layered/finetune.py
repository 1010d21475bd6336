"""Stage 3: learn textures and decoder through the rasterised layers, as the avatar's file will hold them.

Each step renders some pixels of one training frame over a random background and compares sRGB values. Textures are
rounded to 8 bits in every picture (see :mod:`.texels`). Small per-frame corrections of pose, camera and expression
absorb what the tracker got wrong; held-out frames never take part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.spatial import KDTree

from ..camera import Camera
from ..jobs.curve import described
from ..jobs.pace import part_done
from ..jobs.watch import Watch
from ..raster.interface import Rasteriser
from .coarse_to_fine import coarse_table, refined, tile_size_at
from .compositing import composite, distortion, imbalance, layer_shares, linear_to_srgb, over, srgb_to_linear
from .corrections import CorrectionOptimiser, correction_loss
from .decoder import AppearanceDecoder, new_decoder
from .deformation import PoseCorrections, TorchPose
from .finetune_state import Course, Scene, checkpoint_of, restore
from .frames import TrainingFrames
from .perceptual import chosen_patches, patch_loss
from .presets import FineTuningPreset, Preset
from .preview import side_by_side
from .proxies import Proxies
from .rendering import (
    Hits,
    basis_shares,
    blended,
    find_hits,
    ray_directions,
    shade,
    smooth_normals,
    visible_triangles,
)
from .team import ALONE, Team, random_of_frame
from .texels import TexelTable
from .turned_views import filmed_turns, turned_loss

RARITY_NEIGHBOURS = 8
"""Neighbours that :func:`rarity` measures by."""

KEPT_NORMALS = 256
"""Frames whose normals are kept, others' are computed anew: a long film needs no more memory than a short one."""

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
    watch: Watch | None = None,
    team: Team = ALONE,
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
        Time budget; the cosine of the step sizes follows whichever of it and the preset's steps ends first. An infinite
        one leaves it to the steps alone.
    seed : int
    progress : callable
    decoder, corrections : AppearanceDecoder and PoseCorrections, optional
        Stage 1's, to go on from; they are changed.
    watch : Watch, optional
        Looks on between steps, and may hold a state to go on from.
    team : Team
        The processes that learn together; each calls this with the same arguments, but for the watch.
    """
    numbers, watch = preset.fine_tuning, watch or Watch()
    torch.manual_seed(seed)
    scene = _prepared(proxies, frames, preset, rasteriser, decoder, corrections)
    optimiser = torch.optim.Adam(scene.decoder.parameters(), lr=numbers.decoder_rate, betas=(0.9, 0.99), fused=True)
    course = Course(optimiser, CorrectionOptimiser(scene.corrections, numbers), np.random.default_rng(seed))
    losses, turns = course.losses, filmed_turns(frames)
    if watch.restored is not None:
        scene = restore(scene, course, watch.restored)
        watch.went_on(watch.restored)
    while (done := team.agreed(part_done(len(losses), numbers.steps, watch.clock.elapsed, seconds))) < 1:
        while scene.table.size < tile_size_at(done, proxies.tile_size, numbers):
            scene = replace(scene, table=refined(scene.table, proxies.textures))
        step, indices = len(losses), [_drawn_frame(frames, numbers, course) for _ in range(preset.frames_per_step)]
        decay = numbers.final_rate + (1 - numbers.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
        correct = done >= numbers.correction_start and step % numbers.correction_interval == 0
        turned = numbers.turned_weight and done >= numbers.turned_start and step % numbers.turned_interval == 0
        optimiser.zero_grad(set_to_none=True)
        loss = 0.0
        for place, index in team.share(indices):
            random = course.random if len(indices) == 1 else random_of_frame(seed, step, place)
            part = _loss(scene, numbers, index, correct, random) / len(indices)
            part.backward()
            loss += float(part.detach())
            if turned:
                weight = numbers.turned_weight / len(indices)
                (weight * turned_loss(scene, turns, index, numbers, random)).backward()
        team.add_gradients([*scene.decoder.parameters(), *(scene.corrections.parameters() if correct else ())])
        scene.table.add_gradients(team)
        for group in optimiser.param_groups:
            group["lr"] = numbers.decoder_rate * decay
        optimiser.step()
        scene.table.step(numbers.texture_rate * decay, numbers.agreement_weight, numbers.basis_reach)
        if correct:
            course.correcting.step(*sorted(set(indices)), decay=decay)
        losses.append(team.total(loss))
        if step % 20 == 0:
            progress("Fine-tuning", done, described(losses))
        watch.between(losses, numbers.steps, done, partial(checkpoint_of, scene, course), partial(_preview, scene))
    progress("Fine-tuning", 1.0, described(losses))
    while scene.table.size < proxies.tile_size:
        scene = replace(scene, table=refined(scene.table, proxies.textures))
    return FineTuned(scene.table, scene.decoder, scene.corrections, losses, watch.clock.elapsed)


@torch.no_grad()
def _preview(scene: Scene) -> bytes:
    """A training frame beside what its pose looks like now."""
    frames, proxies = scene.frames, scene.proxies
    index = frames.training[len(frames.training) // 2]
    pose = TorchPose.of_frame(frames, index)
    vertices = scene.vertices(scene.corrections, pose, index, frames.cameras[index])
    triangles = visible_triangles(proxies, vertices, frames.cameras[index], scene.rasteriser)
    hits = find_hits(proxies, vertices, smooth_normals(proxies, vertices), triangles, scene.directions)
    layers = shade(hits, scene.table.sample, proxies.layout, scene.decoder(pose.conditions))
    return side_by_side(filmed_light(frames, index), composite(*layers), frames.size)


def _prepared(
    proxies: Proxies,
    frames: TrainingFrames,
    preset: Preset,
    rasteriser: Rasteriser,
    decoder: AppearanceDecoder | None,
    corrections: PoseCorrections | None,
) -> Scene:
    device, expressions = proxies.positions.device, proxies.expression_basis.shape[2]
    if decoder is None:
        decoder = new_decoder(expressions, preset)
    corrections = PoseCorrections(len(frames), expressions) if corrections is None else corrections
    table = coarse_table(proxies.textures, tile_size_at(0.0, proxies.tile_size, preset.fine_tuning), proxies.layout)
    corrections, directions = corrections.to(device), ray_directions(frames.cameras[0], device)
    return Scene(
        proxies, frames, rasteriser, table, decoder.to(device), corrections, deepcopy(corrections), directions, {}
    )


def _drawn_frame(frames: TrainingFrames, numbers: FineTuningPreset, course: Course) -> int:
    """The next training frame of a random order without end, rare turns of the head more often than common ones."""
    if not course.order:
        indices = np.array(frames.training)
        odds = rarity(frames) ** numbers.rarity_weight
        course.order.extend(course.random.choice(indices, len(indices), p=odds / odds.sum()).tolist())
    return course.order.pop(0)


def rarity(frames: TrainingFrames) -> np.ndarray:
    """How far (T,) each training frame's turn of the head is from its neighbours', relative to the mean, 0.5..3.

    A talking head looks to the side in few frames. What only those show would be learnt in as few steps.
    """
    chosen = list(frames.training)
    turns = (frames.root_rotation + frames.joint_rotations[:, 0])[chosen].cpu().numpy()
    neighbours = min(RARITY_NEIGHBOURS + 1, len(turns))
    distances = KDTree(turns).query(turns, neighbours)[0].reshape(len(turns), -1).mean(1)
    return np.clip(distances / max(float(distances.mean()), 1e-6), 0.5, 3.0)


def _loss(
    scene: Scene, numbers: FineTuningPreset, index: int, correct: bool, random: np.random.Generator
) -> torch.Tensor:
    """Loss of one training frame on some of its pixels; zero without gradient where neither layer nor matte is."""
    frames, proxies, device = scene.frames, scene.proxies, scene.directions.device
    pose = TorchPose.of_frame(frames, index)
    with torch.set_grad_enabled(correct):
        # A filmed pixel is the mean of the light on it, so each step asks at another place inside the pixels which
        # surface they show. Where on the surface stays the pixel's centre: textures learnt all over a pixel, from its
        # mean, would be blurred twice (measured: 0.1 dB less).
        camera = frames.cameras[index]
        camera = replace(camera, cx=camera.cx + random.uniform(-0.5, 0.5), cy=camera.cy + random.uniform(-0.5, 0.5))
        vertices = scene.vertices(scene.corrections, pose, index, camera)
    triangles = visible_triangles(proxies, vertices, camera, scene.rasteriser)
    patches = _whole_patches(triangles, frames, index, numbers)
    scattered = replace(numbers, pixels=max(1, numbers.pixels - patches.numel())) if patches.numel() else numbers
    pixels = torch.cat([patches.flatten(), _chosen_pixels(triangles, frames, index, scattered)])
    if not len(pixels):
        return torch.zeros((), device=device, requires_grad=True)
    normals = _tracked_normals(scene, pose, index, camera)
    hits = find_hits(proxies, vertices, normals, triangles[:, pixels], scene.directions[pixels])
    conditions = learning_conditions(pose, numbers)
    sampler = partial(sample_squarely, scene.table, hits, numbers.grazing_cosine)
    values = sampler(hits.uv, hits.layers)
    bases = basis_shares(hits, values, proxies.layout, scene.decoder(conditions))
    colours, alphas = blended(hits, values, bases, proxies.layout)
    shares = layer_shares(alphas)
    background = random_background(random).to(device)
    picture = composite(colours, alphas)
    truth, matte = target(frames, index, pixels, background)
    shown, wanted = linear_to_srgb(over(picture, background)), linear_to_srgb(truth)
    error = shown - wanted
    loss = error.abs().mean() + numbers.squared_weight * error.square().mean()
    if patches.numel():
        cut = (part[: patches.numel()].view(*patches.shape, 3).permute(0, 3, 1, 2) for part in (shown, wanted))
        loss = loss + numbers.perceptual_weight * patch_loss(numbers.perceptual_loss, device)(*cut)
    loss = loss + numbers.alpha_weight * (picture[:, 3] - matte).abs().mean()
    if numbers.distortion_weight:
        loss = loss + numbers.distortion_weight * distortion(shares, 100 * proxies.levels)
    if numbers.balance_weight:
        loss = loss + numbers.balance_weight * imbalance(bases, shares[hits.layers, hits.rays])
    if correct:
        loss = loss + correction_loss(scene.corrections, index, frames.training, numbers)
    return loss


def learning_conditions(pose: TorchPose, numbers: FineTuningPreset) -> torch.Tensor:
    """Conditions (9 + E,) of the decoder that a picture is learnt with: nearly its pose's, now and then none.

    A hundred frames of fifty weights each can be told apart by their conditions alone, so a decoder learns each
    picture's light and errors by heart. Where it is told of a neutral face now and then, looks must do without, and
    only what truly goes with an expression is left to it.
    """
    conditions = pose.conditions
    if numbers.condition_dropout and torch.rand(()) < numbers.condition_dropout:
        return torch.zeros_like(conditions)
    return conditions + numbers.expression_noise * torch.randn_like(conditions)


@torch.no_grad()
def _tracked_normals(scene: Scene, pose: TorchPose, index: int, camera: Camera) -> torch.Tensor:
    """Vertex normals (V, 3) of a frame, from the corrections that learning began with.

    Those that are learnt turn normals by a fraction of a degree, so they are computed once for each frame, as long as
    there is room; and whoever goes on from a checkpoint finds the same.
    """
    if index in scene.normals:
        return scene.normals[index]
    normals = smooth_normals(scene.proxies, scene.vertices(scene.tracked, pose, index, camera))
    if len(scene.normals) < KEPT_NORMALS:
        scene.normals[index] = normals
    return normals


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
    filmed = frames.film(index)
    colours = srgb_to_linear(filmed.picture.view(-1, 3)[pixels].float() / 255)
    matte = filmed.matte.view(-1)[pixels].float() / 255
    return colours * matte[:, None] + (1 - matte[:, None]) * background, matte


def filmed_light(frames: TrainingFrames, index: int) -> torch.Tensor:
    """A frame's picture (H*W, 4) in linear light, premultiplied by its matte in the last channel."""
    width, height = frames.size
    everywhere = torch.arange(width * height, device=frames.device)
    colour, matte = target(frames, index, everywhere, torch.zeros(3, device=frames.device))
    return torch.cat([colour, matte[:, None]], 1)


def random_background(random: np.random.Generator) -> torch.Tensor:
    """Black, white or any colour, so that alpha cannot hide behind one."""
    kind = random.integers(4)
    return torch.full((3,), float(kind)) if kind < 2 else torch.as_tensor(random.random(3, np.float32))


def _chosen_pixels(
    triangles: torch.Tensor, frames: TrainingFrames, index: int, numbers: FineTuningPreset
) -> torch.Tensor:
    """Pixels (P,) in small square patches where a layer or the matte is, a share of them in the face.

    Neighbouring pixels share texels, so a patch costs less than as many scattered pixels.
    """
    patches = max(1, numbers.pixels // numbers.patch**2)
    middles = _middles(triangles, frames, index, numbers.face_share, patches)
    width, height = frames.size
    steps = torch.arange(numbers.patch, device=middles.device) - numbers.patch // 2
    columns = (middles % width)[:, None, None] + steps
    rows = (middles // width)[:, None, None] + steps[:, None]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return (rows * width + columns)[inside]


def _whole_patches(
    triangles: torch.Tensor, frames: TrainingFrames, index: int, numbers: FineTuningPreset
) -> torch.Tensor:
    """Pixels (N, side, side) of whole patches for the perceptual loss, a share of them about the face; maybe none."""
    side = min(numbers.perceptual_side, *frames.size)
    if not numbers.perceptual_weight:
        return torch.zeros(0, side, side, dtype=torch.int64, device=triangles.device)
    count = max(1, round(numbers.perceptual_share * numbers.pixels / side**2))
    middles = _middles(triangles, frames, index, numbers.face_share, count)
    return chosen_patches(middles, frames.size, side)


def _middles(
    triangles: torch.Tensor, frames: TrainingFrames, index: int, face_share: float, count: int
) -> torch.Tensor:
    """Pixels (N,) where a layer or the matte is, a share of them in the face."""
    filmed = frames.film(index)
    shown = (triangles >= 0).any(0) | (filmed.matte.view(-1) > 0)
    anywhere, face = shown.nonzero()[:, 0], filmed.face_mask.view(-1).nonzero()[:, 0]
    in_face = round(face_share * count) if len(face) else 0
    return torch.cat([_drawn(face, in_face), _drawn(anywhere, count - in_face)])


def _drawn(candidates: torch.Tensor, count: int) -> torch.Tensor:
    if len(candidates) == 0:
        return candidates
    return candidates[torch.randint(len(candidates), (count,), device=candidates.device)]
