"""FLAME's named sets of triangles, from its makers' masks or from where its vertices lie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..rig import JOINTS
from .flame_files import VERTICES, FlameArrays, Indices

Mask = npt.NDArray[np.bool_]

_FACE = ("face", "forehead", "nose", "lips", "eye_region", "left_eye_region", "right_eye_region")
_NECK = ("neck", "boundary")
_EARS = ("left_ear", "right_ear")


def regions_from_masks(arrays: FlameArrays, eyes: Mask, masks: dict[str, Indices]) -> dict[str, Mask]:
    """Regions after the vertices of ``FLAME_masks.pkl``; a triangle belongs where all its corners do.

    Raises
    ------
    LikenessError
        If the masks name no face or no neck.
    """
    if not {"face", "neck"} <= set(masks):
        raise LikenessError(f"FLAME's masks name {', '.join(sorted(masks))}, but 'face' and 'neck' are needed.")

    def of(*names: str) -> Mask:
        vertices = np.zeros(VERTICES, bool)
        for name in names:
            vertices[masks.get(name, np.zeros(0, np.int64))] = True
        return vertices[arrays.faces].all(1) & ~eyes

    face = of(*_FACE)
    return _complete(eyes, face, of(*_NECK) & ~face) | {"scalp": of("scalp"), "ears": of(*_EARS), "lips": of("lips")}


def regions_from_shape(arrays: FlameArrays, eyes: Mask, joints: npt.NDArray[np.float64]) -> dict[str, Mask]:
    """Regions after where triangles lie, measured by the head's own joints.

    The face is what faces forwards between chin and hairline: with d the distance between the eyes, its normal leans
    less than 75 degrees from +Z, it lies less than 1.1 d behind the eyes and less than 1.25 d above them, and it
    follows the head or the jaw. The neck is what lies lower than the jaw's joint by 0.8 d, or follows the root.
    """
    corners = arrays.template[arrays.faces]
    middle = corners.mean(1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    forwards = normal[:, 2] / np.linalg.norm(normal, axis=1).clip(1e-12)
    left, right, jaw = (joints[JOINTS.index(name)] for name in ("eye_l", "eye_r", "jaw"))
    distance, between = float(np.linalg.norm(left - right)), (left + right) / 2
    follows_root = arrays.skin_weights[arrays.faces, JOINTS.index("root")].mean(1) > 0.3
    follows_jaw = arrays.skin_weights[arrays.faces, JOINTS.index("jaw")].mean(1) > 0.3
    low = (middle[:, 1] < jaw[1] - 0.8 * distance) & ~follows_jaw
    face = (
        (forwards > np.cos(np.radians(75)))
        & (middle[:, 2] > between[2] - 1.1 * distance)
        & (middle[:, 1] < between[1] + 1.25 * distance)
        & ~(follows_root | low)
        & ~eyes
    )
    return _complete(eyes, face, (follows_root | low) & ~face & ~eyes)


def _complete(eyes: Mask, face: Mask, neck: Mask) -> dict[str, Mask]:
    """All regions that a head model has. FLAME is a shell: it has neither teeth nor a mouth behind the lips."""
    nothing = np.zeros(len(eyes), bool)
    return {"skin": ~eyes, "face": face, "mouth": nothing, "teeth": nothing.copy(), "eyes": eyes, "neck": neck}
