"""Software pictures of a head model in plain colours: enough to judge its form, and for a face detector to see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..rig import rotation_matrices
from .model import HeadModel
from .zbuffer import Fragments, rasterise, vertex_normals

Picture = npt.NDArray[np.float64]

SKIN = (0.78, 0.56, 0.46)
COLOURS = {
    "scalp": (0.70, 0.50, 0.41),
    "lids": (0.74, 0.51, 0.42),
    "lips": (0.66, 0.33, 0.30),
    "brows": (0.22, 0.14, 0.10),
    "mouth": (0.36, 0.10, 0.10),
    "gums": (0.62, 0.30, 0.30),
    "tongue": (0.62, 0.28, 0.28),
    "teeth": (0.86, 0.83, 0.75),
    "eyes": (0.88, 0.86, 0.84),
}
"""Linear colours of regions, later ones over earlier ones."""
IRIS, PUPIL = (0.22, 0.13, 0.07), (0.01, 0.01, 0.01)
IRIS_RADIUS, PUPIL_RADIUS = 0.0060, 0.0023
"""Metres; an iris is 12 mm wide in every adult."""
BACKGROUND = (0.30, 0.32, 0.35)
KEY, FILL = (-0.45, 0.55, 0.75), (0.8, 0.15, 0.5)
"""Directions towards the two lamps, in the viewer's axes."""


@dataclass(frozen=True)
class View:
    """Where a picture is taken from.

    Attributes
    ----------
    yaw, pitch : float
        Degrees by which the viewer goes round to the subject's left, and up.
    centre : (float, float, float)
        The point in the picture's middle, metres.
    extent : float
        Width of what is seen at that point, metres.
    distance : float
        Of the viewer from that point, metres.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    extent: float = 0.36
    distance: float = 1.2

    def rotation(self) -> npt.NDArray[np.float64]:
        """World to viewer's axes (3, 3): x right, y up, z towards the viewer."""
        tilt, turn = rotation_matrices(np.radians([[self.pitch, 0, 0], [0, -self.yaw, 0]])).astype(float)
        return tilt @ turn

    def project(self, points: npt.NDArray[np.floating], size: int) -> tuple[npt.NDArray, npt.NDArray]:
        """Picture coordinates (N, 2), x right, y down, and depths (N,) of world points."""
        local = (points - np.asarray(self.centre)) @ self.rotation().T
        depth = self.distance - local[:, 2]
        scale = size * self.distance / self.extent / depth
        return np.stack([size / 2 + local[:, 0] * scale, size / 2 - local[:, 1] * scale], 1), depth


def face_colours(head: HeadModel) -> npt.NDArray[np.float64]:
    """Linear colours (F, 3) of the triangles, by region."""
    colours = np.tile(np.array(SKIN), (len(head.faces), 1))
    for region, colour in COLOURS.items():
        if region in head.regions:
            colours[head.regions[region]] = colour
    return colours


def draw(
    head: HeadModel,
    points: npt.NDArray[np.floating],
    view: View,
    size: int,
    corner_colours: npt.NDArray[np.floating] | None = None,
) -> tuple[Picture, Fragments]:
    """A shaded picture (H, W, 3), sRGB in 0..1, of the head with given vertices (V, 3), and what its pixels see.

    ``corner_colours`` (F, 3, 3) replace the plain colours, and eyes are then not painted.
    """
    pixels, depth = view.project(points, size)
    fragments = rasterise(pixels, depth, head.faces, size)
    seen = fragments.triangle >= 0
    normals = fragments.interpolate(vertex_normals(points, head.faces)[head.faces]) @ view.rotation().T
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    # Open shells, such as rows of teeth, are lit from both sides.
    normals *= np.where(_turned_away(pixels, head.faces)[fragments.triangle], -1.0, 1.0)[..., None]
    if corner_colours is None:
        albedo = face_colours(head)[fragments.triangle]
        albedo = _painted_eyes(head, fragments, albedo)
    else:
        albedo = fragments.interpolate(corner_colours)
    light = np.full(seen.shape, 0.22)
    for direction, strength in ((KEY, 0.75), (FILL, 0.28)):
        light += strength * np.clip(normals @ (np.array(direction) / np.linalg.norm(direction)), 0, 1)
    # What lies in the mouth is lit only through its opening.
    if corner_colours is None:
        light *= np.where(head.regions["mouth"][fragments.triangle], 0.7, 1.0)
    picture = np.where(seen[..., None], np.clip(albedo * light[..., None], 0, 1), np.array(BACKGROUND))
    return np.where(
        picture <= 0.0031308, 12.92 * picture, 1.055 * np.maximum(picture, 1e-9) ** (1 / 2.4) - 0.055
    ), fragments


def _turned_away(pixels: npt.NDArray[np.floating], faces: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Which triangles (F,) show their back in a picture whose y runs down."""
    corners = pixels[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0


def _painted_eyes(head: HeadModel, fragments: Fragments, albedo: Picture) -> Picture:
    """Iris and pupil by distance from the optical axis, in the eyeball's rest position."""
    joints = head.joints()
    rest = fragments.interpolate(head.template[head.faces])
    eye = head.regions["eyes"][fragments.triangle] & (fragments.triangle >= 0)
    for joint in joints[3:]:
        offset = rest - joint
        away = np.hypot(offset[..., 0], offset[..., 1])
        front = eye & (offset[..., 2] > 0) & (np.sign(rest[..., 0]) == np.sign(joint[0]))
        for radius, colour in ((IRIS_RADIUS, IRIS), (PUPIL_RADIUS, PUPIL)):
            albedo = np.where((front & (away < radius))[..., None], np.array(colour), albedo)
    return albedo


def reduced(picture: Picture, factor: int) -> Picture:
    """A picture averaged over squares of pixels, which smooths its edges."""
    size = len(picture) // factor
    return picture.reshape(size, factor, size, factor, 3).mean((1, 3))
