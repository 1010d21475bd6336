"""What fine-tuning consists of between two steps, and how it is written to a checkpoint and put back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..camera import Camera
from ..jobs.checkpoint import Checkpoint
from ..raster.interface import Rasteriser
from .coarse_to_fine import coarse_table, refined
from .corrections import CorrectionOptimiser
from .decoder import AppearanceDecoder
from .deformation import PoseCorrections, TorchPose, camera_vertices, posed_vertices
from .frames import TrainingFrames
from .learning_state import (
    module_arrays,
    optimiser_arrays,
    random_state,
    restore_modules,
    restore_optimiser,
    restore_random,
)
from .proxies import Proxies
from .texels import TexelTable


@dataclass(frozen=True)
class Scene:
    """What stays the same from step to step, and what is learnt in it.

    Attributes
    ----------
    proxies : Proxies
    frames : TrainingFrames
    rasteriser : Rasteriser
    table : TexelTable
    decoder : AppearanceDecoder
    corrections : PoseCorrections
    tracked : PoseCorrections
        Those that fine-tuning began with.
    directions : (H*W, 3) float32
        Rays through pixel centres.
    normals : dict of int to (V, 3) float32
        Vertex normals of frames that were visited, under their tracked corrections.
    """

    proxies: Proxies
    frames: TrainingFrames
    rasteriser: Rasteriser
    table: TexelTable
    decoder: AppearanceDecoder
    corrections: PoseCorrections
    tracked: PoseCorrections
    directions: torch.Tensor
    normals: dict[int, torch.Tensor]

    def vertices(self, corrections: PoseCorrections, pose: TorchPose, index: int, camera: Camera) -> torch.Tensor:
        """Vertices (V, 3) of a frame in camera space, its pose and camera corrected."""
        posed = corrections.corrected(pose, index)
        return camera_vertices(posed_vertices(self.proxies, posed), camera, corrections.camera_shift[index])

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """All that autograd's parameters belong to."""
        return {"decoder": self.decoder, "corrections": self.corrections}


@dataclass
class Course:
    """How far learning is.

    Attributes
    ----------
    optimiser : torch.optim.Optimizer
        The decoder's.
    correcting : CorrectionOptimiser
    random : numpy.random.Generator
        Beside torch's own.
    order : list of int
        Frames left of this round.
    losses : list of float
        Of all steps.
    """

    optimiser: torch.optim.Optimizer
    correcting: CorrectionOptimiser
    random: np.random.Generator
    order: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def checkpoint_of(scene: Scene, course: Course) -> Checkpoint:
    """All that the next step depends on, beside the proxies and corrections that fine-tuning began with."""
    randomness, facts = random_state(course.random)
    arrays = {
        **module_arrays(scene.modules),
        **optimiser_arrays(course.optimiser),
        **{f"correcting.{name}": values for name, values in course.correcting.arrays().items()},
        **{f"texels.{name}": values for name, values in scene.table.arrays().items()},
        **randomness,
        "losses": np.array(course.losses, np.float32),
    }
    return Checkpoint(arrays, {**facts, "order": course.order, "tile_size": scene.table.size})


def restore(scene: Scene, course: Course, checkpoint: Checkpoint) -> Scene:
    """Put back what :func:`checkpoint_of` gave; the scene has its table."""
    restore_modules(scene.modules, checkpoint)
    restore_optimiser(course.optimiser, checkpoint)
    course.correcting.restore(checkpoint.within("correcting"))
    restore_random(course.random, checkpoint)
    course.losses.extend(checkpoint.arrays["losses"].tolist())
    course.order.extend(checkpoint.facts["order"])
    return replace(scene, table=_restored_table(checkpoint, scene.proxies))


def textures_of(checkpoint: Checkpoint, proxies: Proxies) -> torch.Tensor:
    """Textures (L, S, S, C) in a checkpoint of fine-tuning that began with ``proxies``."""
    table = _restored_table(checkpoint, proxies)
    while table.size < proxies.tile_size:
        table = refined(table, proxies.textures)
    return table.textures


def _restored_table(checkpoint: Checkpoint, proxies: Proxies) -> TexelTable:
    table = coarse_table(proxies.textures, checkpoint.facts["tile_size"], proxies.layout)
    table.restore(checkpoint.within("texels"))
    return table
