"""The rows of an ablation: presets that differ from one by one thing each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import LikenessError
from ..layered.presets import FineTuningPreset, Preset

GROUPS = ("layers", "bases", "mesh", "texture", "training", "surface", "head", "losses", "decoder")

USUAL_WEIGHT = 1.0
"""Weight of the perceptual loss in the row that adds it to a preset without one."""

USUAL_SHARE = 0.3
"""Share of the time that stage 1 gets in rows about it, of a preset that leaves it out."""

SURFACE_START = 0.06
"""Part of stage 1 after which the surface moves in rows that learn it: its first look should be there before."""

REFINEMENT_STEPS = 4
"""Steps that hits are refined by in the row that refines them."""

AS_IT_IS = "as the preset is"


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes
    ----------
    group, name : str
        Its group, and what it is called there.
    preset : Preset
        What it is learnt with.
    before_baking : bool
        Whether what stage 1 has learnt is measured, not the avatar that is baked from it.
    """

    group: str
    name: str
    preset: Preset
    before_baking: bool = False


def variants(base: Preset, only: Sequence[str] = GROUPS) -> list[Variant]:
    """The paper's rows, and those of what was added to it, around a preset.

    Parameters
    ----------
    base : Preset
    only : sequence of str
        Groups that are wanted, of :data:`GROUPS`.

    Raises
    ------
    LikenessError
        If there is no such group.
    """
    unknown = [name for name in only if name not in GROUPS]
    if unknown:
        raise LikenessError(f"There is no ablation of {unknown[0]!r}; choose of {', '.join(GROUPS)}.")
    rows = [*_sizes(base), *_training(base), *_surface(base), *_head(base), *_losses(base), *_decoder(base)]
    return [row for row in rows if row.group in only]


def _sizes(base: Preset) -> list[Variant]:
    geometry = base.geometry
    rows = [
        Variant("layers", str(count), replace(base, geometry=geometry.with_layers(count))) for count in (1, 2, 4, 8)
    ]
    rows += [Variant("bases", str(count), replace(base, basis_count=count)) for count in (1, 2, 4, 8, 16)]
    rows += [
        Variant("mesh", name, replace(base, geometry=geometry.with_faces(factor)))
        for name, factor in (("x 1/2", 0.5), ("x 1", 1.0), ("x 2", 2.0))
    ]
    return rows + [Variant("texture", f"{size} px", replace(base, tile_size=size)) for size in (256, 512, 1024)]


def _training(base: Preset) -> list[Variant]:
    # What stage 1 has learnt, with all the time for it, as it is and as baking leaves it.
    stage_one = replace(base.geometry.stage_one, keep_look=True)
    baked = replace(base, stage_one_share=0.9, geometry=replace(base.geometry, stage_one=stage_one))
    untuned = _tuned(baked, steps=0)
    return [
        Variant("training", AS_IT_IS, base),
        Variant("training", "stage 1, before baking", untuned, before_baking=True),
        Variant("training", "without fine-tuning", untuned),
        Variant("training", "without camera and pose refinement", _tuned(base, correction_start=1.0)),
        *_perceptual(base),
    ]


def _perceptual(base: Preset) -> list[Variant]:
    if base.fine_tuning.perceptual_weight:
        return [Variant("training", "without perceptual loss", _tuned(base, perceptual_weight=0.0))]
    weighed = _tuned(base, perceptual_weight=USUAL_WEIGHT)
    return [Variant("training", f"with perceptual loss {USUAL_WEIGHT:g}", weighed)]


def _surface(base: Preset) -> list[Variant]:
    def learned(**changes: float | int) -> Preset:
        stage_one = replace(base.geometry.stage_one, **changes)
        geometry = replace(base.geometry, stage_one=stage_one)
        return replace(base, stage_one_share=base.stage_one_share or USUAL_SHARE, geometry=geometry)

    rough, fine = (learned(geometry_start=SURFACE_START, refinement_steps=steps) for steps in (0, REFINEMENT_STEPS))
    return [
        Variant("surface", "hull shells", replace(base, stage_one_share=0.0)),
        Variant("surface", "stage 1: what follows the torso", learned(geometry_start=1.0)),
        Variant("surface", "stage 1: surface too", rough),
        Variant("surface", f"the same, hits refined by {REFINEMENT_STEPS} Newton steps", fine),
    ]


def _head(base: Preset) -> list[Variant]:
    kinds = (("with its mesh as a layer", True), ("without", False))
    return [
        Variant("head", name, replace(base, geometry=replace(base.geometry, head_mesh=wanted)))
        for name, wanted in kinds
    ]


def _losses(base: Preset) -> list[Variant]:
    return [
        Variant("losses", AS_IT_IS, base),
        Variant("losses", "without distortion", _tuned(base, distortion_weight=0.0)),
        Variant("losses", "without alpha against matte", _tuned(base, alpha_weight=0.0)),
        Variant("losses", "without balance of bases", _tuned(base, balance_weight=0.0)),
        Variant("losses", "without noise on conditions", _tuned(base, expression_noise=0.0)),
        Variant("losses", "without dropped conditions", _tuned(base, condition_dropout=0.0)),
        Variant("losses", "without agreement of bases", _tuned(base, agreement_weight=0.0)),
        Variant("losses", "without turned views", _tuned(base, turned_weight=0.0)),
    ]


def _decoder(base: Preset) -> list[Variant]:
    told = "not told view directions" if base.view_directions else "told view directions"
    opacity = "an opacity for each basis" if base.shared_alpha else "one opacity for all bases"
    return [
        Variant("decoder", AS_IT_IS, base),
        Variant("decoder", told, replace(base, view_directions=not base.view_directions)),
        Variant("decoder", opacity, replace(base, shared_alpha=not base.shared_alpha)),
    ]


def _tuned(preset: Preset, **changes: float | int) -> Preset:
    tuning: FineTuningPreset = replace(preset.fine_tuning, **changes)
    return replace(preset, fine_tuning=tuning)
