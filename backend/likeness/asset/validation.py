"""``likeness validate``: what an avatar's file holds, and what about it looks wrong though it breaks no rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .invariants import atlas_size, target_names
from .layered import Layer, LayeredAvatar
from .pictures import decode_png, split_tiles
from .read import read_layered_avatar

HEAD_MESH_LEVEL = 0.0
"""The head mesh itself, which may be a part of a head: it need not enclose the core."""

REPORT_ENTRIES = ("metrics", "provenance", "consent")
"""What a training report should say."""
SEAM_TOLERANCE = 1e-6
"""Metres by which the two sides of a texture seam may be moved apart."""
WEIGHT_TOLERANCE = 1e-5


def validate(path: Path) -> dict[str, Any]:
    """Check an avatar's file and tell what is in it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        JSON values: ``file``, ``bytes``, ``bytes_by_part``, ``head``, ``layers``, ``expressions``, ``correctives``,
        ``textures``, ``decoder``, ``report``, and ``warnings``, a list of sentences.

    Raises
    ------
    LikenessError
        If the file is not a sound avatar, see :func:`likeness.asset.read.read_layered_avatar`.
    """
    path = Path(path)
    avatar = read_layered_avatar(path)
    size = path.stat().st_size
    parts = {
        "features": sum(len(layer.features) for layer in avatar.layers),
        "bases": sum(len(layer.bases) for layer in avatar.layers),
        "previews": sum(len(layer.preview) for layer in avatar.layers),
        "decoder": 4 * _decoder_numbers(avatar),
    }
    parts["geometry"] = size - sum(parts.values())
    return {
        "file": str(path),
        "bytes": size,
        "bytes_by_part": parts,
        "head": avatar.head_name,
        "layers": [_layer_facts(layer) for layer in avatar.layers],
        "expressions": list(avatar.expression_names),
        "correctives": list(target_names(avatar)[len(avatar.expression_names) :]),
        "textures": {
            "bases": int(avatar.basis_count),
            "features": int(avatar.feature_size),
            "tile_size": int(avatar.tile_size),
            "gutter": int(avatar.gutter),
            "atlas": list(atlas_size(avatar)),
        },
        "decoder": {"hidden_size": int(avatar.decoder.hidden_size), "numbers": _decoder_numbers(avatar)},
        "report": avatar.report,
        "warnings": list(find_warnings(avatar)),
    }


def summary(facts: dict[str, Any]) -> str:
    """The facts of :func:`validate` as a few lines for people."""
    layers, textures = facts["layers"], facts["textures"]
    parts = ", ".join(f"{name} {_megabytes(size)}" for name, size in facts["bytes_by_part"].items())
    lines = [
        f"{facts['file']}: a sound layered avatar, {_megabytes(facts['bytes'])} ({parts})",
        f"  head model: {facts['head']}; {len(facts['expressions'])} expressions, "
        f"{len(facts['correctives'])} correctives",
        f"  textures: {textures['bases']} bases of {textures['tile_size']} texels (gutter {textures['gutter']}), "
        f"atlas {textures['atlas'][0]} x {textures['atlas'][1]}; {textures['features']} features",
        f"  decoder: {facts['decoder']['numbers']} numbers, {facts['decoder']['hidden_size']} hidden units",
    ]
    lines += [
        f"  layer {index} at {1000 * layer['level']:+.1f} mm: "
        f"{layer['vertices']} vertices ({layer['welded_vertices']} welded), {layer['triangles']} triangles"
        for index, layer in enumerate(layers)
    ]
    lines += [f"  warning: {warning}" for warning in facts["warnings"]] or ["  no warnings"]
    return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _decoder_numbers(avatar: LayeredAvatar) -> int:
    decoder = avatar.decoder
    return sum(int(np.size(array)) for array in (*decoder.weights, *decoder.biases, *decoder.slopes))


def _layer_facts(layer: Layer) -> dict[str, Any]:
    return {
        "level": float(layer.level),
        "vertices": len(layer.positions),
        "welded_vertices": int(layer.weld.max()) + 1,
        "triangles": len(layer.faces),
        "size_m": np.ptp(layer.positions, axis=0).round(4).tolist(),
    }


def find_warnings(avatar: LayeredAvatar) -> Iterator[str]:
    """Sentences about what looks wrong in a sound avatar."""
    levels = [layer.level for layer in avatar.layers]
    if sorted(set(levels)) != levels:
        yield "the layers' levels do not rise from the inner to the outer layer"
    volumes = [enclosed_volume(layer) for layer in avatar.layers]
    for index, volume in enumerate(volumes):
        if volume <= 0:
            yield f"layer {index} is inside out: most of its triangles face inwards"
        elif index and volume <= volumes[index - 1] and avatar.layers[index].level != HEAD_MESH_LEVEL:
            yield f"layer {index} is smaller than layer {index - 1}, though it lies outside it"
    for index, layer in enumerate(avatar.layers):
        yield from _layer_warnings(avatar, layer, f"layer {index}")
    for index, name in enumerate(avatar.expression_names):
        if not any(layer.expression_targets[index].any() for layer in avatar.layers):
            yield f"the expression {name} moves nothing"
    for name in REPORT_ENTRIES:
        if not avatar.report.get(name):
            yield f"the report has no {name}"


def enclosed_volume(layer: Layer) -> float:
    """Volume within a layer at rest, cubic metres; negative if its triangles face inwards (divergence theorem)."""
    # Measured from the middle, so that holes matter little.
    corners = layer.positions.astype(np.float64)[layer.faces] - layer.positions.mean(0)
    first, second, third = corners.swapaxes(0, 1)
    return float((first * np.cross(second, third)).sum() / 6)


def _layer_warnings(avatar: LayeredAvatar, layer: Layer, name: str) -> Iterator[str]:
    unused = len(layer.positions) - len(np.unique(layer.faces))
    if unused:
        yield f"{name} has {unused} vertices that no triangle uses"
    flat = _flat(layer.positions, layer.faces)
    # Between closed lips or lids there may be triangles that only an expression opens.
    for target in layer.expression_targets:
        flat[flat] = _flat(layer.positions + target, layer.faces[flat])
    if flat.any():
        yield f"{name} has {int(flat.sum())} triangles without area"
    yield from _seam_warnings(layer, name)
    side = avatar.tile_size + 2 * avatar.gutter
    tiles = split_tiles(decode_png(layer.bases), side)[: avatar.basis_count]
    if not tiles[..., 3].any():
        yield f"{name} is wholly transparent"
    if len(tiles) > 1 and (tiles == tiles[0]).all():
        yield f"{name} has {len(tiles)} equal basis textures"
    if not decode_png(layer.preview)[..., 3].any():
        yield f"{name} has a wholly transparent preview"


def _flat(positions: npt.NDArray[np.float32], faces: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which triangles have no area."""
    corners = positions.astype(np.float64)[faces]
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) == 0


def _seam_warnings(layer: Layer, name: str) -> Iterator[str]:
    """Vertices that are one on the surface must move as one."""
    first = np.unique(layer.weld, return_index=True)[1][layer.weld]
    for kind in ("expression_targets", "corrective_targets"):
        targets = getattr(layer, kind)
        apart = max((float(np.abs(target - target[first]).max()) for target in targets), default=0.0)
        if apart > SEAM_TOLERANCE:
            yield f"{name} tears at texture seams: its {kind} differ by up to {apart:.3g} m between welded vertices"
    apart = float(np.abs(layer.skin_weights - layer.skin_weights[first]).max())
    if apart > WEIGHT_TOLERANCE:
        yield f"{name} tears at texture seams: its skin_weights differ by up to {apart:.3g} between welded vertices"
