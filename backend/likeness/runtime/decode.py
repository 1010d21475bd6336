"""Appearance of a frame: the global network, texture sampling, the spatial network, the blend (steps 5 to 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..asset.layered import Decoder, Layer, LayeredAvatar
from ..asset.pictures import decode_png, split_tiles
from .colour import srgb_to_linear

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SpatialNetwork:
    """The small network that every surface point goes through; the same for the whole frame.

    a = softmax(W2 relu(W1 [p, n, d] + b1) + b2)

    Attributes
    ----------
    hidden_weights : (H, D + 6) float32
        W1.
    hidden_biases : (H,) float32
        b1.
    output_weights : (B, H) float32
        W2.
    output_biases : (B,) float32
        b2.
    """

    hidden_weights: Array
    hidden_biases: Array
    output_weights: Array
    output_biases: Array

    def blend_weights(self, features: Array, normals: Array, views: Array) -> Array:
        """Weights (N, B) of the bases at surface points; each row sums to one.

        Parameters
        ----------
        features : (N, D)
            Position features p, 0..1.
        normals, views : (N, 3)
            Unit, camera space; views lead from the camera to the points.
        """
        inputs = np.concatenate([features, normals, views], 1)
        hidden = np.maximum(inputs @ self.hidden_weights.T + self.hidden_biases, 0)
        logits = hidden @ self.output_weights.T + self.output_biases
        # The largest logit is taken off first: the same softmax, and no exponential overflows.
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)


def spatial_network(decoder: Decoder, conditions: Array, basis_count: int, feature_size: int) -> SpatialNetwork:
    """The frame's spatial network: the global network's output, cut into W1, b1, W2, b2.

    Parameters
    ----------
    decoder : Decoder
    conditions : (9 + E,)
        :attr:`likeness.rig.Pose.decoder_input`.
    basis_count, feature_size : int
        B and D.
    """
    values = np.asarray(conditions, np.float32)
    for weights, biases, slopes in zip(decoder.weights[:2], decoder.biases[:2], decoder.slopes, strict=True):
        values = weights @ values + biases
        values = np.where(values < 0, slopes * values, values)
    output = decoder.weights[2] @ values + decoder.biases[2]
    hidden, inputs = decoder.hidden_size, feature_size + 6
    shapes = [(hidden, inputs), (hidden,), (basis_count, hidden), (basis_count,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(output.astype(np.float32), ends[:-1])
    return SpatialNetwork(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))


@dataclass(frozen=True)
class LayerTextures:
    """A layer's textures, unpacked into tiles with their gutters and ready for filtering.

    Attributes
    ----------
    features : (S, S, D) float32
        Linear values 0..1; S is tile_size + 2 * gutter.
    bases : (S, S, B, 4) float32
        Colour in linear light and alpha, straight.
    tile_size, gutter : int
        Texels.
    """

    features: Array
    bases: Array
    tile_size: int
    gutter: int


def unpack_textures(avatar: LayeredAvatar, layer: Layer) -> LayerTextures:
    """Decode a layer's pictures. Colour leaves sRGB here, before any filtering."""
    side = avatar.tile_size + 2 * avatar.gutter
    features = split_tiles(_unit(decode_png(layer.features)), side)
    bases = split_tiles(_unit(decode_png(layer.bases)), side)[: avatar.basis_count]
    bases = np.concatenate([srgb_to_linear(bases[..., :3]), bases[..., 3:]], -1)
    return LayerTextures(
        np.concatenate(list(features), axis=-1),
        np.ascontiguousarray(bases.transpose(1, 2, 0, 3)),
        avatar.tile_size,
        avatar.gutter,
    )


def _unit(picture: npt.NDArray[np.uint8]) -> Array:
    return picture.astype(np.float32) / np.float32(255)


def sample(tile: Array, uv: Array, tile_size: int, gutter: int) -> Array:
    """Bilinear look-up in a tile that has a gutter.

    Texel centres lie at (i + 0.5) / tile_size of the tile's inside. Points between the outermost centres and the
    tile's edge see the gutter; without one, the edge's texels repeat.

    Parameters
    ----------
    tile : (S, S, ...) float32
        S = tile_size + 2 * gutter; first row on top.
    uv : (N, 2)
        Texture coordinates; (0, 0) is the top left corner of the tile's inside.
    tile_size, gutter : int

    Returns
    -------
    (N, ...) float32
    """
    last = tile.shape[0] - 1
    place = np.clip(np.asarray(uv, np.float32) * np.float32(tile_size) + np.float32(gutter - 0.5), 0, last)
    first = np.minimum(place.astype(np.int64), max(last - 1, 0))
    second = np.minimum(first + 1, last)
    share = (place - first).reshape(len(place), 2, *(1,) * (tile.ndim - 2))
    x, y = share[:, 0].astype(np.float32), share[:, 1].astype(np.float32)
    one = np.float32(1)
    upper = tile[first[:, 1], first[:, 0]] * (one - x) + tile[first[:, 1], second[:, 0]] * x
    lower = tile[second[:, 1], first[:, 0]] * (one - x) + tile[second[:, 1], second[:, 0]] * x
    return np.asarray(upper * (one - y) + lower * y, np.float32)


def shade(network: SpatialNetwork, textures: LayerTextures, uv: Array, normals: Array, views: Array) -> Array:
    """Colour and alpha of surface points.

    Parameters
    ----------
    network : SpatialNetwork
    textures : LayerTextures
    uv : (N, 2)
    normals, views : (N, 3)
        As :meth:`SpatialNetwork.blend_weights`.

    Returns
    -------
    (N, 4) float32
        Linear light, straight alpha.
    """
    features = sample(textures.features, uv, textures.tile_size, textures.gutter)
    weights = network.blend_weights(features, normals, views)
    bases = sample(textures.bases, uv, textures.tile_size, textures.gutter)
    return np.einsum("nb,nbc->nc", weights, bases)
