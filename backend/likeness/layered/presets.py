"""Every number of training a layered avatar, in one frozen place; a preset is one set of them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

from ..asset.invariants import MOST_LAYERS
from ..errors import LikenessError
from .geometry_preset import GeometryPreset, StageOnePreset
from .preset_limits import check_preset
from .proxies import TextureLayout


@dataclass(frozen=True)
class FineTuningPreset:
    """Stage 3: textures and decoder through the rasterised layers.

    Attributes
    ----------
    steps : int
        At most this many; the time budget may end it sooner.
    pixels : int
        Pixels per step, all from one frame.
    patch : int
        Side of the square patches that they come in.
    face_share : float
        Share of them inside the face's landmarks.
    rarity_weight : float
        How much more often frames with rare turns of the head are drawn: 0 is evenly, 1 in proportion.
    texture_rate, decoder_rate : float
        Adam's step sizes at the start; texture values are 0..1.
    final_rate : float
        Share of the step sizes left at the end of the cosine.
    rotation_rate, translation_rate, expression_rate : float
        Step sizes of the per-frame corrections, radians, metres and expression units.
    correction_start : float
        Part of the run after which corrections are learnt too, 0..1.
    correction_interval : int
        Corrections take part in every so-manieth step.
    squared_weight : float
        Weight of the squared error of sRGB values beside the absolute one, which has weight 1.
    alpha_weight : float
        Weight of |alpha - matte|.
    distortion_weight : float
        Weight of :func:`likeness.layered.compositing.distortion`, levels in centimetres.
    balance_weight : float
        Weight of :func:`likeness.layered.compositing.imbalance`, without which one basis may get all say.
    agreement_weight : float
        Pull of each texel's bases towards their mean, per visit.
    basis_reach : float
        How far a basis that has no say in what was filmed may be from the texel's look, sRGB values 0..1; without a
        limit it takes any colour, and shows it where the head turns farther.
    expression_weight : float
        Weight of the squared expression corrections.
    temporal_weight : float
        Weight of how far a frame's corrections are from the mean of its neighbours', squared, in units of the step
        sizes: what a tracker gets wrong changes slowly.
    expression_noise : float
        Standard deviation of noise on the decoder's conditions.
    condition_dropout : float
        Share of steps in which the decoder is told of a neutral face, whatever the picture shows, see
        :func:`likeness.layered.finetune.learning_conditions`.
    coarse_share : float
        Part of the run in which textures have fewer texels, see :mod:`.coarse_to_fine`.
    coarsest_tile : int
        Side of a layer's tile at first, texels, or a little more: it is halved while it stays as large.
    grazing_cosine : float
        Cosine between ray and normal from which on a texel learns in full; less where it is seen at grazing angles.
    turned_weight : float
        Weight of :func:`likeness.layered.turned_views.turned_loss`, which asks heads turned farther than they were
        filmed to be in one piece; zero leaves it out.
    turned_start : float
        Part of the run after which it takes part, 0..1.
    turned_interval : int
        It takes part in every so-manieth step.
    turned_yaw, turned_pitch : float
        How far beyond the filmed turns heads are turned, degrees.
    seen_threshold : float
        How much a texel must have been seen for its values to count as learnt, see
        :attr:`likeness.layered.inpainting.SeenTexels.weights`.
    inspected_frames : int
        Training frames looked at to find out, at most.
    perceptual_loss : str
        Which loss on whole patches to add: one of :data:`likeness.layered.perceptual.KINDS`.
    perceptual_weight : float
        Its weight; zero adds none, and draws no patches.
    perceptual_share : float
        Share of the pixels that come in such patches.
    perceptual_side : int
        Their side, pixels.
    """

    steps: int = 8000
    pixels: int = 6000
    patch: int = 1
    face_share: float = 0.5
    rarity_weight: float = 0.6
    texture_rate: float = 0.02
    decoder_rate: float = 3e-3
    final_rate: float = 0.05
    rotation_rate: float = 4e-4
    translation_rate: float = 1e-4
    expression_rate: float = 2e-3
    correction_start: float = 0.1
    correction_interval: int = 2
    squared_weight: float = 4.0
    alpha_weight: float = 0.1
    distortion_weight: float = 0.03
    balance_weight: float = 0.01
    agreement_weight: float = 0.02
    basis_reach: float = 0.1
    expression_weight: float = 0.02
    temporal_weight: float = 1e-3
    expression_noise: float = 0.02
    condition_dropout: float = 0.2
    coarse_share: float = 0.7
    coarsest_tile: int = 16
    grazing_cosine: float = 0.4
    turned_weight: float = 1.0
    turned_start: float = 0.5
    turned_interval: int = 4
    turned_yaw: float = 30.0
    turned_pitch: float = 15.0
    seen_threshold: float = 0.02
    inspected_frames: int = 40
    perceptual_loss: str = "pyramid"
    perceptual_weight: float = 0.0
    perceptual_share: float = 0.5
    perceptual_side: int = 32


@dataclass(frozen=True)
class Preset:
    """How much to spend on an avatar, and on what.

    Attributes
    ----------
    name : str
    seconds : float
        Time for stage 1, baking and fine-tuning together.
    stage_one_share : float
        Part of it that stage 1 may take; zero starts fine-tuning from hull shells.
    picture_size : int
        Longer side of the pictures that are trained on, pixels.
    basis_count, feature_size, hidden_size : int
        B bases, D position-feature channels, H hidden units of the spatial network.
    shared_alpha : bool
        Whether a texel's bases share one opacity, as in the paper's own code; else each has its own, and opacity may
        depend on view and expression.
    view_directions : bool
        Whether the decoder is told each pixel's view direction, as the paper's is. A head fills little of the view, so
        this tells where in the picture a pixel lies more than from where it is seen, which normals in camera space
        tell too; faces beyond the filmed turns are no worse without (docs/trials.md).
    tile_size, gutter : int
        Texels of a layer's tile and of its border in the file.
    threads : int
        Threads of torch; zero leaves torch's own choice.
    frames_per_step : int
        Training frames that each step looks at; several processes share them, see :mod:`.team`.
    geometry : GeometryPreset
    fine_tuning : FineTuningPreset
    """

    name: str
    seconds: float
    stage_one_share: float
    picture_size: int
    basis_count: int
    feature_size: int = 8
    hidden_size: int = 16
    shared_alpha: bool = False
    view_directions: bool = False
    tile_size: int = 256
    gutter: int = 4
    threads: int = 2
    frames_per_step: int = 1
    geometry: GeometryPreset = field(default_factory=GeometryPreset)
    fine_tuning: FineTuningPreset = field(default_factory=FineTuningPreset)

    @property
    def layout(self) -> TextureLayout:
        """Channels of a texel."""
        return TextureLayout(self.basis_count, 1 if self.shared_alpha else self.basis_count, self.feature_size)


PREVIEW = Preset(
    name="preview",
    seconds=460.0,
    stage_one_share=0.0,
    picture_size=256,
    basis_count=8,
)
"""A recognisable, animated head in eight minutes on two processor cores.

