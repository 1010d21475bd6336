"""A small layered avatar made from formulas: the fixture of every test that needs an avatar.

NumPy and the standard library only, so that pytest in the backend's environment and plain scripts inside Blender
import the same module. Everything is seeded; the same arguments give the same bytes.

Nothing about it is symmetric: a nose marks the front, one ear the subject's left, and every texture differs from its
mirror image, so that a flipped axis, a swapped channel or a transposed tile shows in a picture.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt
from likeness.asset.layered import Decoder, Layer, LayeredAvatar
from likeness.asset.png import png_of_rows
from likeness.camera import Camera
from likeness.rig import AVATAR_JOINTS, Pose, rotation_matrices

Array = npt.NDArray[np.float32]

JOINTS = np.array(
    [[0.0, -0.16, -0.03], [0.0, -0.10, -0.025], [0.0, -0.015, 0.01], [0.032, 0.035, 0.065], [-0.032, 0.035, 0.065]],
    np.float32,
)
"""Rest joints of the tiny head, in the order of :data:`likeness.rig.JOINTS`."""

EXPRESSIONS = ("smile", "cheekPuff_L", "stretch")
"""A gentle expression, one of the left side alone, and one that moves the whole head by centimetres."""

CORRECTIVES = (2, 14, 16)
"""Neck R[0, 2], jaw R[1, 2] and jaw R[2, 1]."""


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """PNG file of an 8-bit RGBA picture (H, W, 4), first row on top."""
    height, width, channels = pixels.shape
    if channels != 4 or pixels.dtype != np.uint8:
        raise ValueError("encode_png takes 8-bit RGBA")
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 4)], 1)

    return png_of_rows(zlib.compress(rows.tobytes(), 6), width, height)


def png_rows(content: bytes) -> npt.NDArray[np.uint8]:
    """Rows (H, 1 + 4 W) of an 8-bit RGBA PNG file of one data chunk, as stored: a filter's number, then bytes."""
    width, height = struct.unpack_from(">II", content, 16)
    start = content.index(b"IDAT")
    (length,) = struct.unpack_from(">I", content, start - 4)
    rows = np.frombuffer(zlib.decompress(content[start + 4 : start + 4 + length]), np.uint8)
    return rows.reshape(height, 1 + 4 * width)


def _bump(points: Array, centre: tuple[float, float, float], radius: float) -> Array:
    """A smooth hill (N, 1) of height one around a point."""
    squared = ((points - np.array(centre, np.float32)) ** 2).sum(-1, keepdims=True)
    return np.exp(-squared / (2 * radius**2)).astype(np.float32)


def _directions(uv: Array) -> Array:
    """Unit vectors (..., 3) for texture coordinates (..., 2): u runs once around from the back, v from the top."""
    longitude, latitude = uv[..., 0] * 2 * np.pi, uv[..., 1] * np.pi
    return np.stack(
        [-np.sin(longitude) * np.sin(latitude), np.cos(latitude), -np.cos(longitude) * np.sin(latitude)], -1
    ).astype(np.float32)


def _surface(directions: Array, level: float) -> Array:
    """Points (N, 3) of the head's surface at a level, metres."""
    points = directions * (np.array([0.075, 0.105, 0.09], np.float32) + level)
    points = points + np.array([0, 0, 0.02], np.float32) * _bump(points, (0, 0, 0.09), 0.018)
    return points + np.array([0.015, 0, 0], np.float32) * _bump(points, (0.075, 0.01, 0), 0.02)


