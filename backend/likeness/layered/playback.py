"""Rendering a finished avatar with the trainer's own renderer: as the file says, but fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..asset.layered import LayeredAvatar
from ..asset.pictures import decode_png, split_tiles
from ..camera import Camera
from ..raster.interface import Rasteriser
from ..rig import Pose
from .compositing import composite
from .decoder import imported
from .deformation import TorchPose, camera_vertices, posed_vertices
from .proxies import Proxies, concatenate_layers
from .rendering import find_hits, ray_directions, shade, smooth_normals, visible_triangles
from .texels import TexelTable


class Player:
    """Renders a layered avatar.

    Parameters
    ----------
    avatar : LayeredAvatar
    rasteriser : Rasteriser, optional
        The device's own by default.
    device : torch.device or str

    Attributes
    ----------
    device : torch.device
    rasteriser : Rasteriser
    proxies : Proxies
    table : TexelTable
    decoder : AppearanceDecoder
        What pictures are made of, for those who want more of them than :meth:`render` gives.
    """

    def __init__(
        self, avatar: LayeredAvatar, rasteriser: Rasteriser | None = None, device: torch.device | str = "cpu"
    ) -> None:
        if rasteriser is None:
            from ..raster.select import rasteriser as select

            rasteriser = select(torch.device(device))
        self.device, self.rasteriser = torch.device(device), rasteriser
        self.proxies = proxies_of_avatar(avatar).torch(device)
        self.table = TexelTable(self.proxies.textures, self.proxies.layout)
        self.decoder = imported(avatar.decoder, avatar.feature_size, avatar.basis_count).to(device)
        self.decoder.requires_grad_(False)

    @torch.no_grad()
    def render(self, pose: Pose, camera: Camera) -> npt.NDArray[np.float32]:
        """A picture (H, W, 4) in linear light, premultiplied by the alpha in the last channel."""
        proxies, device = self.proxies, self.device
        posed = TorchPose.of(pose, device)
        vertices = camera_vertices(posed_vertices(proxies, posed), camera)
        triangles = visible_triangles(proxies, vertices, camera, self.rasteriser)
        normals = smooth_normals(proxies, vertices)
        hits = find_hits(proxies, vertices, normals, triangles, ray_directions(camera, device))
        layers = shade(hits, self.table.sample, proxies.layout, self.decoder(posed.conditions))
        return composite(*layers).view(camera.height, camera.width, 4).cpu().numpy()


def proxies_of_avatar(avatar: LayeredAvatar) -> Proxies:
    """An avatar's layers as proxies: welded, with one opacity per basis, tiles with their gutters, NumPy arrays."""
    side = avatar.tile_size + 2 * avatar.gutter
    layers, textures = [], []
    for layer in avatar.layers:
        # Any of the split vertices stands for the welded one: they differ in nothing but texture coordinates.
        _, first = np.unique(layer.weld, return_index=True)
        layers.append(
            {
                "positions": layer.positions[first],
                "faces": layer.weld[layer.faces],
                "uv": (layer.uv * avatar.tile_size + avatar.gutter) / side,
                "faces_uv": layer.faces,
                "expression_basis": layer.expression_targets[:, first].transpose(1, 2, 0),
                "corrective_basis": layer.corrective_targets[:, first].transpose(1, 2, 0),
                "skin_weights": layer.skin_weights[first],
            }
        )
        bases = split_tiles(decode_png(layer.bases), side)[: avatar.basis_count]
        features = split_tiles(decode_png(layer.features), side)[: avatar.feature_size // 4]
        channels = [*(tile[..., :3] for tile in bases), *(tile[..., 3:] for tile in bases), *features]
        textures.append(np.concatenate(channels, -1).astype(np.float32) / 255)
    return concatenate_layers(
        layers,
        corrective_entries=avatar.corrective_entries,
        joints=avatar.joints,
        levels=np.array([layer.level for layer in avatar.layers], np.float32),
        textures=np.stack(textures),
        basis_count=avatar.basis_count,
        feature_size=avatar.feature_size,
    )
