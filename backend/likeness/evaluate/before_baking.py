"""What stage 1 has learnt, as pictures: what baking is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..capture.model import Capture
from ..layered.frames import load_frames
from ..layered.presets import Preset
from ..layered.stage_one import load_stage_one, rendered
from ..layered.stage_one_state import extracted
from ..raster.warp_rasteriser import WarpRasteriser
from .evaluation import SAMPLES
from .pictures import averaged

Array = npt.NDArray[np.float32]


def stage_one_pictures(folder: Path, capture: Capture, preset: Preset, size: int) -> Callable[[int], Array]:
    """How a capture's frames look to stage 1, with the tracked pose and nothing fitted.

    Layers are extracted as finely as baking does it; points on them are taken to the learned level sets, and asked for
    their radiance directly, where the avatar has decimated meshes and textures.

    Parameters
    ----------
    folder : Path
        What :func:`likeness.layered.stage_one.save_stage_one` wrote.
    capture : Capture
        The one that it was learnt from.
    preset : Preset
        The one that it was learnt with.
    size : int
        Side of the pictures, pixels; each has :data:`~likeness.evaluate.evaluation.SAMPLES` by as many samples.

    Returns
    -------
    callable
        Gives of a frame's number the picture (size, size, 4), linear light, premultiplied.
    """
    frames, fine = load_frames(capture, preset.picture_size, torch.device("cpu")), SAMPLES * size
    state = load_stage_one(folder, frames, capture, preset)
    stage_one = replace(preset.geometry.stage_one, cell=preset.geometry.extraction_cell)
    preset = replace(preset, geometry=replace(preset.geometry, stage_one=stage_one))
    layers, rasteriser = extracted(state, preset), WarpRasteriser()
    frames = replace(frames, cameras=tuple(camera.resized(fine, fine) for camera in frames.cameras))

    def picture(index: int) -> Array:
        shown = rendered(state, layers, frames, index, preset, rasteriser)
        return averaged(shown.view(fine, fine, 4).numpy(), SAMPLES)

    return picture
