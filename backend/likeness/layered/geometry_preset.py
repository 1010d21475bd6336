"""Numbers that shape the geometry of a layered avatar, collected so that presets can vary them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GeometryPreset:
    """How layers are shaped, meshed and, where stage 1 runs, learned.

    Attributes
    ----------
    core_level : float
        Level of the innermost layer, the opaque core that closes gaps between face and hair, metres.
    shell_levels : tuple of float
        Levels of the shells outside the head-mesh layer, ascending, metres; the surface itself is level 0.
    initial_alpha : tuple of float
        Opacity that each layer starts with: core, head mesh, shells.
    cell : float
        Grid cell of the fields, metres.
    core_faces, head_faces, shell_faces : int
        Triangles of a layer after decimation.
    hull_frames : int
        Number of training frames whose mattes carve the hull, at most.
    """

    core_level: float = -0.0035
    shell_levels: tuple[float, ...] = (0.0015, 0.0045, 0.008, 0.012, 0.017, 0.023)
    initial_alpha: tuple[float, ...] = (0.98, 0.95, 0.1, 0.08, 0.05, 0.05, 0.05, 0.05)
    cell: float = 0.0033
    core_faces: int = 4000
    head_faces: int = 8000
    shell_faces: int = 6000
    hull_frames: int = 40

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of all layers, inner to outer; the head-mesh layer counts as level 0."""
        return (self.core_level, 0.0, *self.shell_levels)
