"""Training frames whose truth is known: pictures of the tiny avatar, made by formula, rendered by the trainer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from avatars import EXPRESSIONS, tiny_avatar, tiny_camera
from likeness.camera import Camera
from likeness.layered.compositing import composite, linear_to_srgb
from likeness.layered.decoder import AppearanceDecoder
from likeness.layered.deformation import TorchPose, camera_vertices, posed_vertices
from likeness.layered.frames import FilmedFrame, TrainingFrames
from likeness.layered.playback import Player, proxies_of_avatar
from likeness.layered.presets import FineTuningPreset, Preset
from likeness.layered.proxies import Proxies
from likeness.layered.rendering import find_hits, ray_directions, shade, smooth_normals, visible_triangles
from likeness.layered.texels import TexelTable
from likeness.raster.warp_rasteriser import WarpRasteriser
from likeness.rig import Pose

PRESET = Preset(
    name="test",
    seconds=10.0,
    stage_one_share=0.0,
    picture_size=48,
    basis_count=4,
    tile_size=56,
    threads=1,
    fine_tuning=FineTuningPreset(steps=120, pixels=1500, texture_rate=0.03, inspected_frames=6),
)


def poses(count: int, seed: int = 5) -> list[Pose]:
    """Random poses, none extreme."""
    random = np.random.default_rng(seed)
    return [
        Pose(
            random.uniform(0, 0.6, len(EXPRESSIONS)).astype(np.float32),
            joint_rotations=random.uniform(-0.15, 0.15, (4, 3)).astype(np.float32),
        )
        for _ in range(count)
    ]


def training_frames(count: int = 12, size: int = 48, held_out: int = 3) -> TrainingFrames:
    """Frames of the tiny avatar; the last ones are held out. The whole picture counts as face where the head is."""
    avatar, camera = tiny_avatar(), tiny_camera(size)
    player, chosen = Player(avatar), poses(count)
    pictures = torch.as_tensor(np.stack([player.render(pose, camera) for pose in chosen]))
    mattes = pictures[..., 3:]
    straight = pictures[..., :3] / mattes.clamp(min=1e-3)
    shots = [
        FilmedFrame((linear_to_srgb(colour) * 255).round().to(torch.uint8), matte.mul(255).round().byte(), matte > 0.9)
        for colour, matte in zip(straight, mattes[..., 0], strict=True)
    ]
    return TrainingFrames(
        film=shots.__getitem__,
        device=pictures.device,
        cameras=(camera,) * count,
        expression=torch.as_tensor(np.stack([pose.expression for pose in chosen])),
        root_rotation=torch.as_tensor(np.stack([pose.root_rotation for pose in chosen])),
        root_translation=torch.as_tensor(np.stack([pose.root_translation for pose in chosen])),
        joint_rotations=torch.as_tensor(np.stack([pose.joint_rotations for pose in chosen])),
        training=tuple(range(count - held_out)),
        held_out=tuple(range(count - held_out, count)),
    )


def blank_proxies(seed: int = 0) -> Proxies:
    """The tiny avatar's layers with textures that know nothing of its look: grey, features and bases all but equal."""
    proxies = proxies_of_avatar(tiny_avatar()).torch()
    generator = torch.Generator().manual_seed(seed)
    size, bases, features = proxies.tile_size, proxies.basis_count, proxies.feature_size
    textures = 0.5 + 0.1 * torch.randn(proxies.layer_count, size, size, 3 * bases + 1 + features, generator=generator)
    textures[0, ..., 3 * bases] = 0.9
    return replace(proxies, textures=textures.clamp(0, 1))


@torch.no_grad()
def rendered(
    proxies: Proxies, pose: TorchPose, camera: Camera, table: TexelTable, decoder: AppearanceDecoder
) -> torch.Tensor:
    """A picture (H*W, 4) as training draws it: linear light, premultiplied."""
    vertices = camera_vertices(posed_vertices(proxies, pose), camera)
    triangles = visible_triangles(proxies, vertices, camera, WarpRasteriser())
    hits = find_hits(proxies, vertices, smooth_normals(proxies, vertices), triangles, ray_directions(camera))
    return composite(*shade(hits, table.sample, proxies.layout, decoder(pose.conditions)))