It has no stage 1: what a minute of it learns about the torso is worth less than the minute since hulls lie where
pictures agree, and a surface learnt in so little time makes wisps of hair where the head turns farther than it was
filmed (measured in docs/learning.md).
"""

STANDARD = Preset(
    name="standard",
    seconds=3400.0,
    stage_one_share=0.06,
    picture_size=384,
    basis_count=12,
    tile_size=512,
    threads=0,
    geometry=GeometryPreset(
        extraction_cell=0.0035,
        core_faces=6000,
        head_faces=10000,
        shell_faces=8000,
        hull_frames=80,
        stage_one=StageOnePreset(steps=12000, cell=0.006, pixels=8000),
    ),
    fine_tuning=FineTuningPreset(steps=20000, pixels=12000, inspected_frames=80),
)
"""One consumer GPU, or an hour of a computer without one.

Its surface stays as mattes carved it, too: learnt in 17 minutes it drew away from the hair behind the head.
"""

FULL = Preset(
    name="full",
    seconds=8 * 3600.0,
    stage_one_share=0.06,
    picture_size=512,
    basis_count=16,
    tile_size=1024,
    threads=0,
    geometry=GeometryPreset(
        cell=0.0025,
        extraction_cell=0.0025,
        core_faces=10000,
        head_faces=10000,
        shell_faces=10000,
        hull_frames=160,
        stage_one=StageOnePreset(steps=30000, cell=0.005, pixels=12288),
    ),
    fine_tuning=FineTuningPreset(steps=30000, pixels=60000, texture_rate=0.01, inspected_frames=200),
)
"""The paper's sizes: 8 layers, 16 bases, 8 feature channels, 1024 texels, 10,000 triangles a layer, 512 pixels.

