"""The layered avatar in memory: exactly what the run-time plays, nothing that only the trainer knows.

NumPy only, because Blender imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Layer:
    """One nested mesh. Vertices are split along texture seams; ``weld`` joins them again for smooth normals.

    Attributes
    ----------
    level : float
        The level set's value, metres; negative inside the outermost layer.
    positions : (V, 3) float32
        Rest positions (neutral expression, joints at rest), metres.
    faces : (F, 3) int32
        Triangles, counter-clockwise from outside.
    uv : (V, 2) float32
        Texture coordinates within one tile, 0..1, glTF's convention: (0, 0) is the tile's top left corner.
    weld : (V,) int32
        Vertices with the same number are one vertex of the surface; numbers run from 0 without gaps.
    expression_targets : (E, V, 3) float32
        Displacements at weight one, in the order of the avatar's expression names.
    corrective_targets : (K, V, 3) float32
        Displacements per corrective feature listed in the avatar's ``corrective_entries``.
    skin_weights : (V, 6) float32
        Weights over :data:`likeness.rig.AVATAR_JOINTS`; at most four are not zero, rows sum to one.
    features : bytes
        PNG, 8-bit RGBA, linear values: position-feature tiles side by side, four channels in each.
    bases : bytes
        PNG, 8-bit RGBA: basis tiles in rows of ``atlas_columns``; colour sRGB-encoded, straight alpha linear.
    preview : bytes
        PNG, 8-bit RGBA, one tile without gutter: the neutral look from the front, for viewers that know no decoder.
    """

    level: float
    positions: Array
    faces: Indices
    uv: Array
    weld: Indices
    expression_targets: Array
    corrective_targets: Array
    skin_weights: Array
    features: bytes
    bases: bytes
    preview: bytes


@dataclass(frozen=True)
class Decoder:
    """The appearance decoder's global network, whose output is the spatial network's weights, once per frame.

    conditions (9 + E) -> linear -> PReLU -> linear -> PReLU -> linear -> W1 (H, D+6), b1 (H), W2 (B, H), b2 (B), in
    that order, each row-major, where D is the feature size, H the hidden size and B the number of bases. The spatial
    network's input is [features (D), normal (3), view direction (3)].

    Attributes
    ----------
    weights : three arrays (out, in) float32
    biases : three arrays (out,) float32
    slopes : two arrays (out,) float32
        PReLU slopes of negative values, per channel.
    hidden_size : int
        H, 16.
    """

    weights: tuple[Array, Array, Array]
    biases: tuple[Array, Array, Array]
    slopes: tuple[Array, Array]
    hidden_size: int = 16


@dataclass(frozen=True)
class LayeredAvatar:
    """A layered avatar. Space: metres, +Y up, +Z out of the face, +X to the subject's left.

    Attributes
    ----------
    layers : tuple of Layer
        Inner to outer.
    joints : (5, 3) float32
        Rest positions of :data:`likeness.rig.JOINTS`; the sixth joint, ``body``, lies at the root's.
    expression_names : tuple of str
    expression_range : (E, 2) float32
        What sliders offer; may be exceeded.
    corrective_entries : (K,) int32
        Which of the 36 corrective features drives each corrective target, ascending.
    decoder : Decoder
    basis_count, feature_size : int
        B and D; D is a multiple of four.
    tile_size, gutter : int
        Texels of a tile's inside, and of the border around it on every side; a tile takes tile_size + 2 * gutter.
    atlas_columns : int
        Basis tiles per row of the atlas.
    head_name : str
        The head model's name.
    report : dict
        Metrics, provenance, consent statement; JSON values only.
    """

    layers: tuple[Layer, ...]
    joints: Array
    expression_names: tuple[str, ...]
    expression_range: Array
    corrective_entries: Indices
    decoder: Decoder
    basis_count: int
    feature_size: int
    tile_size: int
    gutter: int
    atlas_columns: int
    head_name: str
    report: dict[str, Any] = field(default_factory=dict)
