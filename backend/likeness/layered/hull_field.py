"""What is known of a person before learning: a distance field of head, hair and shoulders, and how points move."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..capture.model import Capture
from ..raster.warp_rasteriser import WarpRasteriser
from .canonical import CanonicalHead, canonical_head
from .coherence import hanging_share
from .deformer import Deformer
from .distance import canonical_box, head_distance, matte_hull, surface_distance
from .frames import FilmedFrame, TrainingFrames, showing_somebody, spread
from .geometry_preset import GeometryPreset
from .grid import Grid
from .hair_thickness import head_viewpoints
from .photo_consistency import settled
from .sway import torso_follows

HULL_CELL = 0.006
"""Grid cell of the matte hull, metres: mattes are smooth, and every node is projected into many pictures."""


@dataclass(frozen=True)
class HullField:
    """What is known before learning: the canonical head, how points move, and a distance field of the whole person.

    Attributes
    ----------
    head : CanonicalHead
    deformer : Deformer
    grid : Grid
    values : (X, Y, Z) float32
        Signed distance, negative inside, metres.
    """

    head: CanonicalHead
    deformer: Deformer
    grid: Grid
    values: np.ndarray


def in_main_memory(frames: TrainingFrames) -> TrainingFrames:
    """The frames with all tensors in main memory, where geometry is made: meshing libraries work nowhere else."""
    tensors = {entry.name: getattr(frames, entry.name) for entry in fields(frames)}
    moved = {name: value.cpu() for name, value in tensors.items() if isinstance(value, torch.Tensor)}

    def film(index: int) -> FilmedFrame:
        return FilmedFrame(*map(torch.Tensor.cpu, frames.film(index)))

    return replace(frames, **moved, film=film, device=torch.device("cpu"))


def carved_field(frames: TrainingFrames, capture: Capture, preset: GeometryPreset) -> HullField:
    """The distance field of a captured person, carved from the head model and mattes."""
    joints = capture.head.joints(capture.head.shaped(capture.identity))
    head = canonical_head(capture.head, capture.identity, torso_follows(frames, joints))
    low, high = canonical_box(frames, capture, head, margin=max(preset.shell_levels) + 2 * preset.cell)
    grid = Grid.over(low, high, preset.cell)
    deformer = Deformer(head, low, high)
    deformer = deformer.with_hanging(hanging_share(frames, capture, head, deformer, low, high))
    hull_grid = grid.with_cell(HULL_CELL)
    hull = matte_hull(frames, capture, head, deformer, grid=hull_grid, count=preset.hull_frames)
    chosen = showing_somebody(frames, spread(frames.training, preset.hull_frames))
    viewpoints = head_viewpoints(frames, capture, head, chosen)
    distance = head_distance(head, grid)
    values = surface_distance(head, distance, hull, hull_grid, viewpoints)
    values = settled(values, grid, frames, capture, head, deformer, WarpRasteriser())
    # Pictures may draw hair into the head, which is known.
    values = np.minimum(values, distance.values)
    return HullField(head, deformer, grid, values)
