"""Stage 1's fast path against the reference search: speed, whether they find the same places, and what time buys.

Both take the same training steps: same field, levels, pictures, pixels and losses. They differ in how a ray's hits are
found. The fast path rasterises layer meshes, which it extracts anew now and then, and refines; the reference marches
along every ray and finds roots (see :mod:`likeness.layered.reference_search`), with the paper's numbers. All of it runs
on one thread: the reference is a few huge operations, which more threads would speed up more than many small ones.

Whether hits agree is judged by a more thorough search, for the paper's own misses what lies between its samples, and
places that bones do not lead to.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..capture.model import Capture
from ..evaluate.metrics import psnr
from ..jobs.watch import Watch
from ..layered.compositing import linear_to_srgb, over
from ..layered.field_networks import fit_to_known
from ..layered.frames import TrainingFrames, load_frames
from ..layered.hulls import hull_field
from ..layered.layer_extraction import TrainingLayers, training_layers
from ..layered.point_deformation import FrameDeformation
from ..layered.presets import Preset
from ..layered.reference_search import SearchSettings
from ..layered.reference_surface import reference_surface, searched
from ..layered.search_starts import Starts, all_starts, bone_starts, skin_starts
from ..layered.stage_one import rendered, take_steps, view_of
from ..layered.stage_one_state import StageOne, begun, initial
from ..layered.surface_hits import SurfaceFinder, View, mesh_surface
from ..raster.warp_rasteriser import WarpRasteriser
from .threads import one_thread

PAPER = SearchSettings()
THOROUGH = SearchSettings(samples=320, secant_steps=12, broyden_steps=15)

TOLERANCE = 1e-3
"""Of the head's size: how near hits must be to count as the same."""

SHOWN = 4
"""Frames of each kind, training and held out, whose pictures are compared."""


@dataclass(frozen=True)
class Agreement:
    """How a way of finding hits compares with the thorough search, over rays and layers that are level sets.

    Attributes
    ----------
    agree : float
        Part of the pairs of ray and layer, hit in both ways, whose canonical points are the same; 0..1.
    only_here, only_thorough : float
        Pairs that are hit in one way alone, as parts of all that are hit in either.
    median : float
        Distance of the points, metres.
    compared : int
        Pairs that are hit in both ways.
    """

    agree: float
    only_here: float
    only_thorough: float
    median: float
    compared: int


@dataclass(frozen=True)
class Run:
    """A short training.

    Attributes
    ----------
    state : StageOne
    seconds : float
        What it took, extraction of layers included.
    steps : int
    """

    state: StageOne
    seconds: float
    steps: int


def bench_train(
    capture: Capture, preset: Preset, *, seconds: float = 90.0, rays: int = 500, frames: int = 4, seed: int = 0
) -> dict[str, Any]:
    """Compare the fast path with the reference search on a capture.

    Marks:

    ``fast_rays_per_s``, ``reference_rays_per_s``, ``speedup``
        Rays through all layers, trained on per second: search, shading, losses, backward and optimiser; the fast path's
        extraction of layers too.
    ``hits_agree_percent``
        Rays, layer by layer, whose canonical hits in the fast path and in a thorough search differ by at most a
        thousandth of the head's size, among those that both find.
    ``hits_only_fast_percent``, ``hits_only_thorough_percent``
        Of all that either finds.
    ``unrefined_agree_percent``, ``reference_agree_percent``
        The same comparison for hits of the fast path that are not refined, and for the reference with the paper's
        numbers.
    ``hits_median_mm``
        Median distance of the fast path's hits from the thorough search's.
    ``fast_psnr_equal_time``, ``reference_psnr_equal_time``
        Foreground of training and held-out frames, after both were trained for the same time from the same start.

    Parameters
    ----------
    capture : Capture
    preset : Preset
    seconds : float
        Time for each of the two trainings.
    rays, frames : int
        Rays of each frame, and frames, whose hits are compared.
    seed : int

    Returns
    -------
    dict
        ``marks``; and ``table``, PSNR of both by kind of frame.
    """
    with one_thread():
        return _measured(capture, preset, seconds, rays, frames, seed)


