"""Strands: short parted hair that lies over the scalp, brows and lashes. Points are world metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from anatomy import (
    BROWS,
    CENTIMETRES,
    LOWER_LIDS,
    UPPER_LIDS,
    above_hairline,
    ears,
    resample,
    smoothstep,
    vertex_mask,
    vertex_normals,
)
from likeness.head.model import HeadModel
from scipy.spatial import KDTree

Array = npt.NDArray[np.floating]

SCALP_STRANDS = 9000
SCALP_POINTS = 10
BROW_STRANDS = 320
UPPER_LASHES = 46
LOWER_LASHES = 26
FACE_POINTS = 4

_PARTING = 2.6
"""Centimetres to the subject's left of the midline."""
_PARTING_WAVER = 0.35
"""Standard deviation, in centimetres, of where single hairs part: a straight line would bare the skin."""
_BROW_PROFILE = ((0.0, 0.28), (0.12, 0.38), (0.4, 0.37), (0.7, 0.3), (1.0, 0.12))
"""Half the brow's thickness in centimetres along it, from the nose to the temple."""
_NECK_JOINT = 1


@dataclass(frozen=True)
class Attachment:
    """Points that hang on triangles: barycentric foot, and an offset in the triangle's own axes.

    Attributes
    ----------
    triangles : (N, 3) int
        Vertices of each point's triangle.
    barycentrics : (N, 3) float
    offsets : (N, 3) float
        Metres along the triangle's first edge, across it, and along its normal.
    """

    triangles: npt.NDArray[np.int32]
    barycentrics: Array
    offsets: Array

    def follow(self, vertices: Array) -> Array:
        """Points (N, 3) on a head whose vertices (V, 3) are given."""
        corners = vertices[self.triangles].astype(np.float64)
        foot = (self.barycentrics[:, :, None] * corners).sum(1)
        return foot + np.einsum("na,nab->nb", self.offsets, _axes(corners))


def scalp_strands(head: HeadModel, random: np.random.Generator) -> Array:
    """Strands (S, P, 3) at the rest pose, to be moved with the neck joint as one."""
    points = CENTIMETRES * head.template.astype(np.float64)
    skin = vertex_mask(head, "skin")
    proxy = _Proxy(points, head.faces, skin & ~ears(head) & (points[:, 1] > -9))
    roots = _scalp_roots(head, points, random)
    normals = proxy.normals_at(roots)
    # Down on the hairline hairs stay short, or single ones would fall over the forehead.
    length = _length(roots) * random.uniform(0.75, 1.1, len(roots)) * (0.3 + 0.7 * above_hairline(roots, 9.0))
    lift = _lift(roots) * (0.25 + 0.75 * np.sqrt(random.uniform(0, 1, len(roots))))
    side_noise = random.normal(0, 0.16, (len(roots), 3))
    # Over the forehead a hair that crosses the others would stand out.
    waver = _PARTING_WAVER * (1 - 0.7 * smoothstep((roots[:, 2] - 3) / 4))
    side = np.where(roots[:, 0] + waver * random.normal(0, 1, len(roots)) > _PARTING, 1.0, -1.0)
    path = [roots - 0.1 * normals]
    foot = roots.copy()
    travelled = np.zeros(len(roots))
    for _ in range(SCALP_POINTS - 1):
        step = length / (SCALP_POINTS - 1)
        direction = _combed(foot, roots, side) + side_noise
        normal = proxy.normals_at(foot)
        direction -= (direction * normal).sum(1, keepdims=True) * normal
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        # While a hair rises it gets less far along the scalp.
        foot = proxy.project(foot + direction * (step * (0.45 + 0.55 * smoothstep(travelled / 2.0)))[:, None])
        travelled += step
        height = 0.12 + lift * (1 - np.exp(-travelled / 0.9)) * (1 - 0.35 * smoothstep(travelled / 8.0))
        path.append(foot + height[:, None] * proxy.normals_at(foot))
    strands = _clumped(np.stack(path, 1), random)
    return strands / CENTIMETRES


def neck_transforms(head: HeadModel, vertices: Array) -> Array:
    """Rigid motion (N, 3, 4) of the cranium in N frames, from the vertices (N, V, 3) that only the neck moves."""
    rigid = (head.skin_weights[:, _NECK_JOINT] > 0.999) & (head.template[:, 1] > 0.08)
    still = np.abs(head.expression_basis).max((0, 2)) < 1e-5
    chosen = rigid & still
    rest = head.template[chosen].astype(np.float64)
    transforms = []
    for frame in vertices:
        moved = frame[chosen].astype(np.float64)
        u, _, vt = np.linalg.svd((moved - moved.mean(0)).T @ (rest - rest.mean(0)))
        rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        transforms.append(np.column_stack([rotation, moved.mean(0) - rotation @ rest.mean(0)]))
    return np.array(transforms)


