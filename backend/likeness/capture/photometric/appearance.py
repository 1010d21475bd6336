"""What colour each point of the skin has, and under what light: found from the tracked frames, one at a time.

Colours are logarithms of linear light, so that light is added to what it falls on instead of multiplied:
``log I = log albedo + L . h(n)``, with h the spherical harmonics of a normal n up to the second degree and without the
constant one, which nothing tells from the albedo. Light is fixed to the camera and the same in all frames. That is the
exponential of the usual polynomial (R. Ramamoorthi and P. Hanrahan, "An Efficient Representation for Irradiance
Environment Maps", SIGGRAPH 2001); it cannot become negative, and is found by one linear regression in which every
point's own albedo drops out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

DARKEST = 0.03
"""Linear light that is added before logarithms are taken; darker colours are mostly a codec's noise."""

_RIDGE = 30.0  # of the light's coefficients: normals hardly turn in a film without head movement
_SEEN = 3  # frames that must show a point
_LEAST = 0.05  # deviation of a logarithmic colour that no point stays below


@dataclass(frozen=True)
class Appearance:
    """Colours of N points and the light on them.

    Attributes
    ----------
    albedo : (N, 3) float32
        Logarithms.
    light : (8, 3) float32
        Coefficients of :func:`harmonics`.
    deviation : (N,) float32
        How far a point's colour is from what is expected, over frames; infinite where it was hardly seen.
    """

    albedo: Floats
    light: Floats
    deviation: Floats

    def expected(self, normals: Floats) -> Floats:
        """Logarithmic colours (N, 3) of the points with normals (N, 3) in camera space."""
        return self.albedo + harmonics(normals) @ self.light


def harmonics(normals: Floats) -> Floats:
    """Spherical harmonics (N, 8) of unit normals (N, 3) of degrees one and two, up to factors."""
    x, y, z = normals.T
    return np.stack([x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], 1)


def logarithmic(picture: npt.NDArray[np.uint8], blur: float) -> Floats:
    """Logarithms (H, W, 3) of the linear light of an sRGB picture, blurred by a Gaussian of a deviation in pixels."""
    table = np.arange(256, dtype=np.float64) / 255
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    logs = np.log(linear + DARKEST).astype(np.float32)[picture]
    return np.asarray(cv2.GaussianBlur(logs, (0, 0), blur), np.float32) if blur else logs


def appearance_of(frames: Iterable[tuple[Floats, Floats, Flags]], count: int) -> Appearance:
    """Find colours and light.

    Parameters
    ----------
    frames : iterable of ((N, 3) colours seen, (N, 3) normals in camera space, (N,) bool which are seen)
    count : int
        N.
    """
    seen = np.zeros((count, 1))
    colour, square = np.zeros((count, 3)), np.zeros((count, 3))
    shape, both = np.zeros((count, 8)), np.zeros((count, 8, 3))
    shapes = np.zeros((count, 8, 8))
    for colours, normals, flags in frames:
        h = harmonics(normals) * flags[:, None]
        c = colours * flags[:, None]
        seen += flags[:, None]
        colour += c
        square += c * c
        shape += h
        both += h[:, :, None] * c[:, None]
        shapes += h[:, :, None] * h[:, None]
    often = seen[:, 0] >= _SEEN
    n = seen.clip(1)
    # What is left of each sum once the point's own means are taken off: the point's albedo drops out.
    within = (shapes - shape[:, :, None] * (shape / n)[:, None])[often].sum(0)
    mixed = (both - shape[:, :, None] * (colour / n)[:, None])[often].sum(0)
    light = np.linalg.solve(within + _RIDGE * np.eye(8), mixed)
    albedo = (colour - shape @ light) / n
    left = square - colour**2 / n
    left -= 2 * np.einsum("nkc,kc->nc", both - shape[:, :, None] * (colour / n)[:, None], light)
    left += np.einsum("nkl,kc,lc->nc", shapes - shape[:, :, None] * (shape / n)[:, None], light, light)
    deviation = np.sqrt((left / n).mean(1).clip(0)).clip(_LEAST)
    deviation[~often] = np.inf
    return Appearance(albedo.astype(np.float32), light.astype(np.float32), deviation.astype(np.float32))
