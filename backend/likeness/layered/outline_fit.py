"""Fitting the carved hull's outline to mattes, one frame at a time, before or without stage 1.

Carving knows only what all pictures agree on. Rasterised shells show where the field's outline and a matte differ in a
frame as it is posed, and coarse corrections of the field take up what frames ask for on average. Nothing is shaded, so
a step costs a tenth of one of stage 1's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..raster.interface import Rasteriser, barycentrics
from .deformation import TorchPose, camera_vertices, posed_vertices
from .field import Manifold
from .frames import TrainingFrames
from .hull_field import HullField
from .layer_extraction import TrainingLayers, training_layers
from .outline import outline_loss, skin_loss
from .presets import Preset
from .rendering import ray_directions, visible_triangles

_EXTRACTION_INTERVAL = 30
_PIXELS = 6000
_RATE = 3e-4


def fitted_outline(
    field: HullField, frames: TrainingFrames, preset: Preset, rasteriser: Rasteriser, *, steps: int, seed: int = 0
) -> HullField:
    """The field with corrections that bring its outline to the training frames' mattes.

    Parameters
    ----------
    field : HullField
    frames : TrainingFrames
    preset : Preset
    rasteriser : Rasteriser
    steps : int
        One training frame each.
    seed : int
    """
    if steps == 0:
        return field
    geometry = preset.geometry
    # The core and the innermost shell are all that is compared with mattes.
    thin = replace(preset, geometry=replace(geometry, shell_levels=geometry.shell_levels[:1]))
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    manifold = Manifold(field.values, field.grid)
    optimiser = torch.optim.Adam(manifold.parameters(), lr=_RATE, betas=(0.9, 0.99), eps=1e-12)
    layers, order = None, []
    for step in range(steps):
        if layers is None or step % _EXTRACTION_INTERVAL == 0:
            layers = training_layers(field, manifold, thin, layers)
        if not order:
            order = list(random.permutation(frames.training))
        loss = _frame_loss(manifold, layers, frames, int(order.pop()), thin, rasteriser, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.param_groups[0]["lr"] = _RATE * (1 - 0.9 * step / steps)
        optimiser.step()
    return replace(field, values=manifold.volume(field.grid))


def _frame_loss(
    manifold: Manifold,
    layers: TrainingLayers,
    frames: TrainingFrames,
    index: int,
    preset: Preset,
    rasteriser: Rasteriser,
    generator: torch.Generator,
) -> torch.Tensor:
    camera, pose = frames.cameras[index], TorchPose.of_frame(frames, index)
    with torch.no_grad():
        vertices = camera_vertices(posed_vertices(layers.proxies, pose), camera)
        triangles = visible_triangles(layers.proxies, vertices, camera, rasteriser)
        matte = frames.film(index).matte.view(-1)
        # Only pixels that a shell and the matte disagree about say anything.
        disagree = (((triangles >= 0).any(0)) != (matte > 127)).nonzero()[:, 0]
        if not len(disagree):
            disagree = torch.zeros(1, dtype=torch.int64)
        chosen = disagree[torch.randint(len(disagree), (min(_PIXELS, len(disagree)),), generator=generator)]
        triangles, rays = triangles[:, chosen], ray_directions(camera)[chosen]
        layer, ray = (triangles >= 0).nonzero(as_tuple=True)
        on_level = ~layers.fixed[layer]
        layer, ray = layer[on_level], ray[on_level]
        corners = layers.proxies.faces[triangles[layer, ray].long()].long()
        points = (layers.canonical[corners] * barycentrics(vertices[corners], rays[ray])[..., None]).sum(1)
    values, _ = manifold(points)
    hits = (values, layers.proxies.levels[layer], ray)
    share = matte[chosen].float() / 255
    loss = outline_loss(manifold, layers, pose, camera, rays=rays, triangles=triangles, matte=share, hits=hits)
    # The loss is a mean over the chosen pixels; frames that disagree more shall weigh more.
    loss = loss * (len(disagree) / max(1, int((matte > 127).sum())))
    numbers = preset.geometry.stage_one
    return loss + numbers.roughness_weight * manifold.roughness() + numbers.skin_weight * skin_loss(manifold, layers)
