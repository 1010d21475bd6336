"""The reference picture of an avatar: what trainer, Eevee, Cycles and GLSL are all held to.

Conventions
-----------
* World: metres, +Y up. Cameras as in :mod:`likeness.camera`: pixel centres at +0.5, first row on top.
* One ray per pixel; no anti-aliasing, no lights: the bases hold the appearance.
* Pictures are float32, linear light with sRGB's primaries, premultiplied by alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..asset.layered import LayeredAvatar
from ..camera import Camera
from ..rig import Pose
from .colour import to_srgb8
from .composite import over, premultiplied
from .decode import LayerTextures, shade, spatial_network, unpack_textures
from .deform import deform
from .rasterise import rasterise

__all__ = ["render", "render_layers", "to_srgb8", "unpack_all_textures"]

Array = npt.NDArray[np.float32]


def unpack_all_textures(avatar: LayeredAvatar) -> list[LayerTextures]:
    """Every layer's textures, to be given to :func:`render` when more than one picture is made."""
    return [unpack_textures(avatar, layer) for layer in avatar.layers]


def render(
    avatar: LayeredAvatar,
    pose: Pose,
    camera: Camera,
    background: npt.ArrayLike = (0.0, 0.0, 0.0, 0.0),
    textures: Sequence[LayerTextures] | None = None,
) -> Array:
    """A picture of an avatar.

    Parameters
    ----------
    avatar : LayeredAvatar
    pose : Pose
    camera : Camera
    background : (4,) or (H, W, 4), optional
        Premultiplied linear light that lies behind.
    textures : sequence of LayerTextures, optional
        From :func:`unpack_all_textures`; otherwise they are unpacked anew.

    Returns
    -------
    (H, W, 4) float32
        Linear light, premultiplied.
    """
    picture = np.broadcast_to(np.asarray(background, np.float32), (camera.height, camera.width, 4)).copy()
    for layer in render_layers(avatar, pose, camera, textures):
        picture = over(premultiplied(layer), picture)
    return picture


def render_layers(
    avatar: LayeredAvatar, pose: Pose, camera: Camera, textures: Sequence[LayerTextures] | None = None
) -> Array:
    """Each layer by itself, inner to outer.

    Returns
    -------
    (L, H, W, 4) float32
        Linear light, straight alpha; zeros where a pixel sees nothing of the layer.
    """
    textures = unpack_all_textures(avatar) if textures is None else textures
    deformed_layers = deform(avatar, pose)
    network = spatial_network(avatar.decoder, pose.decoder_input, avatar.basis_count, avatar.feature_size)
    rays = camera.ray_directions().reshape(-1, 3)
    views = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    to_camera = camera.world_to_camera[:3, :3]
    pictures = np.zeros((len(avatar.layers), camera.height * camera.width, 4), np.float32)
    for picture, layer, deformed, unpacked in zip(pictures, avatar.layers, deformed_layers, textures, strict=True):
        hits = rasterise(camera.to_camera(deformed.positions), layer.faces, camera)
        normals = hits.interpolate(deformed.normals, layer.faces) @ to_camera.T
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        uv = hits.interpolate(layer.uv, layer.faces)
        picture[hits.pixels] = shade(network, unpacked, uv, normals, views[hits.pixels])
    return pictures.reshape(len(avatar.layers), camera.height, camera.width, 4)