def brow_strands(head: HeadModel, random: np.random.Generator) -> Attachment:
    """Brows, two times BROW_STRANDS strands of FACE_POINTS points, hung on the skin."""
    landmarks = head.landmarks(head.template).astype(np.float64)
    strands = []
    for side, (upper, lower) in zip((1.0, -1.0), BROWS, strict=True):
        along = random.beta(1.2, 1.7, BROW_STRANDS)
        # A soft field: fewer hairs towards its edges.
        across = np.clip(random.normal(0, 0.45, BROW_STRANDS), -1, 1)
        top, bottom = (resample(landmarks[list(edge)], 101)[(100 * along).astype(int)] for edge in (upper, lower))
        half = np.interp(along, *np.array(_BROW_PROFILE).T) / CENTIMETRES
        root = (top + bottom) / 2
        root[:, 1] += half * across
        # Upright at the nose; further out the lower hairs rise and the upper ones fall, and they meet in the arch.
        rise = np.interp(along, (0.0, 0.12, 0.35, 0.7, 1.0), (1.5, 0.75, 0.3, -0.15, -0.5)) - 0.3 * across
        direction = np.stack([side * np.interp(along, (0.0, 0.2, 1.0), (0.2, 0.85, 1.0)), rise, -0.3 * along], -1)
        direction += random.normal(0, 0.16, direction.shape)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = random.uniform(0.0035, 0.0065, BROW_STRANDS) * (1 - 0.35 * along)
        times = np.linspace(0, 1, FACE_POINTS)
        strands.append(root[:, None] + (length[:, None] * times)[..., None] * direction[:, None])
    points = np.concatenate(strands)
    attachment = _hang(head, points.reshape(-1, 3))
    # Hairs lie just above the skin whatever the landmarks' depth was.
    height = np.tile(0.0004 + 0.0012 * np.sin(np.pi * np.linspace(0, 0.8, FACE_POINTS)), len(points))
    offsets = np.zeros((len(height), 3))
    offsets[:, 2] = height
    return Attachment(attachment.triangles, attachment.barycentrics, offsets)


def lash_strands(head: HeadModel, vertices: Array, eyes: Array, up: Array, seed: int) -> Array:
    """Lashes (L, FACE_POINTS, 3) of one frame.

    Parameters
    ----------
    head : HeadModel
    vertices : (V, 3)
        The posed head.
    eyes : (2, 3)
        Centres of the left and the right eye in that pose.
    up : (3,)
        The head's upward axis in that pose.
    seed : int
        The same for all frames, so that every lash keeps its length.
    """
    random = np.random.default_rng(seed)
    landmarks = head.landmarks(vertices.astype(np.float32)).astype(np.float64)
    strands = []
    for lids, count, length, curl in (
        (UPPER_LIDS, UPPER_LASHES, 0.0082, 0.75),
        (LOWER_LIDS, LOWER_LASHES, 0.0045, -0.45),
    ):
        for eye, lid in zip(eyes, lids, strict=True):
            edge = resample(landmarks[list(lid)], count + 4)[2:-2]
            outwards = edge - eye
            outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
            tangent = edge[0] - edge[-1]
            tangent /= np.linalg.norm(tangent)
            # Lashes fan out: those at the outer corner point outwards.
            fan = np.linspace(0.35, -0.1, count)[:, None] * tangent + random.normal(0, 0.07, (count, 3))
            size = (length * random.uniform(0.7, 1.05, count) * np.linspace(1.1, 0.7, count))[:, None]
            times = np.linspace(0, 1, FACE_POINTS)[:, None, None]
            bent = outwards * times + fan * times + curl * up * times**1.6
            bent /= np.linalg.norm(outwards + fan + curl * up, axis=1, keepdims=True)
            strands.append((edge + outwards * 0.0002 + size * bent).transpose(1, 0, 2))
    return np.concatenate(strands)


