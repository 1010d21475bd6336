"""What must hold for every layered avatar: one list of rules for the writer, the reader and the validator.

Each rule raises a :class:`likeness.errors.LikenessError` that names the field. Sizes are bounded here as well, so that
no file makes Blender build something absurd.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..rig import AVATAR_JOINTS, CORRECTIVE_COUNT, JOINTS, POSED_JOINTS
from .layered import Decoder, Layer, LayeredAvatar
from .png import check_png

MOST_LAYERS = 64
MOST_VERTICES = 1 << 20
"""Per layer; below 2^24, up to which a float holds every whole number."""
MOST_TRIANGLES = 1 << 21
MOST_EXPRESSIONS = 1024
MOST_BASES = 64
LARGEST_FEATURE = 64
LARGEST_HIDDEN = 256
LARGEST_WIDTH = 4096
LARGEST_TILE = 8192
LARGEST_GUTTER = 256
LARGEST_TEXTURE = 8192
"""Texels of a side: what any graphics driver takes."""
MOST_TEXELS = 1 << 30
"""In all textures together (4 GiB when unpacked)."""
MOST_DISPLACEMENTS = 1 << 29
"""Numbers in all morph targets together (2 GiB of floats)."""
LONGEST_NAME = 63
"""Bytes of UTF-8: Blender cuts longer names of shape keys."""
MOST_OUTPUTS = 1 << 13
"""Of the decoder's global network: each takes Blender a millisecond when it builds the material."""
MOST_BASIS_TEXTURES = 1 << 10
"""Bases of all layers together."""
FARTHEST = 100.0
"""Metres from the origin."""
MOST_INFLUENCES = 4
WEIGHT_TOLERANCE = 1e-4
WELD_TOLERANCE = 1e-6
"""Metres: what float32 keeps of coordinates of up to 8 m."""
CORRECTIVE_PREFIX = "corrective_"


def corrective_name(entry: int) -> str:
    """Name of the morph target that an entry of R - I drives.

    Parameters
    ----------
    entry : int
        0..35, see :func:`likeness.rig.corrective_features`.

    Returns
    -------
    str
        ``corrective_<joint>_<row><column>``; rows and columns count from 0.
    """
    joint, position = divmod(entry, 9)
    return f"{CORRECTIVE_PREFIX}{POSED_JOINTS[joint]}_{position // 3}{position % 3}"


def target_names(avatar: LayeredAvatar) -> tuple[str, ...]:
    """Names of all morph targets: the expressions', then the correctives'."""
    return (*avatar.expression_names, *(corrective_name(int(entry)) for entry in avatar.corrective_entries))


def atlas_size(avatar: LayeredAvatar) -> tuple[int, int]:
    """Width and height of a basis atlas, texels."""
    return atlas_shape(avatar.basis_count, avatar.atlas_columns, avatar.tile_size, avatar.gutter)


