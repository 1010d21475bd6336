"""Turned views: heads turned farther than they were filmed, of which there is no picture to learn from.

What a film leaves open, a farther turn brings to light. A wisp before hair of its own colour may be opaque or not:
pictures look alike, until the head turns and it floats before the background. Layers that look like one from the front
part at the side. But a person is in one piece, whatever the turn: opaque within an outline, and nothing without. So now
and then learning turns a training frame's head farther, looks how opaque the picture is, and asks for that with its
gaps closed and its wisps taken away, the outline left as it is. Opacities alone learn from it: what colour should be
seen nobody knows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import binary_fill_holes, gaussian_filter

from ..camera import Camera
from ..head_turns import head_turns, turned_neck
from ..rig import POSED_JOINTS
from .compositing import layer_shares
from .decoder import SpatialWeights
from .deformation import TorchPose, camera_vertices, posed_vertices
from .finetune_state import Scene
from .frames import TrainingFrames
from .matte_outlines import signed_outline
from .presets import FineTuningPreset
from .rendering import Hits, basis_shares, blended, find_hits, ray_directions, smooth_normals, visible_triangles

Array = npt.NDArray[np.float32]

LONGER_SIDE = 128
"""Size of these pictures, pixels: gaps and wisps are then of the same size on any person."""

BLUR = 2.0
"""Standard deviation of the blur after which a pixel counts as the person's if it is more opaque than not, pixels.

Gaps and wisps that are narrower than about three pixels are gone then, and outlines are where they were.
"""

NEAR, CLEAR = 1.5, 3.5
"""Distances from an outline between which a picture should be more and more as opaque as it is in one piece, pixels.

Nearer it may be as it is: how soft an outline is, and where, pictures tell. (Asked to be sharp, outlines grew by half a
pixel, for they are softer without than within.)
"""

WRONG = 0.02
"""Where a picture is as opaque as it should be but for so much, nothing is learnt."""

MOST_PIXELS = 1500
"""Pixels learnt from in one picture, at most."""

_NECK = POSED_JOINTS.index("neck")


def filmed_turns(frames: TrainingFrames) -> Array:
    """Yaw and pitch (N, 2) of the head in all frames, degrees, see :func:`likeness.head_turns.head_turns`."""
    cameras = np.stack([camera.camera_to_world for camera in frames.cameras])
    return head_turns(frames.root_rotation.cpu().numpy(), frames.joint_rotations[:, _NECK].cpu().numpy(), cameras)


def drawn_turn(
    turns: Array, training: tuple[int, ...], numbers: FineTuningPreset, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Any yaw and pitch (2,), degrees, up to some beyond those of the training frames; ``turns`` (N, 2) of all."""
    beyond = np.array([numbers.turned_yaw, numbers.turned_pitch])
    filmed = turns[list(training)]
    return random.uniform(filmed.min(0) - beyond, filmed.max(0) + beyond)


def turned_pose(frames: TrainingFrames, index: int, by: npt.ArrayLike) -> TorchPose:
    """A frame's pose with the neck turned further by degrees (2,), see :func:`likeness.head_turns.turned_neck`."""
    pose = TorchPose.of_frame(frames, index)
    joints, camera = pose.joint_rotations.clone(), frames.cameras[index].camera_to_world
    neck = turned_neck(pose.root_rotation.cpu().numpy(), joints[_NECK].cpu().numpy(), camera, by)
    joints[_NECK] = torch.as_tensor(neck)
    return replace(pose, joint_rotations=joints)


def shrunk(camera: Camera) -> Camera:
    """A camera whose pictures have :data:`LONGER_SIDE`, or their own size if that is smaller."""
    scale = min(1.0, LONGER_SIDE / max(camera.width, camera.height))
    return camera.resized(*(max(1, round(scale * side)) for side in (camera.width, camera.height)))


def whole(opacity: Array) -> Array:
    """The opacity (H, W) that a picture with this one would have if the person in it were in one piece.

    Gaps and holes are closed and wisps are taken away, but for :data:`NEAR` the outline, which stays as it is.
    """
    # The person goes on beyond the picture's edges.
    margin = round(4 * BLUR)
    padded = np.pad(opacity, margin, mode="edge")
    solid = np.asarray(binary_fill_holes(gaussian_filter(padded, BLUR) > 0.5))
    # The outline lies half a pixel nearer than the first pixel on its other side.
    away = np.abs(signed_outline(np.uint8(255) * solid)) - 0.5
    share = np.clip((away - NEAR) / (CLEAR - NEAR), 0, 1)
    wanted = share * solid + (1 - share) * padded
    return wanted[margin:-margin, margin:-margin].astype(np.float32)


def turned_loss(
    scene: Scene, turns: Array, index: int, numbers: FineTuningPreset, random: np.random.Generator
) -> torch.Tensor:
    """How far a training frame, its head turned anywhere, is from being in one piece; textures' opacities may learn it.

    Parameters
    ----------
    scene : Scene
    turns : (N, 2) float32
        From :func:`filmed_turns`.
    index : int
        The frame.
    numbers : FineTuningPreset
    random : numpy.random.Generator

    Returns
    -------
    () float32
        Sum of the squared errors of pixels' opacities over :data:`MOST_PIXELS`; zero, without gradient, where the
        picture is as it should be.
    """
    frames, proxies = scene.frames, scene.proxies
    pose = turned_pose(frames, index, drawn_turn(turns, frames.training, numbers, random) - turns[index])
    camera = shrunk(frames.cameras[index])
    with torch.no_grad():
        vertices = camera_vertices(posed_vertices(proxies, pose), camera)
        normals, directions = smooth_normals(proxies, vertices), ray_directions(camera, vertices.device)
        triangles = visible_triangles(proxies, vertices, camera, scene.rasteriser)
        spatial = scene.decoder(pose.conditions)
        opacity = _opacity(scene, find_hits(proxies, vertices, normals, triangles, directions), spatial).cpu().numpy()
        wanted = whole(opacity.reshape(camera.height, camera.width)).ravel()
        wrong = random.permutation(np.flatnonzero(np.abs(opacity - wanted) > WRONG))[:MOST_PIXELS]
        if not len(wrong):
            return torch.zeros((), device=vertices.device, requires_grad=True)
        pixels = torch.as_tensor(wrong, device=vertices.device)
        hits = find_hits(proxies, vertices, normals, triangles[:, pixels], directions[pixels])
    error = _opacity(scene, hits, spatial) - torch.as_tensor(wanted[wrong], device=vertices.device)
    return error.square().sum() / MOST_PIXELS


def _opacity(scene: Scene, hits: Hits, spatial: SpatialWeights) -> torch.Tensor:
    """Opacity (P,) of all layers together along rays; gradients reach the textures' opacities."""
    layout, values = scene.proxies.layout, scene.table.sample(hits.uv, hits.layers)
    shares = basis_shares(hits, values.detach(), layout, spatial)
    return layer_shares(blended(hits, values, shares, layout)[1]).sum(0)
