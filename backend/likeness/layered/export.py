"""From what was learnt to the avatar that is played: split vertices, 8-bit tiles with gutters, decoder, report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..asset.layered import Layer, LayeredAvatar
from ..asset.packing import packed
from ..asset.pictures import encode_png
from ..head.model import HeadModel
from .compositing import linear_to_srgb, srgb_to_linear
from .decoder import AppearanceDecoder, SpatialWeights, basis_weights
from .proxies import Proxies, TextureLayout
from .texel_surface import TexelSurface

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def export_avatar(
    proxies: Proxies,
    textures: torch.Tensor,
    decoder: AppearanceDecoder,
    surface: TexelSurface,
    head: HeadModel,
    *,
    gutter: int,
    report: dict[str, Any],
) -> LayeredAvatar:
    """Build the avatar that :func:`likeness.asset.write_layered_avatar` writes, packed to be sent.

    Parameters
    ----------
    proxies : Proxies
        Torch tensors; its own textures are not used.
    textures : (L, S, S, C) float32
        Rounded to 8 bits here.
    decoder : AppearanceDecoder
    surface : TexelSurface
        For the preview textures.
    head : HeadModel
        Gives names and ranges.
    gutter : int
        Texels around each tile.
    report : dict
        JSON values.
    """
    layout, columns = proxies.layout, math.ceil(math.sqrt(proxies.basis_count))
    neutral = torch.zeros(9 + head.expression_count, device=proxies.positions.device)
    with torch.no_grad():
        spatial = decoder(neutral)
    plain = proxies.numpy()
    layers = []
    for index in range(proxies.layer_count):
        texels = np.rint(textures[index].cpu().numpy() * 255).clip(0, 255).astype(np.uint8)
        preview = _preview(textures[index], surface.normals[index], spatial, layout)
        layers.append(
            Layer(
                level=float(plain.levels[index]),
                **_split_vertices(plain, index),
                features=encode_png(_feature_picture(texels, layout, gutter), 0),
                bases=encode_png(_basis_picture(texels, layout, gutter, columns), 0),
                preview=encode_png(preview, 0),
            )
        )
    avatar = LayeredAvatar(
        layers=tuple(layers),
        joints=plain.joints,
        expression_names=head.expression_names,
        expression_range=head.expression_range,
        corrective_entries=plain.corrective_entries,
        decoder=decoder.exported(),
        basis_count=proxies.basis_count,
        feature_size=proxies.feature_size,
        tile_size=proxies.tile_size,
        gutter=gutter,
        atlas_columns=columns,
        head_name=head.name,
        report=report,
    )
    return packed(avatar)


def _split_vertices(proxies: Proxies, index: int) -> dict[str, Any]:
    """A layer's vertices with one texture coordinate each; ``weld`` says which are one vertex of the surface."""
    chosen = proxies.face_layers == index
    corners = np.stack([proxies.faces[chosen].ravel(), proxies.faces_uv[chosen].ravel()], 1)
    pairs, faces = np.unique(corners, axis=0, return_inverse=True)
    surface_vertices, weld = np.unique(pairs[:, 0], return_inverse=True)
    own = surface_vertices[weld]
    return {
        "positions": proxies.positions[own],
        "faces": faces.reshape(-1, 3).astype(np.int32),
        "uv": proxies.uv[pairs[:, 1]],
        "weld": weld.astype(np.int32),
        "expression_targets": np.ascontiguousarray(proxies.expression_basis[own].transpose(2, 0, 1)),
        "corrective_targets": np.ascontiguousarray(proxies.corrective_basis[own].transpose(2, 0, 1)),
        "skin_weights": proxies.skin_weights[own],
    }


def _basis_picture(texels: Bytes, layout: TextureLayout, gutter: int, columns: int) -> Bytes:
    """Basis tiles, RGBA, in rows of ``columns``."""
    colours = texels[..., layout.colour].reshape(*texels.shape[:2], layout.basis_count, 3)
    alphas = np.broadcast_to(texels[..., layout.alpha], (*texels.shape[:2], layout.basis_count))
    tiles = np.concatenate([colours, alphas[..., None]], -1)
    return _laid_out([_with_gutter(tiles[:, :, basis], gutter) for basis in range(layout.basis_count)], columns)


def _feature_picture(texels: Bytes, layout: TextureLayout, gutter: int) -> Bytes:
    """Position-feature tiles side by side, four channels in each."""
    features = texels[..., layout.features]
    tiles = [_with_gutter(features[..., start : start + 4], gutter) for start in range(0, layout.feature_size, 4)]
    return _laid_out(tiles, len(tiles))


def _with_gutter(tile: Bytes, gutter: int) -> Bytes:
    """A tile whose border texels are repeated outwards, which is what clamping at its edge would sample."""
    return np.pad(tile, ((gutter, gutter), (gutter, gutter), (0, 0)), mode="edge")


def _laid_out(tiles: list[Bytes], columns: int) -> Bytes:
    height, width, channels = tiles[0].shape
    picture = np.zeros((math.ceil(len(tiles) / columns) * height, columns * width, channels), np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        picture[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return picture


def _preview(texture: torch.Tensor, normals: torch.Tensor, spatial: SpatialWeights, layout: TextureLayout) -> Bytes:
    """The neutral look from the front: camera space is taken to be the head's own."""
    size = len(texture)
    values, normals = texture.reshape(size * size, -1), normals.reshape(-1, 3)
    ahead = torch.tensor([0.0, 0.0, -1.0], device=texture.device).expand_as(normals)
    with torch.no_grad():
        shares = basis_weights(torch.cat([values[:, layout.features], normals, ahead], 1), spatial)
        bases = srgb_to_linear(values[:, layout.colour]).view(-1, layout.basis_count, 3)
        colours = linear_to_srgb((shares[..., None] * bases).sum(1))
        alphas = values[:, layout.alpha]
        alphas = (shares * alphas).sum(1, keepdim=True) if layout.alpha_count > 1 else alphas
    picture = torch.cat([colours, alphas], 1).view(size, size, 4)
    return (picture * 255 + 0.5).clamp(0, 255).to(torch.uint8).cpu().numpy()
