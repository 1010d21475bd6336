"""Where any point of canonical space is in a frame, and how that changes from point to point.

Layer meshes carry their motion at vertices. Root finding and learned deformers need it everywhere. With the blended
skinning transforms T of the frame and T_c of the canonical pose,

    x_d = T(W) (T_c(W)^-1 x_c + E (psi - psi_c) + P (f - f_c))

in which the displacements E, P and skin weights W depend on x_c. E and P take part only in one vector, so a frame asks
for that vector instead of for all of them.
"""

from __future__ import annotations

from copy import copy
from typing import Protocol, runtime_checkable

import torch

from ..camera import Camera
from ..rig import AVATAR_JOINTS
from .canonical import CanonicalHead
from .deformation import TorchPose, corrective_features, skinning_transforms
from .linear3 import inverses


class PointMotion(Protocol):
    """What moves points: the skin's motion carried outwards, or a network."""

    def __call__(self, points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements and skin weights.

        Parameters
        ----------
        points : (N, 3) float32
            Canonical.
        change : (E + 36,) float32
            Expression and corrective features of the frame less those of the canonical pose.

        Returns
        -------
        displacements : (N, 3) float32
            Metres, at rest.
        skin_weights : (N, 6) float32
            Over :data:`likeness.rig.AVATAR_JOINTS`; rows sum to one. Both are differentiable by the points, the change
            and whatever the motion has learnt.
        """
        ...


class MeshMotion(PointMotion, Protocol):
    """One that is quicker for points on a mesh whose vertices it has looked at before."""

    def on_triangles(self, points: torch.Tensor, corners: torch.Tensor, lists: torch.Tensor) -> PointMotion:
        """The same for these points (N, 3) alone, as they move by less than skin vertices lie apart: quicker.

        They lie on a mesh's triangles with corners (N, 3); ``lists`` (M, K) holds the skin vertices nearest to each
        vertex of that mesh.
        """
        ...


@runtime_checkable
class KnownPoints(Protocol):
    """A motion that may know which points it will be asked for."""

    def among(self, chosen: torch.Tensor) -> PointMotion:
        """The same for some (M,) of those points."""
        ...


class FrameDeformation:
    """The map x_d(x_c) of one frame, into camera space; metres.

    Parameters
    ----------
    motion : PointMotion
    head : CanonicalHead
    pose : TorchPose
    camera : Camera
    shift : (3,) float32, optional
        Moves everything in camera space.
    """

    def __init__(
        self,
        motion: PointMotion,
        head: CanonicalHead,
        pose: TorchPose,
        camera: Camera,
        shift: torch.Tensor | None = None,
    ) -> None:
        self._motion = motion
        features = corrective_features(pose.joint_rotations) - torch.as_tensor(head.features)
        self._change = torch.cat([pose.expression - torch.as_tensor(head.pose.expression), features])
        transforms = skinning_transforms(pose, torch.as_tensor(head.joints))
        # Skin weights sum to one, so blending bones that end in camera space is the same as going there afterwards.
        view = torch.as_tensor(camera.world_to_camera)
        turned = view[:3, :3] @ transforms[:, :, :3]
        moved = transforms[:, :, 3] @ view[:3, :3].T + view[:3, 3] + (0 if shift is None else shift)
        self._transforms = torch.cat([turned, moved[:, :, None]], 2)
        self._canonical = torch.as_tensor(head.transforms)
        self._table = torch.cat([self._transforms.reshape(-1, 12), self._canonical.reshape(-1, 12)], 1)

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Camera-space positions (N, 3) of canonical points (N, 3), differentiable by everything that moves them."""
        return self._evaluated(points)[0]

    def among(self, chosen: torch.Tensor) -> FrameDeformation:
        """The same for some (M,) of the points that it was made for, if it was made for some only."""
        result = copy(self)
        if isinstance(self._motion, KnownPoints):
            result._motion = self._motion.among(chosen)
        return result

    @torch.no_grad()
    def with_linear_part(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions (N, 3), and the linear parts (N, 3, 3) of the blended transforms from canonical to camera space.

        The linear part is the Jacobian as far as weights and displacements are the same all around a point.
        """
        posed, turns, unturn = self._evaluated(points)
        return posed, turns @ unturn

    def with_jacobian(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions (N, 3), differentiable by everything but the points, and their Jacobians (N, 3, 3), by nothing.

        Row i of a Jacobian is the gradient of camera-space coordinate i by the canonical point.
        """
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = points.detach().requires_grad_()
            posed, _, _ = self._evaluated(leaf)
            # Points do not influence one another, so the gradient of a sum is every point's own.
            rows = [
                torch.autograd.grad(posed[:, axis].sum(), leaf, retain_graph=learning or axis < 2)[0]
                for axis in range(3)
            ]
        return posed if learning else posed.detach(), torch.stack(rows, 1)

    def undone_by(self, joint: str, posed: torch.Tensor) -> torch.Tensor:
        """Canonical points (N, 3) of camera-space points (N, 3), if one joint alone moved them and nothing else did."""
        index = AVATAR_JOINTS.index(joint)
        transform, canonical = self._transforms[index], self._canonical[index]
        rest = (posed - transform[:, 3]) @ torch.linalg.inv(transform[:, :3]).T
        return rest @ canonical[:, :3].T + canonical[:, 3]

    def _evaluated(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        displacements, weights = self._motion(points, self._change)
        transform, canonical = (weights @ self._table).view(-1, 2, 3, 4).unbind(1)
        unturn = inverses(canonical[:, :, :3])
        rest = (unturn @ (points - canonical[:, :, 3])[..., None])[..., 0]
        turn = transform[:, :, :3]
        return (turn @ (rest + displacements)[..., None])[..., 0] + transform[:, :, 3], turn, unturn
