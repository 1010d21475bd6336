"""Stage 1: learn the surface and its look in canonical space by the fast path, without root finding.

Layer meshes are extracted from the manifold now and then. In between, each step deforms and rasterises them, takes
every hit's canonical point to the level set by one Newton step along the canonical ray, and evaluates the radiance
field there. The step carries the gradient of the picture into the manifold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..capture.model import Capture
from ..jobs.curve import described
from ..jobs.pace import part_done
from ..jobs.watch import Watch
from ..raster.interface import Rasteriser
from ..raster.warp_rasteriser import WarpRasteriser
from .compositing import composite, distortion, layer_shares, linear_to_srgb, over, srgb_to_linear
from .corrections import correction_loss
from .deformation import TorchPose, camera_vertices, posed_vertices
from .field_networks import fit_to_known, motion_loss
from .finetune import filmed_light, random_background, target
from .frames import TrainingFrames
from .hull_field import carved_field, in_main_memory
from .hulls import hull_field
from .layer_extraction import TrainingLayers
from .learning_state import load_arrays, module_arrays, restore_modules, save_arrays
from .outline import outline_loss, skin_loss
from .presets import Preset
from .preview import side_by_side
from .proxies import TextureLayout
from .rendering import ray_directions, shade, visible_triangles
from .stage_one_state import Course, StageOne, begun, checkpoint_of, extracted, initial, layout_of, residuals
from .surface_hits import Surface, SurfaceFinder, View, mesh_surface
from .team import ALONE, Team, random_of_frame

Progress = Callable[[str, float, str], None]


def train_stage_one(
    frames: TrainingFrames,
    capture: Capture,
    preset: Preset,
    *,
    seconds: float,
    seed: int = 0,
    progress: Progress = lambda stage, done, message: None,
    rasteriser: Rasteriser | None = None,
    watch: Watch | None = None,
    team: Team = ALONE,
) -> StageOne:
    """Learn a captured person's surface.

    Parameters
    ----------
    frames : TrainingFrames
        Only its training frames are used.
    capture : Capture
    preset : Preset
    seconds : float
        Time budget, the preparation of fields included; the preset's steps may end it sooner. An infinite one leaves it
        to the steps alone.
    seed : int
    progress : callable
        Told the stage, the part of it that is done and a line about it.
    rasteriser : Rasteriser, optional
        Warp's by default.
    watch : Watch, optional
        Looks on between steps, and may hold a state to go on from.
    team : Team
        The processes that learn together; each calls this with the same arguments, but for the watch.
    """
    watch, frames = watch or Watch(), in_main_memory(frames)
    torch.manual_seed(seed)
    progress("Shaping", 0.0, "distance field and matte hull")
    # A checkpoint's manifold holds the whole field, outline fit included.
    field = (
        hull_field(frames, capture, preset)
        if watch.restored is None
        else carved_field(frames, capture, preset.geometry)
    )
    state = initial(field, frames, preset)
    if watch.restored is None:
        fit_to_known(state.field, state.manifold, state.deformer, preset.geometry.stage_one.network.fit_steps, seed)
    course = begun(state, preset, np.random.default_rng(seed), watch.restored)
    if watch.restored is not None:
        watch.went_on(watch.restored)
    rasteriser = rasteriser or WarpRasteriser()
    take_steps(state, course, frames, preset, rasteriser, seconds, watch, progress, team=team, seed=seed)
    return state


def take_steps(
    state: StageOne,
    course: Course,
    frames: TrainingFrames,
    preset: Preset,
    rasteriser: Rasteriser,
    seconds: float,
    watch: Watch,
    progress: Progress = lambda stage, done, message: None,
    find: SurfaceFinder = mesh_surface,
    team: Team = ALONE,
    seed: int = 0,
) -> None:
    """Take all steps that are left, or as many as the time allows; ``find`` says how hits are found."""
    numbers, tuning, optimiser = preset.geometry.stage_one, preset.fine_tuning, course.optimiser
    rates = [group["lr"] for group in optimiser.param_groups]
    while (done := team.agreed(part_done(len(state.losses), numbers.steps, watch.clock.elapsed, seconds))) < 1:
        step = len(state.losses)
        if course.pending and done >= course.pending[0]:
            course.pending.pop(0)
            course.layers = extracted(state, preset, course.layers)
            course.extracted = residuals(state)
        indices = [_drawn_frame(frames, course) for _ in range(preset.frames_per_step)]
        correct = done >= tuning.correction_start and step % tuning.correction_interval == 0
        optimiser.zero_grad(set_to_none=True)
        loss = 0.0
        for place, index in team.share(indices):
            random = course.random if len(indices) == 1 else random_of_frame(seed, step, place)
            part = stage_one_loss(
                state, course.layers, frames, index, preset, rasteriser, correct=correct, random=random, find=find
            )
            part = part / len(indices)
            part.backward()
            loss += float(part.detach())
        learnt = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        team.add_gradients([*learnt, *(state.corrections.parameters() if correct else ())])
        decay = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))
        moving = min(1.0, max(0.0, (done - numbers.geometry_start) / 0.05))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * decay * (moving if group is optimiser.param_groups[-1] else 1.0)
        optimiser.step()
        if correct:
            course.correcting.step(*sorted(set(indices)), decay=decay)
        state.losses.append(team.total(loss))
        if step % 20 == 0:
            progress("Surface", done, described(state.losses))
        preview = partial(_preview, state, course, frames, preset, rasteriser)
        watch.between(state.losses, numbers.steps, done, partial(checkpoint_of, state, course), preview)
    progress("Surface", 1.0, described(state.losses))


def _drawn_frame(frames: TrainingFrames, course: Course) -> int:
    """The next training frame of a random order without end."""
    if not course.order:
        course.order = course.random.permutation(frames.training).tolist()
    return course.order.pop()


def _preview(state: StageOne, course: Course, frames: TrainingFrames, preset: Preset, rasteriser: Rasteriser) -> bytes:
    """A training frame beside what its pose looks like now."""
    index = frames.training[len(frames.training) // 2]
    picture = rendered(state, course.layers, frames, index, preset, rasteriser)
    return side_by_side(filmed_light(frames, index), picture, frames.size)


@torch.no_grad()
def rendered(
    state: StageOne,
    layers: TrainingLayers,
    frames: TrainingFrames,
    index: int,
    preset: Preset,
    rasteriser: Rasteriser,
) -> torch.Tensor:
    """A frame's pose as it looks so far: (H * W, 4), linear light, premultiplied by the alpha in the last channel."""
    surface = mesh_surface(state, view_of(state, layers, frames, index, rasteriser), preset)
    return composite(*_shaded(state, surface, layout_of(preset), TorchPose.of_frame(frames, index).conditions))


