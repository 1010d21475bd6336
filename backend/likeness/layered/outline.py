"""Losses that shape the surface itself: its outline against mattes, and the face's skin against the head model."""

from __future__ import annotations

import torch

from ..camera import Camera
from ..rig import JOINTS
from .deformation import TorchPose, corrective_features, skinning_transforms
from .field import Manifold
from .layer_extraction import TrainingLayers

_DEPTHS = 20
_REACH = 0.13
_RAYS = 500
_MARGIN = 0.001
CARVED_LEVEL = 0.0025
"""Levels below this shall not reach beyond the matte; outer ones are meant to, metres."""


def outline_loss(
    manifold: Manifold,
    layers: TrainingLayers,
    pose: TorchPose,
    camera: Camera,
    *,
    rays: torch.Tensor,
    triangles: torch.Tensor,
    matte: torch.Tensor,
    hits: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    shift: torch.Tensor | None = None,
) -> torch.Tensor:
    """Pull layers over matte pixels that they miss, and push them off pixels that the matte leaves out.

    Nothing is rasterised where a layer is missing, so there the field is asked directly: depths along the ray are
    unposed, and where the field is smallest it must sink below the level of each shell that is missing. The core is not
    missed: opacity cannot soften it, so it stays inside. Inner shells are pushed off what is outside; outer ones are
    meant to stand off the outline, where opacity thins them out.

    Parameters
    ----------
    manifold : Manifold
    layers : TrainingLayers
    pose : TorchPose
    camera : Camera
    rays : (P, 3) float32
        Camera-space directions with z = -1.
    triangles : (L, P) int32
        What each layer shows along each ray, -1 for nothing.
    matte : (P,) float32
    hits : tuple of tensors
        Field values (N,), levels (N,) and rays (N,) of hits on level sets below :data:`CARVED_LEVEL`; others are
        ignored.
    shift : (3,) float32, optional
        Moves everything in camera space; no gradient reaches it.

    Returns
    -------
    () float32
        Mean over rays and layers, centimetres.
    """
    levels = layers.proxies.levels
    shells = (levels > 0).nonzero()[:, 0]
    per_pixel = 100.0 / (len(rays) * len(shells))
    values, hit_levels, hit_rays = hits
    outside = (matte[hit_rays] < 0.02) & (hit_levels < CARVED_LEVEL)
    loss = (torch.relu(hit_levels + _MARGIN - values) * outside).sum() * per_pixel
    missed = ((matte > 0.5) & (triangles[shells[0]] < 0)).nonzero()[:_RAYS, 0]
    if len(missed):
        deepest = _deepest_points(manifold, layers, pose, camera, shift, rays[missed])
        reached, _ = manifold(deepest)
        missing = (triangles[shells][:, missed] < 0).float()
        lacking = torch.relu(reached[None] - levels[shells][:, None] + _MARGIN)
        loss = loss + (lacking * missing).sum() * per_pixel
    return loss


def skin_loss(manifold: Manifold, layers: TrainingLayers) -> torch.Tensor:
    """Mean squared correction of the field on the face's skin, square centimetres."""
    return (100 * manifold.correction(layers.skin)).square().mean()


@torch.no_grad()
def _deepest_points(
    manifold: Manifold,
    layers: TrainingLayers,
    pose: TorchPose,
    camera: Camera,
    shift: torch.Tensor | None,
    rays: torch.Tensor,
) -> torch.Tensor:
    """Canonical points (R, 3) where the field is smallest along rays (R, 3)."""
    joints = layers.proxies.joints
    transforms = skinning_transforms(pose, joints)
    neck = JOINTS.index("neck")
    centre = transforms[neck, :, :3] @ joints[neck] + transforms[neck, :, 3]
    shift = torch.zeros(3) if shift is None else shift
    middle = -camera.to_camera(centre.numpy())[2] - float(shift[2])
    depths = float(middle) + torch.linspace(-_REACH, _REACH, _DEPTHS)
    to_world = torch.tensor(camera.camera_to_world)
    seen = (rays[:, None] * depths[:, None] - shift).reshape(-1, 3)
    world = seen @ to_world[:3, :3].T + to_world[:3, 3]
    # Weights live in canonical space, where the points are not yet: take those at the place a rigid head would give.
    rigid = (world - transforms[neck, :, 3]) @ transforms[neck, :, :3]
    weights = torch.as_tensor(layers.field.deformer.soft_weights(rigid.numpy()))
    blended = (weights @ transforms.reshape(-1, 12)).view(-1, 3, 4)
    rest = torch.linalg.solve(blended[:, :, :3], world - blended[:, :, 3])
    # Far from the head expressions have faded, so rest and canonical space differ by skinning and by what hangs.
    canonical = torch.as_tensor(layers.field.head.transforms)
    blended = (weights @ canonical.reshape(-1, 12)).view(-1, 3, 4)
    points = torch.einsum("nab,nb->na", blended[:, :, :3], rest) + blended[:, :, 3]
    deformer = layers.field.deformer
    if deformer.hanging.share:
        strength = torch.as_tensor(deformer.hanging_strength(points.numpy(), weights.numpy()))
        hung = deformer.hanging.displacements(points, strength, corrective_features(pose.joint_rotations))
        points = points - torch.einsum("nab,nb->na", blended[:, :, :3], hung)
    values, _ = manifold(points)
    deepest = values.view(len(rays), _DEPTHS).argmin(1)
    return points.view(len(rays), _DEPTHS, 3)[torch.arange(len(rays)), deepest]
