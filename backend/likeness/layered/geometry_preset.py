"""Numbers that shape the geometry of a layered avatar, collected so that presets can vary them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

SOLID_ALPHA = 0.95
"""First opacity of the innermost shell where neither head mesh nor core lies behind it."""

SHELL_CURVE = (0.001, 0.0025, 0.0055, 0.0095, 0.015, 0.023)
"""Levels of six shells, metres; other numbers of shells lie along the same curve."""


FIELDS = ("grid", "mlp")
"""What stage 1 may learn, by name, see :class:`StageOnePreset`."""


@dataclass(frozen=True)
class NetworkFieldPreset:
    """The paper's networks, for stage 1's field "mlp"; the defaults are the paper's sizes.

    Attributes
    ----------
    manifold_width, manifold_depth, manifold_frequencies : int
        Hidden layers of the manifold, and frequencies of its encoding.
    radiance_width, radiance_depth, radiance_frequencies : int
        The same of the radiance.
    deformer_width : int
    fit_steps : int
        Steps that teach manifold and deformer what head model and mattes know, before pictures are learnt from. With
        zero they start as the paper's do: a sphere of 12.5 cm, and nothing that moves.
    deformer_rate : float
        Adam's step size of the deformer.
    motion_weight : float
        Weight of the deformer's error near the skin, where the head model knows better.
    """

    manifold_width: int = 256
    manifold_depth: int = 5
    manifold_frequencies: int = 5
    radiance_width: int = 512
    radiance_depth: int = 4
    radiance_frequencies: int = 12
    deformer_width: int = 128
    fit_steps: int = 400
    deformer_rate: float = 3e-4
    motion_weight: float = 1.0


@dataclass(frozen=True)
class StageOnePreset:
    """Stage 1: the surface and a radiance field on it, through layers that are re-extracted as the surface moves.

    Attributes
    ----------
    steps : int
        At most this many; the time budget may end it sooner.
    cell : float
        Grid cell of the layers' extraction during training, metres; hits are refined onto the level set, so it may be
        coarse.
    extraction_steps : tuple of float
        When layers are extracted anew, as parts of the run, 0..1; not before the surface moves.
    pixels : int
        Pixels per step.
    table_rate, network_rate, decoder_rate : float
        Adam's step sizes of the radiance field's hash tables and network, and of the decoder.
    residual_rate : float
        Adam's step size of the surface's corrections, metres.
    torso_rate : float
        Adam's step size of the torso's share, logits.
    geometry_start : float
        Part of the run after which the surface moves, as the paper's does from the beginning; from 1 on it stays as
        mattes carved it, and only what is on it is learnt.
    torso_weight : float
        Weight of the torso's shifts.
    mask_weight, roughness_weight, skin_weight : float
        Weights of the outline's loss (distances in centimetres), of the corrections' roughness, and of the squared
        corrections on the face's skin in centimetres, where the head model knows better.
    field : str
        What learns: "grid", residual grids for the surface, a hash grid for the look and the skin's own motion carried
        outwards; or "mlp", the paper's networks for all three.
    refinement_steps : int
        Steps that bring hits of the coarse layer meshes to where rays truly meet the deformed field; zero leaves it to
        one Newton step along the ray, which misses by some tenths of a millimetre where expressions are strong.
    network : NetworkFieldPreset
    nested : bool
        Whether layers are arranged while they are learnt as a finished avatar needs them: core and cover sunk, the core
        open under the head mesh. Otherwise all are plain level sets, as the paper's are and the reference search finds
        them; then baking what was learnt onto the layers of an avatar costs 2 to 3 dB (docs/learning.md).
    keep_look : bool
        Whether baking keeps the learned radiance, or textures the learned layers with projected pictures anew. In a few
        minutes the radiance gets less sharp than pictures are, and spreads the face over shells.
    """

    steps: int = 3000
    cell: float = 0.0075
    extraction_steps: tuple[float, ...] = (0.12, 0.22, 0.34, 0.5, 0.7)
    pixels: int = 5000
    table_rate: float = 1e-2
    network_rate: float = 2e-3
    decoder_rate: float = 1e-3
    residual_rate: float = 3e-4
    torso_rate: float = 0.03
    geometry_start: float = 1.0
    torso_weight: float = 1e-3
    mask_weight: float = 0.05
    roughness_weight: float = 0.02
    skin_weight: float = 1.0
    field: str = "grid"
    refinement_steps: int = 0
    network: NetworkFieldPreset = NetworkFieldPreset()
    nested: bool = True
    keep_look: bool = False


@dataclass(frozen=True)
class GeometryPreset:
    """How layers are shaped, meshed and, where stage 1 runs, learned.

    Attributes
    ----------
    core : bool
        Whether there is an innermost layer, the opaque core, that closes gaps between face and hair.
    head_mesh : bool
        Whether the head model's own mesh is a layer: it alone can show teeth behind lips.
    core_level : float
        Level of the core, metres.
    shell_levels : tuple of float
        Levels of the shells outside the head-mesh layer, ascending, metres; the surface itself is level 0.
    initial_alpha : tuple of float
        Opacity that layers start with: core, head mesh, then shells; the last one stands for all further shells.
    cell : float
        Grid cell of the fields, metres.
    extraction_cell : float
        Grid cell that layers are meshed with, metres; decimation leaves no finer detail anyway.
    core_faces, head_faces, shell_faces : int
        Triangles of a layer after decimation.
    hull_frames : int
        Number of training frames whose mattes carve the hull, at most.
    outline_steps : int
        Steps that fit the field's outline to single mattes after that; zero leaves the hull as carved.
    stage_one : StageOnePreset
    """

    core: bool = True
    head_mesh: bool = True
    core_level: float = -0.0035
    shell_levels: tuple[float, ...] = SHELL_CURVE
    initial_alpha: tuple[float, ...] = (0.98, 0.95, 0.1, 0.08, 0.05)
    cell: float = 0.0033
    extraction_cell: float = 0.0045
    core_faces: int = 4000
    head_faces: int = 8000
    shell_faces: int = 6000
    hull_frames: int = 40
    outline_steps: int = 150
    stage_one: StageOnePreset = field(default_factory=StageOnePreset)

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of all layers, inner to outer; the head-mesh layer counts as level 0."""
        return (self.core_level,) * self.core + (0.0,) * self.head_mesh + self.shell_levels

    @property
    def opacities(self) -> tuple[float, ...]:
        """Opacity that each layer starts with, inner to outer."""
        core, head, *shells = self.initial_alpha
        shells += [shells[-1]] * (len(self.shell_levels) - len(shells))
        if not self.head_mesh:
            shells[0] = SOLID_ALPHA
        return (core,) * self.core + (head,) * self.head_mesh + tuple(shells[: len(self.shell_levels)])

    def with_layers(self, count: int) -> GeometryPreset:
        """The same with so many layers: first the innermost shell alone, then the head mesh, the core, more shells.

        Parameters
        ----------
        count : int
            At least one.
        """
        core, head_mesh = count > 2, count > 1
        shells = count - core - head_mesh
        # So many steps of equal length along the curve, from its start; beyond its end it goes on straight.
        places = np.arange(shells) * len(SHELL_CURVE) / shells
        beyond = np.maximum(places - (len(SHELL_CURVE) - 1), 0) * (SHELL_CURVE[-1] - SHELL_CURVE[-2])
        levels = np.interp(places, np.arange(len(SHELL_CURVE)), SHELL_CURVE) + beyond
        return replace(self, core=core, head_mesh=head_mesh, shell_levels=tuple(levels.round(5).tolist()))

    def with_faces(self, factor: float) -> GeometryPreset:
        """The same with ``factor`` times as many triangles in each layer."""
        names = ("core_faces", "head_faces", "shell_faces")
        return replace(self, **{name: round(factor * getattr(self, name)) for name in names})