The paper's eight levels lie evenly from 5 cm within the outline to the outline. Ours lie where they were measured to
serve best: a core, the head mesh, and shells from 1 to 23 mm outside of the head's surface, up to the hair. Fine-tuning
keeps about 11 GB of numbers for textures, so this is for GPUs of 24 GB.
"""

LARGEST_NUMBER = 1e18
"""What any number of a preset must stay below."""

PRESETS = {preset.name: preset for preset in (PREVIEW, STANDARD, FULL)}


def preset_named(name: str) -> Preset:
    """A preset by its name.

    Raises
    ------
    LikenessError
        If there is none.
    """
    if name not in PRESETS:
        raise LikenessError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def with_overrides(preset: Preset, changes: Sequence[str]) -> Preset:
    """A preset with some numbers changed.

    Parameters
    ----------
    preset : Preset
    changes : sequence of str
        Each ``NAME=VALUE``; a name inside ``geometry`` or ``fine_tuning`` is written with a dot, as in
        ``fine_tuning.steps=500`` or ``geometry.stage_one.steps=500``. A value is a number, or numbers in parentheses.
        ``layers=N`` chooses N layers, see :meth:`likeness.layered.geometry_preset.GeometryPreset.with_layers`.

    Raises
    ------
    LikenessError
        If a name is unknown, a value has the wrong type, or nothing can be learnt with the values together.
    """
    for change in changes:
        name, separator, text = (part.strip() for part in change.partition("="))
        if not separator:
            raise LikenessError(f"{change!r} is no change of a preset; write NAME=VALUE, such as tile_size=512.")
        if name == "layers":
            preset = replace(preset, geometry=preset.geometry.with_layers(_layer_count(text)))
        else:
            preset = _changed(preset, name.split("."), text, name)
    check_preset(preset)
    return preset


def _layer_count(text: str) -> int:
    count = _parsed(text, len(PREVIEW.geometry.levels), "layers")
    if not 1 <= count <= MOST_LAYERS:
        raise LikenessError(f"layers is {count}; 1 to {MOST_LAYERS} are possible.")
    return count


def _changed(part: Any, names: list[str], text: str, whole: str) -> Any:
    known = [entry.name for entry in fields(part) if entry.name != "name"]
    if names[0] not in known:
        meant = get_close_matches(names[0], known, 1)
        hint = f"did you mean {meant[0]!r}?" if meant else f"known here are {', '.join(known)}."
        raise LikenessError(f"A preset has no {whole!r}; {hint}")
    old = getattr(part, names[0])
    if is_dataclass(old) != (len(names) > 1):
        inside = ", ".join(f"{whole}.{entry.name}" for entry in fields(old)[:3]) if is_dataclass(old) else names[0]
        raise LikenessError(f"{whole!r} names no single number of a preset; name one such as {inside}.")
    if len(names) > 1:
        return replace(part, **{names[0]: _changed(old, names[1:], text, whole)})
    return replace(part, **{names[0]: _parsed(text, old, whole)})


def _parsed(text: str, old: Any, name: str) -> Any:
    if isinstance(old, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = None
    numbers = value if isinstance(value, tuple) else (value,)
    if any(isinstance(number, int) and abs(number) >= LARGEST_NUMBER for number in numbers):
        raise LikenessError(f"{name} has too many digits; give a number below {LARGEST_NUMBER:g}.")
    if isinstance(old, tuple) and isinstance(value, tuple) and all(isinstance(entry, int | float) for entry in value):
        return tuple(float(entry) for entry in value)
    if isinstance(old, bool) and isinstance(value, bool):
        return value
    if isinstance(old, int) and not isinstance(old, bool) and isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(old, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise LikenessError(f"{name} takes a value like {old!r}, not {text!r}.")
