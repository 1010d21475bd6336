"""What is written comes back, byte for byte where the format allows, and nothing broken is written."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
from avatars import EXPRESSIONS, encode_png, tiny_avatar
from likeness.asset import read_layered_avatar, write_layered_avatar
from likeness.asset.layered import Layer, LayeredAvatar
from likeness.errors import LikenessError

# One rounding of a weight below one, and one of its division by a sum that is itself rounded.
WEIGHT_ROUNDING = 2 * float(np.finfo(np.float32).eps)


def same(first, second, name=""):
    """Assert equality of avatars, part by part."""
    if isinstance(first, Layer | LayeredAvatar) or hasattr(first, "__dataclass_fields__"):
        for field in fields(first):
            same(getattr(first, field.name), getattr(second, field.name), f"{name}.{field.name}")
    elif isinstance(first, tuple) and first and not isinstance(first[0], str):
        assert len(first) == len(second), name
        for index, pair in enumerate(zip(first, second, strict=True)):
            same(*pair, f"{name}[{index}]")
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, name
        tolerance = WEIGHT_ROUNDING if name.endswith("skin_weights") else 0
        assert first.shape == second.shape, name
        assert np.abs(second - first).max(initial=0) <= tolerance, name
    else:
        assert first == second, name


def document(content: bytes) -> dict:
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "avatar.glb"


def test_everything_comes_back(path):
    avatar = tiny_avatar()
    write_layered_avatar(avatar, path)
    same(avatar, read_layered_avatar(path))


def test_the_same_avatar_gives_the_same_bytes(path, tmp_path):
    write_layered_avatar(tiny_avatar(), path)
    again = tmp_path / "again.glb"
    write_layered_avatar(tiny_avatar(), again)
    assert path.read_bytes() == again.read_bytes()


def test_reading_and_writing_again_changes_nothing(path, tmp_path):
    write_layered_avatar(tiny_avatar(), path)
    again = tmp_path / "again.glb"
    write_layered_avatar(read_layered_avatar(path), again)
    assert path.read_bytes() == again.read_bytes()


def test_unbounded_expressions_come_back_unbounded(path):
    bounds = np.array([[-np.inf, np.inf], [0, np.inf], [-1, 1]], np.float32)
    write_layered_avatar(replace(tiny_avatar(), expression_range=bounds), path)
    np.testing.assert_array_equal(read_layered_avatar(path).expression_range, bounds)


def test_an_avatar_may_have_no_expressions_and_no_correctives(path):
    avatar = tiny_avatar()
    decoder = avatar.decoder
    bare = replace(
        avatar,
        expression_names=(),
        expression_range=np.zeros((0, 2), np.float32),
        corrective_entries=np.zeros(0, np.int32),
        decoder=replace(decoder, weights=(decoder.weights[0][:, :9].copy(), *decoder.weights[1:])),
        layers=tuple(
            replace(
                layer, expression_targets=layer.expression_targets[:0], corrective_targets=layer.corrective_targets[:0]
            )
            for layer in avatar.layers
        ),
    )
    write_layered_avatar(bare, path)
    same(bare, read_layered_avatar(path))


def test_expressions_that_move_little_are_stored_sparsely(path):
    avatar = tiny_avatar()
    write_layered_avatar(avatar, path)
    root = document(path.read_bytes())
    for layer, primitive in zip(avatar.layers, root["meshes"][0]["primitives"], strict=True):
        accessors = [root["accessors"][target["POSITION"]] for target in primitive["targets"]]
        for name, target, accessor in zip(EXPRESSIONS, layer.expression_targets, accessors, strict=False):
            moved = np.count_nonzero((target != 0).any(1))
            assert accessor.get("sparse", {}).get("count") == (moved if name != "stretch" else None)


def test_targets_are_named_for_every_viewer(path):
    write_layered_avatar(tiny_avatar(), path)
    assert document(path.read_bytes())["meshes"][0]["extras"]["targetNames"] == [
        "smile", "cheekPuff_L", "stretch", "corrective_neck_02", "corrective_jaw_12", "corrective_jaw_21",
    ]  # fmt: skip


def test_the_extension_is_used_but_not_required(path):
    write_layered_avatar(tiny_avatar(), path)
    root = document(path.read_bytes())
    assert "LIKENESS_layered_avatar" in root["extensionsUsed"]
    assert "extensionsRequired" not in root


def test_a_failed_write_leaves_the_older_file(path):
    path.write_bytes(b"older")
    broken = replace(tiny_avatar(), joints=np.full((5, 3), np.nan, np.float32))
    with pytest.raises(LikenessError, match=r"avatar\.glb: joints holds a number that is not finite\.$"):
        write_layered_avatar(broken, path)
    assert path.read_bytes() == b"older"


def with_layer(**changes):
    """An avatar whose second layer has been changed."""
    avatar = tiny_avatar()
    layers = list(avatar.layers)
    values = {name: change(getattr(layers[1], name)) for name, change in changes.items()}
    layers[1] = replace(layers[1], **values)
    return replace(avatar, layers=tuple(layers))


def put(index, value):
    """A change of one entry of an array."""

    def change(array):
        copy = array.copy()
        copy[index] = value
        return copy

    return change


def turned(weld):
    """The same numbers, given to other vertices."""
    return np.roll(weld, 7)


def with_decoder(**changes):
    avatar = tiny_avatar()
    return replace(avatar, decoder=replace(avatar.decoder, **changes))


def with_seam_triangle():
    """An avatar with a triangle whose corners are apart in the texture and one point on the surface."""
    layer = tiny_avatar().layers[1]
    counts = np.bincount(layer.weld)
    one, other = np.flatnonzero(layer.weld == counts.argmax())[:2]
    third = np.flatnonzero(layer.weld != counts.argmax())[0]
    return with_layer(faces=put(0, [one, other, third]))


def with_decoder_size(basis_count, hidden_size):
    """An avatar that says so of itself; nothing else of it fits."""
    avatar = with_decoder(hidden_size=hidden_size)
    return replace(avatar, basis_count=basis_count, atlas_columns=1, tile_size=1, gutter=0)


DECODER = tiny_avatar().decoder

BROKEN = {
    "no layers": (replace(tiny_avatar(), layers=()), r"layers is 0"),
    "level": (with_layer(level=lambda _: float("nan")), r"layers\[1\]\.level"),
    "infinite position": (with_layer(positions=put((5, 1), np.inf)), r"layers\[1\]\.positions .* not finite"),
    "far position": (with_layer(positions=put((5, 1), 250.0)), r"layers\[1\]\.positions holds 250"),
    "no such vertex": (with_layer(faces=put((0, 0), 100_000)), r"layers\[1\]\.faces names a vertex"),
    "negative vertex": (with_layer(faces=put((0, 0), -1)), r"layers\[1\]\.faces names a vertex"),
    "same vertex twice": (with_layer(faces=put(0, [3, 3, 4])), r"layers\[1\]\.faces has a triangle"),
    "welded corner twice": (with_seam_triangle(), r"layers\[1\]\.faces, welded, has a triangle"),
    "huge spatial network": (with_decoder_size(64, 256), r"spatial network has \d+ numbers, more than 8192"),
    "many bases": (
        replace(with_decoder_size(64, 1), layers=tiny_avatar().layers * 17),
        r"layers of 64 bases are more than 1024 textures",
    ),
    "uv outside": (with_layer(uv=put((0, 0), -0.25)), r"layers\[1\]\.uv leaves the tile"),
    "weld gap": (with_layer(weld=lambda weld: weld + 1), r"layers\[1\]\.weld does not count"),
    "weld far apart": (with_layer(weld=turned), r"layers\[1\]\.weld joins vertices"),
    "weld of floats": (with_layer(weld=lambda w: w.astype(np.float32)), r"layers\[1\]\.weld has .* whole number"),
    "targets": (with_layer(expression_targets=lambda t: t[:2]), r"layers\[1\]\.expression_targets has shape"),
    "correctives": (with_layer(corrective_targets=lambda t: t[:, 1:]), r"layers\[1\]\.corrective_targets has shape"),
    "weights": (with_layer(skin_weights=lambda w: w * 0.5), r"layers\[1\]\.skin_weights\[0\] does not sum to one"),
    "five joints": (
        with_layer(skin_weights=lambda w: np.full_like(w, 1 / 6)),
        r"layers\[1\]\.skin_weights has a vertex with more than 4",
    ),
    "negative weight": (
        with_layer(skin_weights=put(0, [1.0, 0.5, -0.5, 0, 0, 0])),
        r"layers\[1\]\.skin_weights holds a negative",
    ),
    "texture size": (
        with_layer(bases=lambda _: encode_png(np.zeros((8, 8, 4), np.uint8))),
        r"layers\[1\]\.bases is 8 x 8 texels, expected 112 x 112",
    ),
    "not a picture": (with_layer(preview=lambda _: b"GIF89a"), r"layers\[1\]\.preview is not a PNG"),
    "name twice": (replace(tiny_avatar(), expression_names=("a", "b", "a")), r"expression_names has a twice"),
    "empty name": (replace(tiny_avatar(), expression_names=("a", "", "c")), r"expression_names\[1\]"),
    "long name": (replace(tiny_avatar(), expression_names=("a", "b", "c" * 64)), r"expression_names\[2\]"),
    "name with a line break": (replace(tiny_avatar(), expression_names=("a", "b\n", "c")), r"expression_names\[1\]"),
    "reserved name": (replace(tiny_avatar(), expression_names=("a", "b", "Basis")), r"expression_names\[2\]"),
    "range": (replace(tiny_avatar(), expression_range=np.zeros((3, 2), np.float32)), r"expression_range\[0\]"),
    "entries": (replace(tiny_avatar(), corrective_entries=np.array([2, 2, 16])), r"corrective_entries"),
    "no head": (replace(tiny_avatar(), head_name=""), r"head_name"),
    "entry 36": (replace(tiny_avatar(), corrective_entries=np.array([2, 14, 36])), r"corrective_entries"),
    "joints": (replace(tiny_avatar(), joints=np.zeros((6, 3), np.float32)), r"joints has shape"),
    "feature size": (replace(tiny_avatar(), feature_size=6), r"feature_size is 6"),
    "tile size": (replace(tiny_avatar(), tile_size=0), r"tile_size is 0"),
    "huge atlas": (replace(tiny_avatar(), tile_size=8192, atlas_columns=4), r"wider or higher than 8192"),
    "many texels": (
        replace(tiny_avatar(), tile_size=4000, atlas_columns=2, layers=tiny_avatar().layers * 7),
        r"the textures have \d+ texels, more than",
    ),
    "columns": (replace(tiny_avatar(), atlas_columns=5), r"atlas_columns is 5"),
    "decoder shape": (with_decoder(hidden_size=15), r"decoder\.weights\[2\] has shape"),
    "decoder value": (
        with_decoder(biases=(put(3, np.nan)(DECODER.biases[0]), *DECODER.biases[1:])),
        r"decoder\.biases\[0\] holds a number that is not finite",
    ),
    "decoder slopes": (with_decoder(slopes=DECODER.slopes[:1]), r"decoder has not"),
    "report": (replace(tiny_avatar(), report={"psnr": float("nan")}), r"report cannot be written"),
    "report of objects": (replace(tiny_avatar(), report={"path": object()}), r"report cannot be written"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_avatar_is_not_written_and_the_field_is_named(name, path):
    avatar, message = BROKEN[name]
    with pytest.raises(LikenessError, match=message):
        write_layered_avatar(avatar, path)
    assert not path.exists()