def _measured(capture: Capture, preset: Preset, seconds: float, rays: int, frames: int, seed: int) -> dict[str, Any]:
    shown = load_frames(capture, preset.picture_size)
    torch.manual_seed(seed)
    start = initial(hull_field(shown, capture, preset, seed), shown, preset)
    fit_to_known(start.field, start.manifold, start.deformer, preset.geometry.stage_one.network.fit_steps, seed)
    # The reference ends after the step in which its time ran out; the fast path gets as much.
    slow = trained(start, shown, preset, seconds, reference_surface(PAPER), seed, extract=False)
    fast = trained(start, shown, preset, slow.seconds, mesh_surface, seed)
    pixels = preset.geometry.stage_one.pixels
    speeds = {name: run.steps * pixels / run.seconds for name, run in (("fast", fast), ("reference", slow))}
    agreements = compared(fast.state, shown, preset, rays, frames, seed)
    table = [
        {"way": name, **qualities(run.state, shown, preset)} for name, run in (("fast", fast), ("reference", slow))
    ]
    marks = {
        "fast_rays_per_s": (speeds["fast"], "1/s"),
        "reference_rays_per_s": (speeds["reference"], "1/s"),
        "speedup": (speeds["fast"] / speeds["reference"], "x"),
        "hits_agree_percent": (100 * agreements["fast"].agree, "%"),
        "hits_only_fast_percent": (100 * agreements["fast"].only_here, "%"),
        "hits_only_thorough_percent": (100 * agreements["fast"].only_thorough, "%"),
        "hits_median_mm": (1000 * agreements["fast"].median, "mm"),
        "hits_compared": (agreements["fast"].compared, ""),
        "unrefined_agree_percent": (100 * agreements["unrefined"].agree, "%"),
        "reference_agree_percent": (100 * agreements["reference"].agree, "%"),
        "fast_psnr_equal_time": (table[0]["all"], "dB"),
        "reference_psnr_equal_time": (table[1]["all"], "dB"),
        "equal_time": (slow.seconds, "s"),
        "fast_steps": (fast.steps, ""),
        "reference_steps": (slow.steps, ""),
    }
    return {
        "marks": {name: {"value": float(value), "unit": unit} for name, (value, unit) in marks.items()},
        "table": table,
    }


def trained(
    start: StageOne,
    frames: TrainingFrames,
    preset: Preset,
    seconds: float,
    find: SurfaceFinder,
    seed: int,
    *,
    extract: bool = True,
) -> Run:
    """Train a copy of a state for some time with hits found in some way; ``extract`` layers anew as the preset says."""
    # Nobody searches for layers that have sunk: both ways learn plain level sets.
    numbers = replace(preset.geometry.stage_one, steps=10**9, nested=False)
    if not extract:
        numbers = replace(numbers, extraction_steps=())
    longer = replace(preset, geometry=replace(preset.geometry, stage_one=numbers))
    state = deepcopy(start)
    torch.manual_seed(seed)
    course, watch = begun(state, longer, np.random.default_rng(seed), None), Watch()
    take_steps(state, course, frames, longer, WarpRasteriser(), seconds, watch, find=find)
    return Run(state, watch.clock.elapsed, len(state.losses))


