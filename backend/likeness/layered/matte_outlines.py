"""Mattes' outlines as signed distances, and where canonical points lie in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt

from ..camera import Camera
from ..rig import Pose, corrective_features, skinning_transforms
from .canonical import CanonicalHead
from .deformer import Deformer
from .hanging import Hanging

Array = npt.NDArray[np.float32]

_LONGEST_ROW = 2**14


@dataclass(frozen=True)
class PosedPoints:
    """Canonical points that follow bones and hang, as hair does; what they need is looked up once for all frames.

    Attributes
    ----------
    head : CanonicalHead
    rest : (N, 3) float32
        The points at rest.
    weights : (N, 6) float32
        Soft skin weights.
    canonical : (N, 3) float32
    hanging : Hanging
    strength : (N,) float32 or None
        How much each point hangs; None where nothing does.
    """

    head: CanonicalHead
    rest: Array
    weights: Array
    canonical: Array
    hanging: Hanging
    strength: Array | None

    def hung(self, share: float) -> PosedPoints:
        """The same points hanging by a share of what they hang by now."""
        return self if self.strength is None else replace(self, strength=np.float32(share) * self.strength)

    def placed(self, camera: Camera, pose: Pose) -> Array:
        """Positions (N, 3) in camera space, metres."""
        view = camera.world_to_camera
        transforms = skinning_transforms(pose, self.head.joints)
        transforms = view[:3, :3] @ transforms + np.concatenate([np.zeros((3, 3)), view[:3, 3:]], 1)
        blended = (self.weights @ transforms.reshape(len(transforms), 12).astype(np.float32)).reshape(-1, 3, 4)
        rest = self.rest
        if self.strength is not None:
            features = torch.as_tensor(corrective_features(pose.joint_rotations), dtype=torch.float32)
            parts = (torch.as_tensor(self.canonical), torch.as_tensor(self.strength), features)
            rest = rest + self.hanging.displacements(*parts).numpy()
        return np.einsum("nab,nb->na", blended[:, :, :3], rest) + blended[:, :, 3]

    def seen(self, camera: Camera, pose: Pose) -> tuple[Array, Array, Array]:
        """Columns (N,) and rows (N,), pixels with whole numbers at centres, and depths (N,), metres, in a picture."""
        return pixels(self.placed(camera, pose), camera)


def pixels(points: Array, camera: Camera) -> tuple[Array, Array, Array]:
    """Columns (N,) and rows (N,), pixels with whole numbers at centres, and depths (N,), of points in camera space."""
    x, y, z = points.T
    depth = np.maximum(-z, 1e-3)
    return camera.cx + camera.fx * x / depth - 0.5, camera.cy - camera.fy * y / depth - 0.5, depth


def shown(columns: Array, rows: Array, camera: Camera, border: float = 0.0) -> npt.NDArray[np.bool_]:
    """Whether places (N,) lie in a picture, and not in a border of so many pixels along its edge."""
    low, right, bottom = border - 0.5, camera.width - 0.5 - border, camera.height - 0.5 - border
    return (columns > low) & (columns < right) & (rows > low) & (rows < bottom)


def posed_points(points: Array, head: CanonicalHead, deformer: Deformer) -> PosedPoints:
    """Canonical points (N, 3) as they move where the skin's expressions have faded."""
    weights = deformer.soft_weights(points)
    canonical = np.tensordot(weights, head.transforms, 1)
    rest = np.linalg.solve(canonical[:, :, :3], (points - canonical[:, :, 3])[..., None])[..., 0]
    strength = deformer.hanging_strength(points, weights) if deformer.hanging.share else None
    return PosedPoints(head, rest.astype(np.float32), weights, points, deformer.hanging, strength)


def signed_outline(matte: npt.NDArray[np.uint8]) -> Array:
    """Distances (H, W) from a matte's outline, pixels, negative inside."""
    inside = matte > 127
    outside = np.asarray(distance_transform_edt(~inside)) - np.asarray(distance_transform_edt(inside))
    return outside.astype(np.float32)


def interpolated(picture: Array, columns: Array, rows: Array) -> Array:
    """Bilinear values (N,) of a picture (H, W) at places (N,) in it; beyond its edge, the nearest inside."""
    values = np.empty((1, len(columns)), np.float32)
    # OpenCV's pictures end at 32,767 pixels a side.
    for start in range(0, len(columns), _LONGEST_ROW):
        part = slice(start, start + _LONGEST_ROW)
        places = columns[None, part], rows[None, part]
        values[:, part] = cv2.remap(picture, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values[0]