def _grid(rows: int, columns: int) -> tuple[Array, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Texture coordinates, triangles and weld of a sphere that is cut open at the back and at both poles."""
    v, u = np.meshgrid(np.arange(rows + 1) / rows, np.arange(columns + 1) / columns, indexing="ij")
    index = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    # The poles' quads are triangles: the other half would have no area.
    lower, upper = np.stack([a, b, c], -1)[:-1], np.stack([a, c, d], -1)[1:]
    faces = np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)]).astype(np.int32)
    joined = index.copy()
    joined[:, -1] = joined[:, 0]
    joined[0], joined[-1] = joined[0, 0], joined[-1, 0]
    used = np.unique(faces)
    renumbered = np.zeros(index.size, np.int32)
    renumbered[used] = np.arange(len(used))
    weld = np.unique(joined.ravel()[used], return_inverse=True)[1].astype(np.int32)
    return np.stack([u, v], -1).reshape(-1, 2)[used].astype(np.float32), renumbered[faces], weld


def _skin_weights(points: Array) -> Array:
    """Smooth weights (V, 6) over the avatar's joints, four at most per vertex."""
    jaw = 3 * _bump(points, (0.0, -0.07, 0.07), 0.03)
    eyes = [1.5 * _bump(points, (side * 0.032, 0.035, 0.08), 0.012) for side in (1, -1)]
    body = 4 * _bump(points, (0.0, -0.11, 0.0), 0.03)
    root = 0.3 * _bump(points, (0.0, -0.1, -0.05), 0.04)
    weights = np.concatenate([root, np.full_like(root, 0.6), jaw, *eyes, body], 1)
    smallest = np.argsort(weights, axis=1)[:, : len(AVATAR_JOINTS) - 4]
    np.put_along_axis(weights, smallest, 0, axis=1)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _expression_targets(points: Array) -> Array:
    """Displacements (3, V, 3) of :data:`EXPRESSIONS`."""
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    smile = 0.008 * sum(
        np.array([side * 1.0, 0.8, 0.0], np.float32) * _bump(points, (side * 0.025, -0.045, 0.08), 0.015)
        for side in (1, -1)
    )
    puff = 0.02 * outward * _bump(points, (0.06, -0.02, 0.05), 0.02)
    stretch = points * np.array([-0.25, 0.35, 0.1], np.float32)
    # A real expression leaves most of a head alone, to the bit; that is what sparse storage lives on.
    local = [np.where(np.abs(target) > 1e-5, target, 0) for target in (smile, puff)]
    return np.stack([*local, stretch]).astype(np.float32)


def _corrective_targets(points: Array) -> Array:
    """Displacements (3, V, 3) of :data:`CORRECTIVES`."""
    neck = np.array([0.004, 0.0, 0.0], np.float32) * _bump(points, (0.0, -0.09, -0.03), 0.03)
    chin = np.array([0.0, 0.01, -0.006], np.float32) * _bump(points, (0.0, -0.08, 0.06), 0.025)
    cheek = np.array([0.0, -0.005, 0.01], np.float32) * _bump(points, (-0.05, -0.03, 0.05), 0.02)
    return np.stack([neck, chin, cheek]).astype(np.float32)


def _tile(tile_size: int, gutter: int) -> Array:
    """Unit vectors (T, T, 3) at the texel centres of a tile with its gutter."""
    centres = (np.arange(-gutter, tile_size + gutter) + 0.5) / tile_size
    u, v = np.meshgrid(centres, centres)
    # Longitude runs on past the seam; latitude stops at the poles.
    return _directions(np.stack([u, np.clip(v, 0, 1)], -1))


def _quantised(values: Array) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)