class _Proxy:
    """A smooth stand-in for a surface: the plane through the nearest few vertices."""

    def __init__(self, points: Array, faces: npt.NDArray[np.int32], used: npt.NDArray[np.bool_]) -> None:
        self._points = points[used]
        self._normals = vertex_normals(points, faces)[used]
        self._tree = KDTree(self._points)

    def normals_at(self, places: Array) -> Array:
        return self._nearest(places)[1]

    def project(self, places: Array) -> Array:
        centre, normal = self._nearest(places)
        return places - ((places - centre) * normal).sum(1, keepdims=True) * normal

    def _nearest(self, places: Array) -> tuple[Array, Array]:
        distance, index = self._tree.query(places, k=8)
        weight = 1 / (distance**2 + 0.05)
        weight /= weight.sum(1, keepdims=True)
        centre = (weight[..., None] * self._points[index]).sum(1)
        normal = (weight[..., None] * self._normals[index]).sum(1)
        return centre, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _scalp_roots(head: HeadModel, points: Array, random: np.random.Generator) -> Array:
    ear = ears(head)
    faces = head.faces[head.regions["skin"]]
    faces = faces[~ear[faces].all(1)]
    corners = points[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    middle = corners.mean(1)
    # Denser where it is parted, and nothing lies over the scalp.
    parted = _topness(middle) * np.exp(-(((middle[:, 0] - _PARTING) / 0.9) ** 2))
    density = area * (above_hairline(middle) > 0) * (1 + 2.5 * parted)
    roots = np.zeros((0, 3))
    while len(roots) < SCALP_STRANDS:
        chosen = random.choice(len(faces), SCALP_STRANDS, p=density / density.sum())
        weights = random.dirichlet([1, 1, 1], SCALP_STRANDS)
        found = np.einsum("nk,nkc->nc", weights, corners[chosen])
        roots = np.concatenate([roots, found[random.uniform(0.2, 1, len(found)) < above_hairline(found)]])
    return roots[:SCALP_STRANDS]


def _topness(points: Array) -> Array:
    """1 on the top of the head, 0 on its sides and back."""
    return smoothstep((points[:, 1] - 8.0 + 0.12 * points[:, 2]) / 3.5)


def _length(roots: Array) -> Array:
    top = _topness(roots)
    sides = 1.2 + 2.4 * smoothstep((roots[:, 1] + 5) / 11)
    return sides + top * (6.6 - sides)


def _lift(roots: Array) -> Array:
    top = _topness(roots)
    front = smoothstep((roots[:, 2] - 2) / 6)
    # Hair lies flat along the parting, or the silhouette would have a notch.
    beside = 0.18 + 0.82 * smoothstep(np.abs(roots[:, 0] - _PARTING) / 3.0)
    return 0.35 + top * beside * (0.85 + 0.75 * front) + 0.3 * smoothstep((roots[:, 1] - 3) / 5) * (1 - top)


def _combed(places: Array, roots: Array, side: Array) -> Array:
    """Direction (N, 3) in which hair with these roots, on this side (1 or -1) of the parting, lies at these places."""
    x = places[:, :1]
    top = _topness(places)[:, None]
    away = side[:, None]
    front = smoothstep((roots[:, 2:] - 1) / 5)
    over = np.concatenate([away, np.full_like(x, -0.1), 0.75 * front - 0.55 * (1 - front)], 1)
    down = np.concatenate([0.15 * np.sign(x), np.full_like(x, -1.0), np.full_like(x, -0.35)], 1)
    return top * over + (1 - top) * down


def _clumped(strands: Array, random: np.random.Generator) -> Array:
    """Hair gathered into locks towards its tips, and frizzed a little."""
    guides = random.choice(len(strands), len(strands) // 22, replace=False)
    _, nearest = KDTree(strands[guides, 0]).query(strands[:, 0])
    guide = strands[guides[nearest]]
    pull = (0.62 * np.linspace(0, 1, strands.shape[1]) ** 1.3)[None, :, None]
    gathered = strands + pull * (guide - strands)
    frizz = random.normal(0, 0.05, strands.shape) * np.linspace(0, 1, strands.shape[1])[None, :, None]
    return gathered + frizz


def _hang(head: HeadModel, places: Array) -> Attachment:
    """Feet of places (N, 3) on the face, seen from the front."""
    faces = head.faces[head.regions["skin"]]
    corners = head.template[faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    near = (corners[:, :, 1].max(1) > places[:, 1].min() - 0.01) & (normal[:, 2] > 0) & (corners[:, :, 2].min(1) > 0.03)
    faces, corners = faces[near], corners[near]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _cross(b - a, c - a)
    place = places[:, None]
    weights = (
        np.stack([_cross(c - b, place - b), _cross(a - c, place - c), _cross(b - a, place - a)], -1) / area[:, None]
    )
    # The triangle that holds the place, or the one that it misses by least.
    best = weights.min(-1).argmax(1)
    chosen = np.clip(weights[np.arange(len(places)), best], 0, 1)
    chosen /= chosen.sum(1, keepdims=True)
    return Attachment(faces[best], chosen, np.zeros((len(places), 3)))


def _cross(first: Array, second: Array) -> Array:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _axes(corners: Array) -> Array:
    """Orthonormal axes (N, 3, 3), as rows, of triangles (N, 3, 3)."""
    along = corners[:, 1] - corners[:, 0]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.cross(along, corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.stack([along, np.cross(normal, along), normal], 1)
