"""What stage 1 consists of between two steps, and how it is written to a checkpoint and put back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ..jobs.checkpoint import Checkpoint
from .corrections import CorrectionOptimiser
from .decoder import AppearanceDecoder, new_decoder
from .deformation import PoseCorrections
from .field import Manifold, RadianceField
from .field_networks import field_networks
from .frames import TrainingFrames
from .hull_field import HullField
from .layer_extraction import TrainingLayers, training_layers
from .learning_state import (
    array,
    in_own_memory,
    module_arrays,
    optimiser_arrays,
    random_state,
    restore_modules,
    restore_optimiser,
    restore_random,
    tensor,
)
from .mlp_field import MlpRadiance
from .presets import Preset
from .proxies import TextureLayout
from .torso import TorsoShare

MODULES = ("manifold", "radiance", "decoder", "corrections", "torso", "deformer")


@dataclass(frozen=True)
class StageOne:
    """What stage 1 learns.

    Attributes
    ----------
    field : HullField
        What it started from: head, deformer, grid, distance field.
    manifold : Manifold
    radiance : RadianceField or MlpRadiance
    decoder : AppearanceDecoder
    corrections : PoseCorrections
    torso : TorsoShare
        What follows the torso.
    deformer : torch.nn.Module
        What is learnt about how points move beside that; without parameters where it is only carried from the skin.
    losses : list of float
        Loss of every step.
    """

    field: HullField
    manifold: Manifold
    radiance: RadianceField | MlpRadiance
    decoder: AppearanceDecoder
    corrections: PoseCorrections
    torso: TorsoShare
    deformer: torch.nn.Module
    losses: list[float]

    @property
    def learns_motion(self) -> bool:
        """Whether the deformer is learnt too."""
        return any(True for _ in self.deformer.parameters())

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """All that is learnt."""
        return {name: getattr(self, name) for name in MODULES}


@dataclass
class Course:
    """How far learning is.

    Attributes
    ----------
    optimiser : torch.optim.Optimizer
    correcting : CorrectionOptimiser
    random : numpy.random.Generator
        Beside torch's own.
    layers : TrainingLayers
        As they were last extracted.
    extracted : list of torch.Tensor
        What they were extracted from: the field's corrections, and the deformer where it is learnt.
    pending : list of float
        When they will be extracted anew.
    order : list of int
        Frames left of this round.
    """

    optimiser: torch.optim.Optimizer
    correcting: CorrectionOptimiser
    random: np.random.Generator
    layers: TrainingLayers
    extracted: list[torch.Tensor]
    pending: list[float]
    order: list[int] = field(default_factory=list)


def layout_of(preset: Preset) -> TextureLayout:
    """What the radiance field gives."""
    # One opacity for all bases: if it could depend on the view, it would explain outlines in geometry's place.
    return TextureLayout(preset.basis_count, 1, preset.feature_size)


def initial(field: HullField, frames: TrainingFrames, preset: Preset) -> StageOne:
    """The state before the first step; torch's random numbers fill the networks."""
    expressions = field.head.model.expression_count
    networks = field_networks(field, layout_of(preset), preset.geometry.stage_one)
    return StageOne(
        networks.field,
        networks.manifold,
        networks.radiance,
        new_decoder(expressions, preset),
        PoseCorrections(len(frames), expressions),
        TorsoShare(field.grid),
        networks.deformer,
        [],
    )


def begun(state: StageOne, preset: Preset, random: np.random.Generator, restored: Checkpoint | None) -> Course:
    """The course at its start, or where a checkpoint left it; then the state is put back too."""
    numbers = preset.geometry.stage_one
    groups = [
        {"params": state.radiance.encoding.parameters(), "lr": numbers.table_rate},
        {"params": state.radiance.network.parameters(), "lr": numbers.network_rate},
        {"params": state.decoder.parameters(), "lr": numbers.decoder_rate},
        {"params": state.torso.parameters(), "lr": numbers.torso_rate},
        {"params": state.deformer.parameters(), "lr": numbers.network.deformer_rate},
        {"params": state.manifold.residuals.parameters(), "lr": numbers.residual_rate},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)
    correcting = CorrectionOptimiser(state.corrections, preset.fine_tuning)
    if restored is not None:
        # Layers are extracted once more from the corrections of that time, before those of now take their place.
        restore_modules(state.modules, restored)
        for table, values in zip(_shaping(state), restored.within("extracted").values(), strict=True):
            table.data.copy_(tensor(values))
    layers = extracted(state, preset)
    pending = [part for part in numbers.extraction_steps if part > numbers.geometry_start]
    course = Course(optimiser, correcting, random, layers, residuals(state), pending)
    if restored is not None:
        restore_modules(state.modules, restored)
        restore_optimiser(optimiser, restored)
        correcting.restore(restored.within("correcting"))
        restore_random(random, restored)
        state.losses.extend(restored.arrays["losses"].tolist())
        course.order, course.pending = list(restored.facts["order"]), list(restored.facts["pending"])
    return course


def extracted(state: StageOne, preset: Preset, previous: TrainingLayers | None = None) -> TrainingLayers:
    """Layers of the surface as it is now, see :func:`.layer_extraction.training_layers`."""
    nested = preset.geometry.stage_one.nested
    return in_own_memory(training_layers(state.field, state.manifold, preset, previous, nested=nested))


def residuals(state: StageOne) -> list[torch.Tensor]:
    """A copy of what shapes layers, as it is now."""
    return [table.detach().clone() for table in _shaping(state)]


def _shaping(state: StageOne) -> list[torch.nn.Parameter]:
    return [*state.manifold.residuals, *state.deformer.parameters()]


def checkpoint_of(state: StageOne, course: Course) -> Checkpoint:
    """All that the next step depends on, beside the capture."""
    randomness, facts = random_state(course.random)
    arrays = {
        **module_arrays(state.modules),
        **optimiser_arrays(course.optimiser),
        **{f"correcting.{name}": values for name, values in course.correcting.arrays().items()},
        **{f"extracted.{place}": array(values) for place, values in enumerate(course.extracted)},
        **randomness,
        "losses": np.array(state.losses, np.float32),
    }
    return Checkpoint(arrays, {**facts, "order": course.order, "pending": course.pending})
