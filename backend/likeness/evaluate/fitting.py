"""Pose and camera fitted on a frame's own picture, as papers do before they measure.

A tracker's pose is off by a pixel or two, and an avatar that is drawn there differs from the picture however good its
look is. Fitted figures tell of the look alone. They are no figures of frames that nothing was fitted on, so their names
end in ``_fitted``. Only pixels of the face are compared: fitted on all, poses chase hair.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from ..camera import Camera
from ..layered.compositing import composite, linear_to_srgb, over
from ..layered.deformation import PoseCorrections, TorchPose, camera_vertices, posed_vertices
from ..layered.playback import Player
from ..layered.rendering import find_hits, ray_directions, shade, smooth_normals, visible_triangles
from ..rig import Pose
from .pictures import Truth

STEPS = 25
"""Steps of Adam; as many as the paper's passes."""

PIXELS = 4000
"""Of the face, in each step."""

ROTATION_RATE, TRANSLATION_RATE = 1e-3, 3e-4
"""Step sizes at the start, radians and metres; they fall to a tenth. Trackers err by 0.1 to 0.3 degrees and by 1 mm."""


def fitted(player: Player, pose: Pose, camera: Camera, target: Truth, *, seed: int = 0) -> tuple[Pose, Camera]:
    """The pose and camera near the tracked ones that draw the face most like its picture.

    Root, neck and camera move; expressions, jaw and eyes stay as tracked.

    Parameters
    ----------
    player : Player
    pose : Pose
        As tracked.
    camera : Camera
        Of the target's size.
    target : Truth
    seed : int
        Of the choice of pixels.

    Returns
    -------
    pose : Pose
    camera : Camera
        The given ones where the face was not seen.
    """
    face = torch.as_tensor(target.face.ravel()).nonzero()[:, 0]
    if not len(face):
        return pose, camera
    device = player.device
    generator = torch.Generator().manual_seed(seed)
    corrections = PoseCorrections(1, len(pose.expression)).to(device)
    corrections.expression.requires_grad_(False)
    groups = [
        {"params": [corrections.root_rotation, corrections.neck_rotation], "lr": ROTATION_RATE},
        {"params": [corrections.root_translation, corrections.camera_shift], "lr": TRANSLATION_RATE},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / STEPS))
    )
    truth = torch.as_tensor(target.picture, device=device).view(-1, 3)
    tracked = TorchPose.of(pose, device)
    for _ in range(STEPS):
        chosen = face[torch.randperm(len(face), generator=generator)[:PIXELS]]
        # A filmed pixel is the mean of the light on it, so each step looks at another place inside the pixels.
        across, down = (torch.rand(2, generator=generator) - 0.5).tolist()
        shifted = replace(camera, cx=camera.cx + across, cy=camera.cy + down)
        difference = _drawn(player, corrections, tracked, shifted, chosen) - truth[chosen.to(device)]
        optimiser.zero_grad()
        difference.abs().mean().backward()
        optimiser.step()
        schedule.step()
    return _corrected(pose, camera, corrections)


def _drawn(
    player: Player, corrections: PoseCorrections, tracked: TorchPose, camera: Camera, pixels: torch.Tensor
) -> torch.Tensor:
    """Colours (P, 3), sRGB, of some pixels over white."""
    proxies = player.proxies
    posed = corrections.corrected(tracked, 0)
    vertices = camera_vertices(posed_vertices(proxies, posed), camera, corrections.camera_shift[0])
    pixels = pixels.to(player.device)
    triangles = visible_triangles(proxies, vertices, camera, player.rasteriser)[:, pixels]
    directions = ray_directions(camera, player.device)[pixels]
    hits = find_hits(proxies, vertices, smooth_normals(proxies, vertices), triangles, directions)
    layers = shade(hits, player.table.sample, proxies.layout, player.decoder(tracked.conditions))
    return linear_to_srgb(over(composite(*layers), torch.ones(3, device=player.device)))


@torch.no_grad()
def _corrected(pose: Pose, camera: Camera, corrections: PoseCorrections) -> tuple[Pose, Camera]:
    neck = np.zeros_like(pose.joint_rotations)
    neck[0] = corrections.neck_rotation[0].cpu().numpy()
    moved = replace(
        pose,
        root_rotation=pose.root_rotation + corrections.root_rotation[0].cpu().numpy(),
        root_translation=pose.root_translation + corrections.root_translation[0].cpu().numpy(),
        joint_rotations=pose.joint_rotations + neck,
    )
    # What moves all points by a shift in camera space is a camera that moves the other way.
    matrix = camera.camera_to_world.copy()
    matrix[:3, 3] -= matrix[:3, :3] @ corrections.camera_shift[0].cpu().numpy()
    return moved, replace(camera, camera_to_world=matrix)