def compared(
    state: StageOne, frames: TrainingFrames, preset: Preset, rays: int, count: int, seed: int
) -> dict[str, Agreement]:
    """Agreement of the fast path, refined and not, and of the paper's search with the thorough one.

    Frames are evenly spread, held-out ones among them.
    """
    layers = training_layers(state.field, state.manifold, preset)
    tolerance = TOLERANCE * head_size(state)
    random = np.random.default_rng(seed)
    stage_one = replace(preset.geometry.stage_one, refinement_steps=0)
    unrefined = replace(preset, geometry=replace(preset.geometry, stage_one=stage_one))
    pairs: dict[str, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = {
        "fast": [],
        "unrefined": [],
        "reference": [],
    }
    for index in np.linspace(0, len(frames) - 1, count).round().astype(int).tolist():
        view = some_rays(view_of(state, layers, frames, index, WarpRasteriser()), frames, index, rays, random)
        truth = searched(state, view, THOROUGH, partial(_thorough_starts, state))
        paper = searched(state, view, PAPER, bone_starts)
        ways = {
            "fast": _fast_points(state, view, preset),
            "unrefined": _fast_points(state, view, unrefined),
            "reference": (paper.points, paper.found),
        }
        for name, (points, found) in ways.items():
            distance = torch.linalg.vector_norm(points - truth.points, dim=2)
            pairs[name].append((distance[found & truth.found], found & ~truth.found, truth.found & ~found))
    return {name: _agreement(parts, tolerance) for name, parts in pairs.items()}


def some_rays(view: View, frames: TrainingFrames, index: int, count: int, random: np.random.Generator) -> View:
    """A view's random rays through layers or matte."""
    matte = frames.film(index).matte.view(-1)
    shown = ((view.triangles >= 0).any(0) | (matte > 0)).nonzero()[:, 0]
    chosen = shown[torch.as_tensor(random.permutation(len(shown))[:count])]
    return replace(view, triangles=view.triangles[:, chosen], directions=view.directions[chosen])


def head_size(state: StageOne) -> float:
    """Height of the head from chin to crown in canonical space, metres: no neck, no shoulders."""
    head = state.field.head
    regions = head.model.regions
    inside = np.unique(head.model.faces[regions["skin"] & ~regions["neck"]])
    return float(np.ptp(head.points[inside, 1]))


def qualities(state: StageOne, frames: TrainingFrames, preset: Preset) -> dict[str, float]:
    """Mean PSNR of the foreground, dB: ``all``, ``training`` and ``held_out`` frames."""
    layers = training_layers(state.field, state.manifold, preset)
    kinds = {"training": frames.training, "held_out": frames.held_out}
    found: dict[str, list[float]] = {}
    for name, members in kinds.items():
        chosen = sorted({members[place] for place in np.linspace(0, len(members) - 1, SHOWN).round().astype(int)})
        found[name] = [_foreground_psnr(state, layers, frames, index, preset) for index in chosen]
    everything = [value for values in found.values() for value in values]
    return {"all": float(np.mean(everything)), **{name: float(np.mean(values)) for name, values in found.items()}}


def _foreground_psnr(
    state: StageOne, layers: TrainingLayers, frames: TrainingFrames, index: int, preset: Preset
) -> float:
    white = torch.ones(3)
    picture = linear_to_srgb(over(rendered(state, layers, frames, index, preset, WarpRasteriser()), white))
    filmed = frames.film(index)
    matte = filmed.matte.float().view(-1, 1) / 255
    truth = filmed.picture.float().view(-1, 3) / 255 * matte + 1 - matte
    shape = tuple(filmed.picture.shape)
    return psnr(picture.view(shape).numpy(), truth.view(shape).numpy(), (matte > 0.5).view(shape[:2]).numpy())


def _thorough_starts(state: StageOne, deformation: FrameDeformation) -> Starts:
    head = state.field.head
    skin = torch.as_tensor(head.points[np.unique(head.model.faces[head.model.regions["skin"]])])
    return all_starts(bone_starts(deformation), skin_starts(deformation, skin, 3))


@torch.no_grad()
def _fast_points(state: StageOne, view: View, preset: Preset) -> tuple[torch.Tensor, torch.Tensor]:
    """Canonical points (L, R, 3) of the fast path's hits on level sets, and where there are any (L, R)."""
    hits = mesh_surface(state, view, preset).hits
    points = torch.zeros(hits.layer_count, hits.ray_count, 3)
    points[hits.layers, hits.rays] = hits.uv
    on_level = ~view.layers.fixed
    return points[on_level], (view.triangles >= 0)[on_level]


def _agreement(parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], tolerance: float) -> Agreement:
    distances = torch.cat([distance for distance, _, _ in parts])
    here, there = (sum(int(part[place].sum()) for part in parts) for place in (1, 2))
    either = max(1, len(distances) + here + there)
    return Agreement(
        float((distances <= tolerance).float().mean()),
        here / either,
        there / either,
        float(distances.median()),
        len(distances),
    )