def view_of(
    state: StageOne, layers: TrainingLayers, frames: TrainingFrames, index: int, rasteriser: Rasteriser
) -> View:
    """All of a frame's rays, with what layers show along them."""
    camera = frames.cameras[index]
    posed = state.corrections.corrected(TorchPose.of_frame(frames, index), index)
    shift = state.corrections.camera_shift[index]
    weights = state.torso(layers.canonical, layers.proxies.skin_weights)
    vertices = posed_vertices(replace(layers.proxies, skin_weights=weights), posed)
    vertices = camera_vertices(vertices, camera, shift)
    triangles = visible_triangles(layers.proxies, vertices, camera, rasteriser)
    return View(layers, vertices, triangles, ray_directions(camera), posed, camera, shift)


def _shaded(
    state: StageOne, surface: Surface, layout: TextureLayout, conditions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours and opacities of each layer along each ray, see :func:`.rendering.shade`."""
    return shade(
        surface.hits,
        lambda points, _: _linear(state.radiance(points, surface.opacity), layout),
        layout,
        state.decoder(conditions),
    )


def stage_one_loss(
    state: StageOne,
    layers: TrainingLayers,
    frames: TrainingFrames,
    index: int,
    preset: Preset,
    rasteriser: Rasteriser,
    *,
    correct: bool,
    random: np.random.Generator,
    find: SurfaceFinder = mesh_surface,
) -> torch.Tensor:
    """Loss of one training frame on some of its pixels: picture, matte, outline, skin, smoothness, distortion.

    A frame in which neither a layer nor the matte is to be seen has none: zero, and no gradient.
    """
    numbers, tuning, pose = preset.geometry.stage_one, preset.fine_tuning, TorchPose.of_frame(frames, index)
    with torch.set_grad_enabled(correct):
        whole = view_of(state, layers, frames, index, rasteriser)
    matte = frames.film(index).matte.view(-1)
    shown = ((whole.triangles >= 0).any(0) | (matte > 0)).nonzero()[:, 0]
    if not len(shown):
        return torch.zeros((), requires_grad=True)
    pixels = shown[torch.randint(len(shown), (numbers.pixels,))]
    view = replace(whole, triangles=whole.triangles[:, pixels], directions=whole.directions[pixels])
    surface = find(state, view, preset)
    conditions = pose.conditions + tuning.expression_noise * torch.randn_like(pose.conditions)
    colours, alphas = _shaded(state, surface, layout_of(preset), conditions)
    background = random_background(random)
    picture = composite(colours, alphas)
    truth, share = target(frames, index, pixels, background)
    loss = (linear_to_srgb(over(picture, background)) - linear_to_srgb(truth)).abs().mean()
    loss = loss + tuning.alpha_weight * (picture[:, 3] - share).abs().mean()
    loss = loss + tuning.distortion_weight * distortion(layer_shares(alphas), 100 * layers.proxies.levels)
    outline = outline_loss(
        state.manifold,
        layers,
        view.pose,
        view.camera,
        rays=view.directions,
        triangles=surface.triangles,
        matte=share,
        hits=surface.outline,
        shift=view.shift,
    )
    loss = loss + numbers.mask_weight * outline
    loss = loss + numbers.roughness_weight * state.manifold.roughness()
    loss = loss + numbers.skin_weight * skin_loss(state.manifold, layers)
    if state.learns_motion:
        loss = loss + numbers.network.motion_weight * motion_loss(state.field, state.deformer, surface.hits.uv)
    if correct:
        loss = loss + numbers.torso_weight * state.torso.roughness()
        loss = loss + correction_loss(state.corrections, index, frames.training, tuning)
    return loss


def _linear(values: torch.Tensor, layout: TextureLayout) -> torch.Tensor:
    colour = srgb_to_linear(values[:, layout.colour])
    return torch.cat([colour, values[:, layout.colour.stop :]], 1)


def save_stage_one(learned: StageOne, folder: Path) -> None:
    """Write what stage 1 has learnt, as weights that :func:`load_stage_one` puts back onto the same capture's field."""
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays(module_arrays(learned.modules), folder / "stage_one.safetensors")


def load_stage_one(folder: Path, frames: TrainingFrames, capture: Capture, preset: Preset) -> StageOne:
    """Read what :func:`save_stage_one` wrote."""
    # The learned manifold holds the whole field, outline fit included; the head and how points move are quickly remade.
    frames = in_main_memory(frames)
    state = initial(carved_field(frames, capture, preset.geometry), frames, preset)
    restore_modules(state.modules, load_arrays(folder / "stage_one.safetensors"))
    return state
