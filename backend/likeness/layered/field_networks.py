"""Which fields stage 1 learns, by the name that a preset gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..errors import LikenessError
from .field import Manifold, RadianceField
from .geometry_preset import FIELDS, StageOnePreset
from .hull_field import HullField
from .mlp_deformer import MlpDeformer, NetworkDeformer, deformer_loss, fit_deformer
from .mlp_field import MlpManifold, MlpRadiance
from .proxies import TextureLayout

_COMPARED, _NEAR = 1024, 0.011


@dataclass(frozen=True)
class FieldNetworks:
    """A field to learn.

    Attributes
    ----------
    field : HullField
        What is known, with the deformer that layers ask.
    manifold : Manifold
    radiance : RadianceField or MlpRadiance
    deformer : torch.nn.Module
        What the field's deformer learns; without parameters if nothing.
    """

    field: HullField
    manifold: Manifold
    radiance: RadianceField | MlpRadiance
    deformer: torch.nn.Module


def field_networks(known: HullField, layout: TextureLayout, numbers: StageOnePreset) -> FieldNetworks:
    """Make what a preset asks for; torch's random numbers fill the networks.

    Raises
    ------
    LikenessError
        If there is no field of that name.
    """
    if numbers.field == "grid":
        manifold = Manifold(known.values, known.grid)
        return FieldNetworks(known, manifold, RadianceField(known.grid, layout), torch.nn.Identity())
    if numbers.field != "mlp":
        raise LikenessError(f"geometry.stage_one.field is {numbers.field!r}; choose one of {', '.join(FIELDS)}.")
    sizes = numbers.network
    deformer = MlpDeformer(known.grid, known.head.model.expression_count, width=sizes.deformer_width)
    return FieldNetworks(
        replace(known, deformer=NetworkDeformer(known.deformer, deformer)),
        MlpManifold(
            known, width=sizes.manifold_width, depth=sizes.manifold_depth, frequencies=sizes.manifold_frequencies
        ),
        MlpRadiance(
            known.grid,
            layout,
            width=sizes.radiance_width,
            depth=sizes.radiance_depth,
            frequencies=sizes.radiance_frequencies,
        ),
        deformer,
    )


def fit_to_known(field: HullField, manifold: Manifold, deformer: torch.nn.Module, steps: int, seed: int) -> None:
    """Teach networks what head model and mattes know; grids know it from the start."""
    if isinstance(manifold, MlpManifold):
        manifold.fit(steps, seed=seed)
    if isinstance(field.deformer, NetworkDeformer) and isinstance(deformer, MlpDeformer):
        fit_deformer(deformer, field.deformer.carried, field.head, steps, seed)


def motion_loss(field: HullField, deformer: torch.nn.Module, points: torch.Tensor) -> torch.Tensor:
    """The paper's loss of the deformer at some of the hits (N, 3) that lie within a centimetre of the head's skin."""
    if not (isinstance(field.deformer, NetworkDeformer) and isinstance(deformer, MlpDeformer)):
        return torch.zeros(())
    if not len(points):
        return torch.zeros(())
    chosen = points.detach()[torch.randint(len(points), (_COMPARED,))]
    near = chosen[torch.as_tensor(field.deformer.carried.nearness(chosen.numpy())) < _NEAR]
    return deformer_loss(deformer, field.deformer.carried, near) if len(near) else torch.zeros(())