def _feature_image(random: np.random.Generator, tile_size: int, gutter: int, feature_size: int) -> bytes:
    directions = _tile(tile_size, gutter)
    waves = random.normal(0, 1.6, (feature_size, 3)).astype(np.float32)
    shifts = random.uniform(0, 2 * np.pi, feature_size).astype(np.float32)
    values = 0.5 + 0.45 * np.sin(directions @ waves.T + shifts)
    return encode_png(_quantised(np.concatenate(np.split(values, feature_size // 4, axis=2), axis=1)))


def _basis_tiles(
    random: np.random.Generator, tile_size: int, gutter: int, *, count: int, opacity: float, hard_edges: bool
) -> list[Array]:
    directions = _tile(tile_size, gutter)
    tiles = []
    for _ in range(count):
        waves = random.normal(0, 2.0, (4, 3)).astype(np.float32)
        shifts = random.uniform(0, 2 * np.pi, 4).astype(np.float32)
        values = 0.5 + 0.5 * np.sin(directions @ waves.T + shifts)
        if hard_edges:
            values[..., :3] = np.rint(values[..., :3])
            values[..., 3] = np.rint(values[..., 3] + 0.2)
        values[..., 3] = opacity * (0.35 + 0.65 * values[..., 3])
        if hard_edges:
            # A hole that is wholly transparent, with loud colour under it: straight alpha must not bleed.
            hole = directions @ random.normal(0, 1, 3).astype(np.float32) > 1.1
            values[hole] = [1.0, 0.0, 1.0, 0.0]
        tiles.append(values.astype(np.float32))
    return tiles


def _atlas(tiles: list[Array], columns: int) -> bytes:
    size = tiles[0].shape[0]
    rows = -(-len(tiles) // columns)
    picture = np.zeros((rows * size, columns * size, 4), np.float32)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        picture[row * size : (row + 1) * size, column * size : (column + 1) * size] = tile
    return encode_png(_quantised(picture))


def _decoder(random: np.random.Generator, basis_count: int, feature_size: int) -> Decoder:
    """A random decoder whose blend changes strongly with position, view, normal, pose and expression."""
    hidden, width, conditions = 16, 64, 9 + len(EXPRESSIONS)
    outputs = hidden * (feature_size + 6) + hidden + basis_count * hidden + basis_count
    sizes = [(width, conditions), (width, width), (outputs, width)]
    weights = [random.normal(0, (2 / inputs) ** 0.5, (out, inputs)).astype(np.float32) for out, inputs in sizes]
    biases = [random.normal(0, 0.3, out).astype(np.float32) for out, _ in sizes]
    weights[2] *= 0.35
    # The neutral face needs a spatial network too, hence biases that do not lean on the conditions.
    biases[2] = np.concatenate(
        [
            random.normal(0, 0.5, hidden * (feature_size + 6)),
            random.normal(0, 0.2, hidden),
            random.normal(0, 0.7, basis_count * hidden),
            random.normal(0, 0.2, basis_count),
        ]
    ).astype(np.float32)
    slopes = [random.uniform(0.0, 0.25, width).astype(np.float32) for _ in range(2)]
    return Decoder(tuple(weights), tuple(biases), tuple(slopes), hidden)  # type: ignore[arg-type]


def tiny_avatar(
    *,
    layer_count: int = 3,
    basis_count: int = 4,
    feature_size: int = 8,
    tile_size: int = 48,
    gutter: int = 4,
    rows: int = 18,
    columns: int = 24,
    hard_edges: bool = False,
    seed: int = 11,
) -> LayeredAvatar:
    """A small head of nested ellipsoids.

    Parameters
    ----------
    layer_count, basis_count, feature_size : int
    tile_size, gutter : int
        Texels of a tile's inside, and of the border around it.
    rows, columns : int
        Rings and sectors of the outermost layer; inner layers have fewer.
    hard_edges : bool
        Textures of flat patches with sharp edges and transparent holes, instead of smooth ones.
    seed : int
    """
    random = np.random.default_rng(seed)
    atlas_columns = max(1, int(basis_count**0.5))
    layers = []
    for index in range(layer_count):
        depth = layer_count - 1 - index
        level = 0.006 * (index + 1 - layer_count)
        uv, faces, weld = _grid(max(6, rows - 2 * depth), max(8, columns - 2 * depth))
        points = _surface(_directions(uv), level)
        # Vertices on a seam must agree to the bit, or they would tear.
        points = points[np.unique(weld, return_index=True)[1]][weld]
        opacity = 1.0 if index == 0 else 0.55
        tiles = _basis_tiles(random, tile_size, gutter, count=basis_count, opacity=opacity, hard_edges=hard_edges)
        inside = slice(gutter, gutter + tile_size)
        layers.append(
            Layer(
                level=level,
                positions=points,
                faces=faces,
                uv=uv,
                weld=weld,
                expression_targets=_expression_targets(points),
                corrective_targets=_corrective_targets(points),
                skin_weights=_skin_weights(points),
                features=_feature_image(random, tile_size, gutter, feature_size),
                bases=_atlas(tiles, atlas_columns),
                preview=encode_png(_quantised(np.mean(tiles, axis=0)[inside, inside])),
            )
        )
    return LayeredAvatar(
        layers=tuple(layers),
        joints=JOINTS,
        expression_names=EXPRESSIONS,
        expression_range=np.array([[0, 1], [0, 1], [-1, 1]], np.float32),
        corrective_entries=np.array(CORRECTIVES, np.int32),
        decoder=_decoder(random, basis_count, feature_size),
        basis_count=basis_count,
        feature_size=feature_size,
        tile_size=tile_size,
        gutter=gutter,
        atlas_columns=atlas_columns,
        head_name="standin",
        report={
            "metrics": {"psnr": 30.25},
            "provenance": {"capture": "formula", "seed": seed},
            "consent": "A made-up head: nobody to ask.",
        },
    )


def tiny_camera(size: int = 128, *, azimuth: float = 0.0, elevation: float = 0.0, distance: float = 0.5) -> Camera:
    """A square camera that looks at the tiny head; angles in radians, azimuth towards the subject's left."""
    turn = (rotation_matrices([0.0, azimuth, 0.0]) @ rotation_matrices([-elevation, 0.0, 0.0])).astype(np.float32)
    camera_to_world = np.eye(4, dtype=np.float32)
    camera_to_world[:3, :3] = turn
    camera_to_world[:3, 3] = turn @ np.array([0, 0, distance], np.float32)
    return Camera(size, size, 1.6 * size, 1.6 * size, size / 2, size / 2, camera_to_world)


def tiny_poses() -> dict[str, Pose]:
    """Named poses of the tiny head, from rest to one that moves everything at once."""
    rest = np.zeros(len(EXPRESSIONS), np.float32)

    def joints(neck=(0, 0, 0), jaw=(0, 0, 0), eye_l=(0, 0, 0), eye_r=(0, 0, 0)) -> Array:
        return np.array([neck, jaw, eye_l, eye_r], np.float32)

    return {
        "rest": Pose(rest),
        "smile": Pose(np.array([1.0, 0.3, 0.0], np.float32)),
        "jaw": Pose(rest, joint_rotations=joints(jaw=(0.4, 0.0, 0.05))),
        "stretch": Pose(np.array([0.2, 1.0, -0.8], np.float32), joint_rotations=joints(eye_l=(0.1, 0.3, 0.0))),
        "all": Pose(
            np.array([0.7, 0.5, 0.3], np.float32),
            np.array([0.1, -0.35, 0.08], np.float32),
            np.array([0.01, -0.015, 0.02], np.float32),
            joints(neck=(0.15, 0.3, -0.1), jaw=(0.3, -0.05, 0.02), eye_l=(0.0, 0.2, 0.0), eye_r=(0.1, -0.2, 0.0)),
        ),
    }