def atlas_shape(tiles: int, columns: int, tile_size: int, gutter: int) -> tuple[int, int]:
    """Width and height, texels, of a picture that holds ``tiles`` tiles in rows of ``columns``."""
    side = tile_size + 2 * gutter
    return columns * side, -(-tiles // columns) * side


def decoder_sizes(
    expressions: int, basis_count: int, feature_size: int, hidden_size: int, widths: tuple[int, int]
) -> list[tuple[int, int]]:
    """Shapes (out, in) of the global network's three linear layers.

    Parameters
    ----------
    expressions, basis_count, feature_size, hidden_size : int
        E, B, D and H of :class:`likeness.asset.layered.Decoder`.
    widths : two int
        Outputs of the first two linear layers.
    """
    outputs = spatial_numbers(basis_count, feature_size, hidden_size)
    return [(widths[0], 9 + expressions), (widths[1], widths[0]), (outputs, widths[1])]


def spatial_numbers(basis_count: int, feature_size: int, hidden_size: int) -> int:
    """How many weights and biases the spatial network has, which the global network gives."""
    return hidden_size * (feature_size + 6) + hidden_size + basis_count * hidden_size + basis_count


def check_spatial_network(*, basis_count: int, feature_size: int, hidden_size: int) -> None:
    """Check that Blender can draw a decoder of such a size.

    Raises
    ------
    LikenessError
        That names the first number that is out of range.
    """
    _check_count("decoder.hidden_size", hidden_size, 1, LARGEST_HIDDEN)
    outputs = spatial_numbers(basis_count, feature_size, hidden_size)
    if outputs > MOST_OUTPUTS:
        raise LikenessError(
            f"the decoder's spatial network has {outputs} numbers, more than {MOST_OUTPUTS}; use fewer bases, features "
            "or hidden units"
        )


def check_avatar(avatar: LayeredAvatar) -> None:
    """Check everything.

    Raises
    ------
    LikenessError
        That names the first field that breaks a rule.
    """
    check_sizes(avatar)
    check_names(avatar.expression_names)
    if not avatar.head_name or not avatar.head_name.isprintable():
        raise LikenessError("head_name is not a printable name")
    _check_numbers("joints", avatar.joints, (len(JOINTS), 3), FARTHEST)
    _check_ranges(avatar)
    _check_entries(avatar.corrective_entries)
    _check_decoder(avatar)
    _check_count("layers", len(avatar.layers), 1, MOST_LAYERS)
    targets = len(avatar.expression_names) + len(avatar.corrective_entries)
    check_displacements(targets, [len(layer.positions) for layer in avatar.layers])
    for index, layer in enumerate(avatar.layers):
        _check_layer(avatar, layer, f"layers[{index}]")


def check_displacements(targets: int, vertices: list[int]) -> None:
    """Refuse more morph target data than :data:`MOST_DISPLACEMENTS`."""
    numbers = 3 * targets * sum(vertices)
    if numbers > MOST_DISPLACEMENTS:
        raise LikenessError(f"the morph targets hold {numbers} numbers, more than {MOST_DISPLACEMENTS}")


def check_sizes(avatar: LayeredAvatar) -> None:
    """Check the textures' layout."""
    check_layout(
        layers=len(avatar.layers),
        basis_count=avatar.basis_count,
        feature_size=avatar.feature_size,
        tile_size=avatar.tile_size,
        gutter=avatar.gutter,
        atlas_columns=avatar.atlas_columns,
    )


def check_layout(
    *, layers: int, basis_count: int, feature_size: int, tile_size: int, gutter: int, atlas_columns: int
) -> None:
    """Check that textures of a layout can be stored and drawn; names as in :class:`.layered.LayeredAvatar`.

    Raises
    ------
    LikenessError
        That names the first number that is out of range.
    """
    _check_count("basis_count", basis_count, 1, MOST_BASES)
    _check_count("feature_size", feature_size, 4, LARGEST_FEATURE)
    if feature_size % 4:
        raise LikenessError(f"feature_size is {feature_size}, expected a multiple of 4")
    _check_count("tile_size", tile_size, 1, LARGEST_TILE)
    _check_count("gutter", gutter, 0, LARGEST_GUTTER)
    _check_count("atlas_columns", atlas_columns, 1, basis_count)
    if layers * basis_count > MOST_BASIS_TEXTURES:
        raise LikenessError(f"{layers} layers of {basis_count} bases are more than {MOST_BASIS_TEXTURES} textures")
    side = tile_size + 2 * gutter
    features = feature_size // 4 * side
    width, height = atlas_shape(basis_count, atlas_columns, tile_size, gutter)
    if max(width, height, features) > LARGEST_TEXTURE:
        raise LikenessError(f"the textures are wider or higher than {LARGEST_TEXTURE} texels; use smaller tiles")
    texels = layers * (width * height + features * side + tile_size**2)
    if texels > MOST_TEXELS:
        raise LikenessError(f"the textures have {texels} texels, more than {MOST_TEXELS}; use smaller tiles")


def check_names(names: tuple[str, ...]) -> None:
    """Check expression names: unique, printable, short enough for Blender, not taken for correctives."""
    _check_count("expression_names", len(names), 0, MOST_EXPRESSIONS)
    seen = set()
    for index, name in enumerate(names):
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            length = 0
        if not 0 < length <= LONGEST_NAME or not name.isprintable():
            raise LikenessError(f"expression_names[{index}] is not a printable name of 1 to {LONGEST_NAME} bytes")
        if name in seen:
            raise LikenessError(f"expression_names has {name} twice")
        if name.startswith(CORRECTIVE_PREFIX) or name == "Basis":
            raise LikenessError(f"expression_names[{index}] is {name}, a name that Likeness keeps for itself")
        seen.add(name)


def _check_count(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
        raise LikenessError(f"{name} is {value}, expected {low} to {high}")


def _check_numbers(name: str, values: npt.NDArray[np.float32], shape: tuple[int, ...], limit: float) -> None:
    if np.shape(values) != shape:
        raise LikenessError(f"{name} has shape {np.shape(values)}, expected {shape}")
    if not np.isfinite(values).all():
        raise LikenessError(f"{name} holds a number that is not finite")
    if np.abs(values).max(initial=0) > limit:
        raise LikenessError(f"{name} holds {float(np.abs(values).max()):.4g}, farther from 0 than {limit:g}")


def _check_ranges(avatar: LayeredAvatar) -> None:
    expected = (len(avatar.expression_names), 2)
    if np.shape(avatar.expression_range) != expected:
        raise LikenessError(f"expression_range has shape {np.shape(avatar.expression_range)}, expected {expected}")
    low, high = np.asarray(avatar.expression_range, np.float64).T
    wrong = ~(low < high)
    if wrong.any():
        raise LikenessError(f"expression_range[{int(np.argmax(wrong))}] is not a lower and a higher number")


def _check_entries(entries: npt.NDArray[np.int32]) -> None:
    values = np.asarray(entries)
    if values.ndim != 1 or (len(values) and values.dtype.kind not in "iu"):
        raise LikenessError("corrective_entries is not a list of whole numbers")
    if len(values) and (values.min() < 0 or values.max() >= CORRECTIVE_COUNT or (np.diff(values) <= 0).any()):
        raise LikenessError(f"corrective_entries is not a rising list of numbers from 0 to {CORRECTIVE_COUNT - 1}")


def _check_decoder(avatar: LayeredAvatar) -> None:
    decoder: Decoder = avatar.decoder
    check_spatial_network(
        basis_count=avatar.basis_count, feature_size=avatar.feature_size, hidden_size=decoder.hidden_size
    )
    if (len(decoder.weights), len(decoder.biases), len(decoder.slopes)) != (3, 3, 2):
        raise LikenessError("decoder has not three weights, three biases and two slopes")
    widths = len(decoder.biases[0]), len(decoder.biases[1])
    for index, width in enumerate(widths):
        _check_count(f"decoder.biases[{index}] size", width, 1, LARGEST_WIDTH)
    shapes = decoder_sizes(
        len(avatar.expression_names), avatar.basis_count, avatar.feature_size, decoder.hidden_size, widths
    )
    limit = float(np.finfo(np.float32).max)
    for index, (rows, columns) in enumerate(shapes):
        _check_numbers(f"decoder.weights[{index}]", decoder.weights[index], (rows, columns), limit)
        _check_numbers(f"decoder.biases[{index}]", decoder.biases[index], (rows,), limit)
    for index, width in enumerate(widths):
        _check_numbers(f"decoder.slopes[{index}]", decoder.slopes[index], (width,), limit)


def _check_layer(avatar: LayeredAvatar, layer: Layer, name: str) -> None:
    if not np.isfinite(layer.level):
        raise LikenessError(f"{name}.level is not finite")
    vertices = len(layer.positions)
    _check_count(f"{name}.positions size", vertices, 3, MOST_VERTICES)
    _check_numbers(f"{name}.positions", layer.positions, (vertices, 3), FARTHEST)
    _check_numbers(f"{name}.uv", layer.uv, (vertices, 2), 1.0)
    if layer.uv.min() < 0:
        raise LikenessError(f"{name}.uv leaves the tile: it holds {float(layer.uv.min()):.4g}, expected 0 to 1")
    _check_faces(layer, f"{name}.faces")
    _check_weld(layer, f"{name}.weld")
    # Blender's faces join what is welded, and one that has a corner twice freezes its Edit Mode.
    _check_corners(layer.weld[layer.faces], f"{name}.faces, welded,")
    expressions, correctives = len(avatar.expression_names), len(avatar.corrective_entries)
    _check_numbers(f"{name}.expression_targets", layer.expression_targets, (expressions, vertices, 3), FARTHEST)
    _check_numbers(f"{name}.corrective_targets", layer.corrective_targets, (correctives, vertices, 3), FARTHEST)
    _check_skin_weights(layer, f"{name}.skin_weights")
    side = avatar.tile_size + 2 * avatar.gutter
    check_png(layer.features, avatar.feature_size // 4 * side, side, f"{name}.features")
    check_png(layer.bases, *atlas_size(avatar), f"{name}.bases")
    check_png(layer.preview, avatar.tile_size, avatar.tile_size, f"{name}.preview")


def _check_faces(layer: Layer, name: str) -> None:
    faces = np.asarray(layer.faces)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise LikenessError(f"{name} is not a list of triangles")
    _check_count(f"{name} size", len(faces), 1, MOST_TRIANGLES)
    if faces.min() < 0 or faces.max() >= len(layer.positions):
        raise LikenessError(f"{name} names a vertex that is not there")
    _check_corners(faces, name)


def _check_corners(faces: npt.NDArray[np.int32], name: str) -> None:
    if ((faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 2] == faces[:, 0])).any():
        raise LikenessError(f"{name} has a triangle with the same vertex twice")


def _check_weld(layer: Layer, name: str) -> None:
    weld = np.asarray(layer.weld)
    if weld.shape != (len(layer.positions),) or weld.dtype.kind not in "iu":
        raise LikenessError(f"{name} has shape {weld.shape}, expected one whole number per vertex")
    if weld.min() < 0 or weld.max() >= len(weld) or len(np.unique(weld)) != weld.max() + 1:
        raise LikenessError(f"{name} does not count from 0 without gaps")
    first = np.unique(weld, return_index=True)[1][weld]
    apart = np.abs(layer.positions - layer.positions[first]).max(1)
    if apart.max() > WELD_TOLERANCE:
        raise LikenessError(f"{name} joins vertices that lie {float(apart.max()):.3g} m apart")


def _check_skin_weights(layer: Layer, name: str) -> None:
    weights = layer.skin_weights
    _check_numbers(name, weights, (len(layer.positions), len(AVATAR_JOINTS)), 1 + WEIGHT_TOLERANCE)
    if weights.min() < 0:
        raise LikenessError(f"{name} holds a negative weight")
    if (np.count_nonzero(weights, axis=1) > MOST_INFLUENCES).any():
        raise LikenessError(f"{name} has a vertex with more than {MOST_INFLUENCES} joints")
    wrong = np.abs(weights.sum(1, dtype=np.float64) - 1) > WEIGHT_TOLERANCE
    if wrong.any():
        raise LikenessError(f"{name}[{int(np.argmax(wrong))}] does not sum to one")
