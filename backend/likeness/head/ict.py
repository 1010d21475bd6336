"""ICT-FaceKit (MIT licence, University of Southern California) as a :class:`~likeness.head.model.HeadModel`.

ICT-FaceKit gives a neutral bust, 53 named expressions and 100 identity modes on one mesh of 26 719 vertices, without
any skeleton. The joints, skin weights and the corrective that turns its linear ``jawOpen`` into a turn of the jaw joint
are derived here from the mesh itself. Measured constants below are in the files' own unit, about a centimetre.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from scipy import sparse

from ..errors import LikenessError
from ..rig import CORRECTIVE_COUNT, JOINTS, rotation_matrices
from .ict_files import KEPT_PARTS, PARTS, SourceMesh, read_checkout, read_npz
from .model import HeadModel
from .storage import check_head

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.signedinteger]

IDENTITY_MODES = 50
"""Modes kept of the 100; they carry 98.5 % of the variance."""

UNIT = 0.01
"""Metres in a unit of the files."""

JOINT_POSITIONS = np.array(
    [
        [0.0, -13.0, -2.0],  # root: centre of the section at the neck's base
        [0.0, -8.0, -0.3],  # neck: centre of the narrowest section of the neck
        [0.0, -0.55, 1.82],  # jaw: the lower teeth turn rigidly about +X through this point when jawOpen goes to 1
        [3.102, 3.604, 7.882],  # eyes: a sphere fitted to the back of the sclera
        [-3.102, 3.604, 7.882],
    ]
)

JAW_OPEN_ANGLE = float(np.radians(25.33))
"""Turn of the lower teeth at jawOpen = 1, radians."""

IRIS_DISTANCE = 1.40
"""From the eyeball's centre to the plane of the iris; the eyeball's radius is 1.532."""

SCLERA_BACK = 8.6
"""Sclera vertices behind this depth lie on a sphere; those in front form the cornea."""

SKIN_VERTICES = PARTS["head_neck"].vertices.stop
"""The outer skin comes first in the mesh."""

_NECK_DIRECTION = np.array([0.0, 0.947, 0.322])
_LANDMARKS = Path(__file__).with_name("ict_landmarks.safetensors")

_UV_CELLS = {
    # Cell (x, y, size) of each texture tile in the one layout; the face gets four ninths of the square.
    "face": (0.0, 1 / 3, 2 / 3),
    "head_neck": (2 / 3, 2 / 3, 1 / 3),
    "gums_tongue": (2 / 3, 1 / 3, 1 / 3),
    "teeth": (2 / 3, 0.0, 1 / 3),
    "sclera_L": (0.0, 0.0, 1 / 3),
    "sclera_R": (1 / 3, 0.0, 1 / 3),
}
_UV_CELL_OF_PART = {"mouth_socket": "head_neck", "eye_socket_L": "head_neck", "eye_socket_R": "head_neck"}


def load_ict(path: Path) -> HeadModel:
    """Read ICT-FaceKit from ``ict_facekit.npz`` or from a checkout of its repository.

    Face skin, back of the head and neck, mouth and eye sockets, teeth, gums, tongue and scleras are kept; irises,
    lashes and the films over the eyes are left out, because an opaque renderer shows them wrongly.

    Parameters
    ----------
    path : Path
        The .npz file, the checkout's folder, or the folder ``FaceXModel`` in it.

    Returns
    -------
    HeadModel
        22 991 vertices, 50 identity modes, 53 expressions, metres.

    Raises
    ------
    LikenessError
        If the files are missing, damaged or not those of ICT-FaceKit.
    """
    path = Path(path)
    source = read_checkout(path, IDENTITY_MODES) if path.is_dir() else read_npz(path, IDENTITY_MODES)
    regressor = joint_regressor(source.template)
    weights = skin_weights(source)
    corrective = jaw_corrective(source.template, source.expression("jawOpen"), weights[:, JOINTS.index("jaw")])
    return _reduced(source, regressor, weights, corrective, str(path))


def joint_regressor(template: Floats) -> Floats:
    """Affine weights that give each joint from vertices around it, exact on the template.

    The weights are the smallest ones (least squares) that sum to one and reproduce the joint from a ring of skin, or
    from the back of the eyeball, so that a joint follows the identity. The plain mean of a sclera would lie 5 mm too
    far forward.

    Parameters
    ----------
    template : (V, 3)
        The whole mesh, in the files' unit.

    Returns
    -------
    (5, V)
    """
    x, y, z = template[:SKIN_VERTICES].T
    jaw_axis = JOINT_POSITIONS[2]
    rings = [
        np.flatnonzero((np.abs(y + 13.0) < 0.8) & (np.abs(x) < 9)),
        np.flatnonzero((np.abs(y + 8.0) < 0.8) & (z < 6.5)),
        np.flatnonzero((np.hypot(y - jaw_axis[1], z - jaw_axis[2]) < 1.2) & (np.abs(x) > 6)),
        *(_sclera_back(template, name) for name in ("sclera_L", "sclera_R")),
    ]
    regressor = np.zeros((len(JOINTS), len(template)))
    for row, ring, position in zip(regressor, rings, JOINT_POSITIONS, strict=True):
        constraints = np.vstack([template[ring].T, np.ones(len(ring))])
        row[ring] = np.linalg.lstsq(constraints, np.append(position, 1.0), rcond=None)[0]
    return regressor


def skin_weights(source: SourceMesh) -> Floats:
    """Linear blend skinning weights (V, 5) of the whole mesh over :data:`likeness.rig.JOINTS`.

    The neck takes over from the root along the neck; all that lies inside the head follows the neck, eyeballs their
    own joints. The jaw's share is how much of a rigid turn of the jaw a vertex makes in ``jawOpen``, smoothed over the
    skin.
    """
    template = source.template
    neck = _smoothstep((template @ _NECK_DIRECTION + 12.5) / 5.5)
    neck[SKIN_VERTICES:] = 1.0

    displacement = source.expression("jawOpen")
    turn = _jaw_turn()
    rigid = (template - JOINT_POSITIONS[2]) @ turn.T + JOINT_POSITIONS[2] - template
    jaw = ((displacement * rigid).sum(1) / np.maximum((rigid**2).sum(1), 1e-3)).clip(0, 1)
    jaw[np.linalg.norm(displacement, axis=1) < 0.02] = 0
    jaw[PARTS["teeth_lower"].vertices] = 1
    jaw[PARTS["teeth_upper"].vertices] = 0
    jaw *= neck > 0.999

    smoothed = jaw.copy()
    neighbours = _adjacency(source.polygons, len(template))
    degree = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)
    for _ in range(10):
        smoothed = 0.5 * smoothed + 0.5 * (neighbours @ smoothed) / degree
    soft = slice(0, PARTS["mouth_socket"].vertices.stop)
    jaw[soft] = smoothed[soft]

    weights = np.zeros((len(template), len(JOINTS)))
    weights[:, 0] = 1 - neck
    weights[:, 1] = neck - jaw * neck
    weights[:, 2] = jaw * neck
    for joint, name in ((3, "eyeball_L"), (4, "eyeball_R")):
        eyeball = PARTS[name].vertices
        weights[eyeball] = 0
        weights[eyeball, joint] = 1
    return weights


def jaw_corrective(template: Floats, jaw_open: Floats, jaw_weight: Floats) -> Floats:
    """Displacements (V, 3) that make a turn of the jaw by :data:`JAW_OPEN_ANGLE` reproduce ``jawOpen`` exactly.

    With A, t the blended transform of a vertex under that turn, skinning gives A (T + C) + t, which equals T + D for
    C = A^-1 (T + D - t) - T.
    """
    turn, pivot = _jaw_turn(), JOINT_POSITIONS[2]
    blended = np.eye(3) + jaw_weight[:, None, None] * (turn - np.eye(3))
    moved = template + jaw_open - jaw_weight[:, None] * (pivot - turn @ pivot)
    return np.linalg.solve(blended, moved[:, :, None])[:, :, 0] - template


@dataclass(frozen=True)
class _Numbering:
    """Old vertices (or texture corners) that are used, and the new number of each old one (-1: dropped)."""

    kept: Whole
    renumbered: Whole


def _numbering(used: Whole, count: int) -> _Numbering:
    kept = np.unique(used)
    renumbered = np.full(count, -1, np.int32)
    renumbered[kept] = np.arange(len(kept))
    return _Numbering(kept, renumbered)


def _reduced(source: SourceMesh, regressor: Floats, weights: Floats, corrective: Floats, origin: str) -> HeadModel:
    """The head model of the parts that are kept, in metres."""
    part_of_polygon = np.full(len(source.polygons), -1)
    for index, name in enumerate(KEPT_PARTS):
        part_of_polygon[PARTS[name].polygons] = index
    part = part_of_polygon[source.triangle_polygon]
    for index, name in enumerate(KEPT_PARTS):
        if not (part == index).any():
            raise LikenessError(
                f"{origin}: tri_src of ICT-FaceKit gives no triangle to {name}; take the original file."
            )
    triangles, triangles_uv, part = (a[part >= 0] for a in (source.triangles, source.triangles_uv, part))
    vertices = _numbering(triangles, len(source.template))
    uv, faces_uv = _one_layout(source.uv, triangles_uv, part)

    # The entries of R - I that are +sin and -sin of a turn about X; half of the corrective goes to each.
    correctives = np.zeros((CORRECTIVE_COUNT, len(vertices.kept), 3), np.float32)
    scaled = UNIT * 0.5 * corrective[vertices.kept] / np.sin(JAW_OPEN_ANGLE)
    correctives[9 + 7] = scaled
    correctives[9 + 5] = -scaled

    table = load_file(_LANDMARKS)
    regions = _regions(source, triangles, part)
    head = HeadModel(
        name="ict",
        template=(UNIT * source.template[vertices.kept]).astype(np.float32),
        identity_basis=_metres(source.identity_basis[:, vertices.kept]),
        expression_names=source.expression_names,
        expression_basis=_metres(source.expression_basis[:, vertices.kept]),
        expression_range=np.tile(np.array([0, 1], np.float32), (len(source.expression_names), 1)),
        pose_correctives=correctives,
        joint_regressor=regressor[:, vertices.kept].astype(np.float32),
        skin_weights=weights[vertices.kept].astype(np.float32),
        faces=vertices.renumbered[triangles],
        uv=uv,
        faces_uv=faces_uv,
        regions=regions,
        landmark_triangles=vertices.renumbered[table["triangles"]],
        landmark_barycentrics=table["barycentrics"],
        iris_distance=UNIT * IRIS_DISTANCE,
        licence="MIT",
    )
    check_head(head, origin)
    return head


def _regions(source: SourceMesh, triangles: Whole, part: Whole) -> dict[str, npt.NDArray[np.bool_]]:
    """Named sets of the triangles that are kept."""

    def of(*names: str) -> npt.NDArray[np.bool_]:
        return np.isin(part, [KEPT_PARTS.index(name) for name in names])

    skin = of("face", "head_neck")
    mask = np.zeros(len(source.template), bool)
    mask[PARTS["narrow_face"].vertices] = True
    face = skin & mask[triangles].all(1)
    # Below the throat, measured along the axis of the neck.
    along_neck = (source.template @ _NECK_DIRECTION)[triangles].mean(1)
    return {
        "skin": skin,
        "face": face,
        "mouth": of("mouth_socket", "gums_tongue"),
        "teeth": of("teeth"),
        "eyes": of("sclera_L", "sclera_R"),
        "neck": skin & ~face & (along_neck < -4.5),
    }


def _one_layout(uv: Floats, triangles_uv: Whole, part: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    """Texture coordinates of all parts in one unit square: each of the files' tiles is scaled into its own cell.

    The files use several unit squares side by side, and both eyes the same one, so corners are renumbered by cell.
    """
    coordinates, corners, start = [], np.zeros(triangles_uv.shape, np.int32), 0
    for cell, (x, y, size) in _UV_CELLS.items():
        members = [i for i, name in enumerate(KEPT_PARTS) if _UV_CELL_OF_PART.get(name, name) == cell]
        chosen = np.isin(part, members)
        numbering = _numbering(triangles_uv[chosen], len(uv))
        tile = uv[numbering.kept]
        tile = tile - np.floor(tile.min(0))
        coordinates.append(np.array([x, y]) + size * tile)
        corners[chosen] = numbering.renumbered[triangles_uv[chosen]] + start
        start += len(tile)
    return np.concatenate(coordinates).astype(np.float32), corners


def _metres(displacements: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    # Chosen columns come in an order of memory that makes every later sum over the basis ten times slower.
    return np.float32(UNIT) * np.ascontiguousarray(displacements, np.float32)


def _sclera_back(template: Floats, name: str) -> Whole:
    part = PARTS[name].vertices
    return part.start + np.flatnonzero(template[part, 2] < SCLERA_BACK)


def _adjacency(polygons: Whole, vertices: int) -> sparse.csr_matrix:
    """Symmetric matrix (V, V) of ones where an edge joins two vertices; polygons (P, 4), -1 where a triangle ends."""
    edges = np.concatenate([polygons[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    edges = edges[(edges >= 0).all(1)]
    one_way = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (vertices, vertices))
    return ((one_way + one_way.T) > 0).astype(np.float64).tocsr()


def _jaw_turn() -> Floats:
    return rotation_matrices([JAW_OPEN_ANGLE, 0, 0]).astype(np.float64)


def _smoothstep(value: Floats) -> Floats:
    clipped = value.clip(0, 1)
    return clipped**2 * (3 - 2 * clipped)
