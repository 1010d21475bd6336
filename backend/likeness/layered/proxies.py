"""What stage 1 hands to the appearance stages: every layer's mesh, attributes and first textures, concatenated.

Arrays are NumPy or torch float32 (int32 for indices); :meth:`Proxies.numpy` and :meth:`Proxies.torch` convert.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from ..files import write_atomically
from ..jobs.checkpoint import read_result

Tensor = Any  # numpy.ndarray or torch.Tensor, one kind throughout a Proxies.


@dataclass(frozen=True)
class Proxies:
    """Nested layer meshes at rest (neutral expression, joints at rest), in metres, with textures.

    Attributes
    ----------
    positions : (V, 3) float32
        Surface vertices of all layers, welded: texture seams do not split them.
    faces : (F, 3) int32
        Counter-clockwise from outside, corner indices into ``positions``.
    face_layers : (F,) int32
        Layer of each face, ascending, 0 is the innermost.
    uv : (T, 2) float32
        Texture corners of all layers, 0..1 within the layer's tile, v down: (0, 0) is the tile's top left corner.
    faces_uv : (F, 3) int32
        Corner indices into ``uv``, in the order of ``faces``.
    expression_basis : (V, 3, E) float32
        Displacements at weight one.
    corrective_basis : (V, 3, K) float32
        Displacements per corrective feature.
    corrective_entries : (K,) int32
        Which of the 36 corrective features drives each, ascending.
    skin_weights : (V, 6) float32
        Over :data:`likeness.rig.AVATAR_JOINTS`; at most four are not zero, rows sum to one.
    joints : (5, 3) float32
        Rest positions of :data:`likeness.rig.JOINTS`.
    levels : (L,) float32
        Level-set value of each layer, metres, ascending.
    textures : (L, S, S, C) float32
        Values 0..1; row 0 is v = 0. Channels: 3 B colours, sRGB-encoded, basis by basis; then A opacities, A = 1
        (shared by all bases) or B; then D position features. :class:`TextureLayout` names the slices.
    basis_count, feature_size : int
        B and D.
    """

    positions: Tensor
    faces: Tensor
    face_layers: Tensor
    uv: Tensor
    faces_uv: Tensor
    expression_basis: Tensor
    corrective_basis: Tensor
    corrective_entries: Tensor
    skin_weights: Tensor
    joints: Tensor
    levels: Tensor
    textures: Tensor
    basis_count: int
    feature_size: int

    @property
    def layer_count(self) -> int:
        """L."""
        return int(self.levels.shape[0])

    @property
    def tile_size(self) -> int:
        """S, texels on a side of a layer's tile."""
        return int(self.textures.shape[1])

    @property
    def layout(self) -> TextureLayout:
        """Where the channels of ``textures`` lie."""
        alphas = int(self.textures.shape[-1]) - 3 * self.basis_count - self.feature_size
        return TextureLayout(self.basis_count, alphas, self.feature_size)

    def numpy(self) -> Proxies:
        """The same with NumPy arrays."""
        return self._converted(lambda value: value.detach().cpu().numpy() if torch.is_tensor(value) else value)

    def torch(self, device: torch.device | str = "cpu") -> Proxies:
        """The same with torch tensors on a device."""
        return self._converted(lambda value: torch.as_tensor(value, device=device))

    def _converted(self, convert: Callable[[Any], Any]) -> Proxies:
        changes = {name: convert(getattr(self, name)) for name in _ARRAYS}
        return replace(self, **changes)


_ARRAYS = tuple(entry.name for entry in fields(Proxies) if entry.name not in ("basis_count", "feature_size"))


@dataclass(frozen=True)
class TextureLayout:
    """Where the channels of a layer's texture lie: B colours, A opacities, D features."""

    basis_count: int
    alpha_count: int
    feature_size: int

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 3 * self.basis_count + self.alpha_count + self.feature_size

    @property
    def colour(self) -> slice:
        """The 3 B colour channels."""
        return slice(0, 3 * self.basis_count)

    @property
    def alpha(self) -> slice:
        """The A opacity channels."""
        return slice(3 * self.basis_count, 3 * self.basis_count + self.alpha_count)

    @property
    def features(self) -> slice:
        """The D feature channels."""
        return slice(3 * self.basis_count + self.alpha_count, self.channels)


def concatenate_layers(
    layers: list[dict[str, np.ndarray]],
    *,
    corrective_entries: np.ndarray,
    joints: np.ndarray,
    levels: np.ndarray,
    textures: np.ndarray,
    basis_count: int,
    feature_size: int,
) -> Proxies:
    """Join per-layer arrays, inner to outer, into one :class:`Proxies`.

    Parameters
    ----------
    layers : list of dict
        Each holds ``positions``, ``faces``, ``uv``, ``faces_uv``, ``expression_basis``, ``corrective_basis`` and
        ``skin_weights``, with indices that count from the layer's own zero.
    corrective_entries, joints, levels, textures, basis_count, feature_size
        As in :class:`Proxies`.

    Returns
    -------
    Proxies
        With NumPy arrays.
    """
    joined: dict[str, list[np.ndarray]] = {name: [] for name in layers[0]}
    face_layers, vertex_base, corner_base = [], 0, 0
    for index, layer in enumerate(layers):
        shifted = {**layer, "faces": layer["faces"] + vertex_base, "faces_uv": layer["faces_uv"] + corner_base}
        for name, value in shifted.items():
            joined[name].append(value)
        face_layers.append(np.full(len(layer["faces"]), index))
        vertex_base += len(layer["positions"])
        corner_base += len(layer["uv"])
    arrays: dict[str, Any] = {
        name: np.concatenate(values).astype(np.int32 if name.startswith("faces") else np.float32)
        for name, values in joined.items()
    }
    return Proxies(
        **arrays,
        face_layers=np.concatenate(face_layers).astype(np.int32),
        corrective_entries=np.asarray(corrective_entries, np.int32),
        joints=np.asarray(joints, np.float32),
        levels=np.asarray(levels, np.float32),
        textures=np.asarray(textures, np.float32),
        basis_count=basis_count,
        feature_size=feature_size,
    )


def save_proxies(proxies: Proxies, path: Path) -> None:
    """Write proxies as a safetensors file."""
    plain = proxies.numpy()
    arrays = {name: np.ascontiguousarray(getattr(plain, name)) for name in _ARRAYS}
    arrays["counts"] = np.array([proxies.basis_count, proxies.feature_size], np.int32)
    write_atomically(path, save(arrays))


def load_proxies(path: Path) -> Proxies:
    """Read what :func:`save_proxies` wrote, with NumPy arrays.

    Raises
    ------
    FileNotFoundError
        If nothing has been written yet.
    LikenessError
        If the file is damaged.
    """
    arrays = read_result(path)
    basis_count, feature_size = (int(value) for value in arrays.pop("counts"))
    return Proxies(**arrays, basis_count=basis_count, feature_size=feature_size)
