"""Files that are damaged or made to harm: each gives one sentence that names the field, and takes no memory."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.asset import read_layered_avatar
from likeness.asset.layered import LayeredAvatar
from likeness.asset.write import encode
from likeness.errors import LikenessError


@pytest.fixture(scope="module")
def content() -> bytes:
    """A sound file, of an avatar so small that thousands of readings are cheap."""
    return encode(tiny_avatar(tile_size=12, gutter=2, rows=8, columns=10))


@pytest.fixture
def read(tmp_path) -> Callable[[bytes], LayeredAvatar]:
    def reading(content: bytes) -> LayeredAvatar:
        path = tmp_path / "stranger.glb"
        path.write_bytes(content)
        return read_layered_avatar(path)

    return reading


def complaint(read, content: bytes) -> str:
    """The one sentence that reading gives."""
    with pytest.raises(LikenessError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith("Cannot read ") and "stranger.glb: " in message
    assert message.endswith(".") and "\n" not in message and len(message) < 500
    return message.split("stranger.glb: ", 1)[1]


def split(content: bytes) -> tuple[dict, bytearray]:
    """The JSON and the binary chunk of a glTF binary."""
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length]), bytearray(content[28 + length :])


def joined(document: dict | bytes, binary: bytes) -> bytes:
    """A glTF binary whose lengths are right, whatever it holds."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def extension(document: dict) -> dict:
    return document["extensions"]["LIKENESS_layered_avatar"]


def primitive(document: dict) -> dict:
    return document["meshes"][0]["primitives"][1]


def accessor(document: dict, name: str) -> dict:
    """The accessor of an attribute of the second layer."""
    return document["accessors"][primitive(document)["attributes"][name]]


def test_the_sound_file_is_read(read, content):
    assert len(read(content).layers) == 3


def test_a_file_cut_anywhere_is_refused(read, content):
    for length in np.linspace(0, len(content) - 1, 50).astype(int):
        assert complaint(read, content[:length])


def test_a_file_cut_anywhere_whose_header_lies_about_it_is_refused(read, content):
    for length in np.linspace(12, len(content) - 4, 50).astype(int):
        assert complaint(read, content[:8] + struct.pack("<I", length) + content[12:length])


def test_bytes_behind_the_end_are_refused(read, content):
    assert "says" in complaint(read, content + b"more")


def test_damage_gives_a_sound_avatar_or_one_sentence(read, content):
    """500 files with one to eight damaged bytes each, half of them in the JSON, which is where the numbers are."""
    random = np.random.default_rng(20)
    (length,) = struct.unpack_from("<I", content, 12)
    refused = 0
    for trial in range(500):
        damaged = bytearray(content)
        first, last = (20, 20 + length) if trial % 2 else (0, len(content))
        for place in random.integers(first, last, random.integers(1, 9)):
            if trial % 3:
                damaged[place] ^= 1 << int(random.integers(8))
            else:
                damaged[place] = int(random.integers(256))
        try:
            avatar = read(bytes(damaged))
        except LikenessError:
            refused += 1
        else:
            encode(avatar)
    assert refused > 300


def test_a_number_exchanged_anywhere_gives_a_sound_avatar_or_one_sentence(read, content):
    """Every number of the JSON becomes, in turn, one that hurts careless readers."""
    document, binary = split(content)
    random = np.random.default_rng(21)
    places: list[tuple[dict | list, str | int]] = []

    def walk(value):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list):
                walk(item)
            elif isinstance(item, int | float):
                places.append((value, key))

    walk(document)
    refused = 0
    for index in random.choice(len(places), 300, replace=False):
        holder, key = places[index]
        before = holder[key]
        holder[key] = [-1, 1 << 31, 1 << 70, 1e300, "1", None, [], True][random.integers(8)]
        try:
            avatar = read(joined(document, bytes(binary)))
        except LikenessError:
            refused += 1
        else:
            # Not within the try: an unsound avatar that the reader lets pass would be refused here.
            encode(avatar)
        finally:
            holder[key] = before
    assert refused > 100


EDITS: dict[str, tuple[Callable[[dict], object], str]] = {
    "newer version": (lambda d: extension(d).update(version=2), "version is 2, but this Likeness reads version 1"),
    "version as text": (lambda d: extension(d).update(version="1"), 'version is "1", expected a whole number'),
    "units": (lambda d: extension(d).update(units="foot"), 'units is "foot", expected metre'),
    "no report": (lambda d: extension(d).pop("report"), "lacks the member report"),
    "report as list": (lambda d: extension(d).update(report=[]), "report is a list, expected an object"),
    "input order": (lambda d: extension(d)["decoder"].update(inputs=["expressions"]), "decoder.inputs is"),
    "basis count": (lambda d: extension(d)["decoder"].update(basis_count=5), "decoder.weights[2] has shape"),
    "absurd basis count": (lambda d: extension(d)["decoder"].update(basis_count=10**9), "from 1 to 64"),
    "feature size": (lambda d: extension(d)["decoder"].update(feature_size=7), "feature_size is 7"),
    "tile size": (lambda d: extension(d)["tiles"].update(size=13), "features is 32 x 16 texels, expected 34 x 17"),
    "absurd tile": (lambda d: extension(d)["tiles"].update(size=10**6), "tiles.size is 1000000"),
    "half a tile": (lambda d: extension(d)["tiles"].update(size=12.5), "tiles.size is 12.5"),
    "tensor shape": (
        lambda d: extension(d)["decoder"]["weights"][0].update(shape=[64, 13]),
        "decoder.weights[0].shape asks for 832 numbers, but its accessor has 768",
    ),
    "tensor transposed": (
        lambda d: extension(d)["decoder"]["weights"][0].update(shape=[12, 64]),
        "decoder.weights[0] has shape (12, 64), expected (64, 12)",
    ),
    "two tensors": (lambda d: extension(d)["decoder"]["weights"].pop(), "decoder.weights has 2 items, expected 3"),
    "name twice": (lambda d: extension(d)["expressions"][1].update(name="smile"), "expression_names has smile twice"),
    "name differs": (
        lambda d: d["meshes"][0]["extras"]["targetNames"].__setitem__(1, "frown"),
        'targetNames[1] is "frown", expected cheekPuff_L',
    ),
    "range": (lambda d: extension(d)["expressions"][0].update(range=[1, 0]), "expression_range[0]"),
    "huge range": (lambda d: extension(d)["expressions"][0].update(range=[0, 1e39]), "range[1] is 1e+39"),
    "no such joint": (lambda d: extension(d)["correctives"][0].update(joint="tail"), 'joint is "tail"'),
    "corrective row": (lambda d: extension(d)["correctives"][0].update(row=3), "row is 3"),
    "corrective target": (lambda d: extension(d)["correctives"][0].update(target=4), "target is 4, expected 3"),
    "corrective of another joint": (
        lambda d: extension(d)["correctives"][0].update(joint="eye_r"),
        'targetNames[3] is "corrective_neck_02", expected corrective_eye_r_02',
    ),
    "correctives not in order": (
        lambda d: (
            extension(d)["correctives"][0].update(joint="eye_r"),
            d["meshes"][0]["extras"]["targetNames"].__setitem__(3, "corrective_eye_r_02"),
        ),
        "corrective_entries is not a rising list",
    ),
    "head's name": (lambda d: extension(d).update(head="a\nb"), "head_name is not a printable name"),
    "layer missing": (lambda d: extension(d)["layers"].pop(), "primitives has 3 items, expected 2"),
    "no layers": (lambda d: extension(d).update(layers=[]), "layers has 0 items"),
    "no such image": (lambda d: extension(d)["layers"][0].update(bases=99), "layers[0].bases is 99"),
    "images exchanged": (
        lambda d: extension(d)["layers"][0].update(bases=extension(d)["layers"][0]["features"]),
        "layers[0].bases is 32 x 16 texels, expected 32 x 32",
    ),
    "level": (lambda d: extension(d)["layers"][0].update(level="outer"), "layers[0].level"),
    "image elsewhere": (lambda d: d["images"][1].update(uri="/etc/passwd"), "images[1].uri points outside the file"),
    "image on the net": (lambda d: d["images"][1].update(uri="http://example.org/a.png"), "images[1].uri points"),
    "buffer elsewhere": (lambda d: d["buffers"][0].update(uri="../other.bin"), "buffers[0].uri points outside"),
    "long buffer": (lambda d: d["buffers"][0].update(byteLength=1 << 33), "buffers[0].byteLength is"),
    "two buffers": (lambda d: d["buffers"].append({"byteLength": 4}), "buffers has 2 items"),
    "other buffer": (lambda d: d["bufferViews"][1].update(buffer=1), "bufferViews[1].buffer is 1"),
    "view before the start": (lambda d: d["bufferViews"][1].update(byteOffset=-4), "bufferViews[1].byteOffset is -4"),
    "view past the end": (lambda d: d["bufferViews"][1].update(byteLength=1 << 30), "bufferViews[1].byteLength is"),
    "narrow stride": (lambda d: d["bufferViews"][1].update(byteStride=4), "a stride of 4"),
    "fewer vertices": (lambda d: accessor(d, "POSITION").update(count=20), "indices names vertex"),
    "more vertices": (lambda d: accessor(d, "POSITION").update(count=100_000), "count is 100000, more than"),
    "absurd vertices": (lambda d: accessor(d, "POSITION").update(count=1 << 31), "vertices, more than 1048576"),
    "positions of zeros": (lambda d: accessor(d, "POSITION").pop("bufferView"), "lacks the member bufferView"),
    "fewer uv": (lambda d: accessor(d, "TEXCOORD_0").update(count=20), "count is 20, expected"),
    "uv as vectors": (lambda d: accessor(d, "TEXCOORD_0").update(type="VEC3"), 'type is "VEC3", expected VEC2'),
    "uv as bytes": (lambda d: accessor(d, "TEXCOORD_0").update(componentType=5121), "componentType is 5121"),
    "doubles": (lambda d: accessor(d, "POSITION").update(componentType=5130), "componentType is 5130"),
    "no weld": (lambda d: primitive(d)["attributes"].pop("_WELD"), "attributes lacks the member _WELD"),
    "no joints": (lambda d: primitive(d)["attributes"].pop("JOINTS_0"), "lacks the member JOINTS_0"),
    "weld from uv": (
        lambda d: primitive(d)["attributes"].update(_WELD=primitive(d)["attributes"]["TEXCOORD_0"]),
        'type is "VEC2", expected SCALAR',
    ),
    "fewer targets": (lambda d: primitive(d)["targets"].pop(), "primitives[1].targets has 5 items, expected 6"),
    "sparse count": (
        lambda d: d["accessors"][primitive(d)["targets"][0]["POSITION"]]["sparse"].update(count=10**6),
        "sparse.count is 1000000",
    ),
    "lines": (lambda d: primitive(d).update(mode=1), "mode is 1, expected 4"),
    "four corners": (
        lambda d: d["accessors"][primitive(d)["indices"]].update(count=4),
        "primitives[1].indices has 4 corners",
    ),
    "no material": (lambda d: primitive(d).pop("material"), "lacks the member material"),
    "joint renamed": (lambda d: d["nodes"][4].update(name="chin"), 'nodes[4].name is "chin", expected jaw'),
    "joint moved": (lambda d: d["nodes"][4].update(translation=[0, 0, 1]), "nodes[4] (jaw) does not rest where"),
    "joint turned": (lambda d: d["nodes"][4].update(rotation=[0, 1, 0, 0]), "nodes[4].rotation is there"),
    "joint missing": (lambda d: d["skins"][0]["joints"].pop(), "skins[0].joints has 5 items, expected 6"),
    "joint past the end": (lambda d: d["skins"][0]["joints"].__setitem__(2, 99), "skins[0].joints[2] is 99"),
    "another glTF": (lambda d: d["asset"].update(version="1.0"), 'asset.version is "1.0", expected 2.0'),
    "compression": (
        lambda d: d.update(extensionsRequired=["KHR_draco_mesh_compression"]),
        'extensionsRequired[0] is "KHR_draco_mesh_compression", expected no required extension',
    ),
    "plain glTF": (lambda d: d.pop("extensions"), "it is a glTF file but not a Likeness avatar"),
    "meshes as number": (lambda d: d.update(meshes=3), "meshes is 3, expected an array"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_wrong_field_is_named(name, read, content):
    edit, message = EDITS[name]
    document, binary = split(content)
    edit(document)
    assert message in complaint(read, joined(document, bytes(binary)))


BINARY_EDITS = {
    "POSITION": (np.float32(np.nan), "holds a number that is not finite"),
    "TEXCOORD_0": (np.float32(np.inf), "holds a number that is not finite"),
    "WEIGHTS_0": (np.float32(0.123), "layers[1].skin_weights[0] does not sum to one"),
    "JOINTS_0": (np.uint8(6), "JOINTS_0 names joint 6 of 6"),
    "_WELD": (np.float32(0.5), "_WELD holds something else than whole numbers"),
}


@pytest.mark.parametrize("name", BINARY_EDITS)
def test_a_wrong_number_in_the_arrays_is_named(name, read, content):
    value, message = BINARY_EDITS[name]
    document, binary = split(content)
    offset = document["bufferViews"][accessor(document, name)["bufferView"]]["byteOffset"]
    binary[offset : offset + value.nbytes] = value.tobytes()
    assert message in complaint(read, joined(document, bytes(binary)))


def with_texture(content: bytes, texture: bytes) -> bytes:
    """The file with another basis atlas in its first layer."""
    document, binary = split(content)
    image = document["images"][extension(document)["layers"][0]["bases"]]
    image["bufferView"] = len(document["bufferViews"])
    document["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(texture)})
    binary += texture
    document["buffers"][0]["byteLength"] = len(binary)
    return joined(document, bytes(binary))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, *others: bytes) -> bytes:
    """A PNG file whose pixels are split in two, with other chunks between these."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    half = len(rows) // 2
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows[:half]), *others, chunk(b"IDAT", rows[half:])]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def peak_memory(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_texture_that_claims_to_be_huge_takes_no_memory(read, content):
    file = with_texture(content, png(100_000, 100_000, zlib.compress(b"\0")))
    message = []
    # The file itself, its parsed JSON and the arrays: far below the picture's 40 GB.
    assert peak_memory(lambda: message.append(complaint(read, file))) < 20 * len(file)
    assert "layers[0].bases is 100000 x 100000 texels, expected 32 x 32" in message[0]


def test_a_texture_that_unpacks_to_more_than_it_says_takes_no_memory(read, content):
    bomb = png(32, 32, zlib.compress(bytes(1 << 28), 9))
    message = []
    file = with_texture(content, bomb)
    assert peak_memory(lambda: message.append(complaint(read, file))) < 20 * len(file)
    assert "layers[0].bases holds more pixels than its header says" in message[0]


@pytest.mark.parametrize(
    "other",
    [chunk(b"IDAT", b""), chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(1 << 20))), chunk(b"gAMA", b"\0")],
    ids=["no pixels", "text that unpacks", "a broken gamma"],
)
def test_a_texture_holds_nothing_but_pixels(read, content, other):
    """Decoders unpack texts, apply gammas and profiles, and fail over broken ones, each in its own way."""
    rows = zlib.compress((b"\0" + bytes(4 * 32)) * 32)
    assert read(with_texture(content, png(32, 32, rows)))
    message = complaint(read, with_texture(content, png(32, 32, rows, other)))
    assert "layers[0].bases has a PNG chunk that is not pixels" in message


def test_layers_do_not_share_what_they_are_made_of(read, content):
    """Each would be kept anew: a few megabytes would become gigabytes."""
    document, binary = split(content)
    extension(document)["layers"] = extension(document)["layers"][:1] * 64
    document["meshes"][0]["primitives"] = document["meshes"][0]["primitives"][:1] * 64
    assert "layers cannot share textures or meshes" in complaint(read, joined(document, bytes(binary)))


def test_targets_that_the_file_does_not_store_take_no_memory(read, content):
    """1024 expressions over 64 references to one mesh would be gigabytes of zeros from a few kilobytes."""
    document, binary = split(content)
    names = [f"expression {index}" for index in range(1024)]
    extension(document)["expressions"] = [{"name": name, "range": [0, 1]} for name in names]
    extension(document)["correctives"] = []
    extension(document)["layers"] = extension(document)["layers"][:1] * 64
    document["meshes"][0]["extras"]["targetNames"] = names
    document["meshes"][0]["primitives"] = document["meshes"][0]["primitives"][:1] * 64
    count = 3000
    offset = len(binary)
    binary += bytes(12 * count)
    document["bufferViews"].append({"buffer": 0, "byteOffset": offset, "byteLength": 12 * count})
    document["accessors"].append(
        {"bufferView": len(document["bufferViews"]) - 1, "componentType": 5126, "count": count, "type": "VEC3"}
    )
    for item in document["meshes"][0]["primitives"]:
        item["attributes"] = {**item["attributes"], "POSITION": len(document["accessors"]) - 1}
    document["buffers"][0]["byteLength"] = len(binary)
    file = joined(document, bytes(binary))
    message = []
    assert peak_memory(lambda: message.append(complaint(read, file))) < 20 * len(file)
    assert "the morph targets hold 589824000 numbers" in message[0]


def test_long_lists_take_no_time(read, content):
    """Half a million accessors, all of them there, none of them used."""
    document, binary = split(content)
    document["accessors"] += [{}] * 500_000
    begun = time.process_time()
    read(joined(document, bytes(binary)))
    # Parsing takes a fraction of a second; going through the list for each of hundreds of accessors would take minutes.
    assert time.process_time() - begun < 10


TEXTS = {
    "deep": (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested too deeply"),
    "twice": (b'{"asset":{"version":"2.0"},"asset":{}}', 'the member "asset" is there twice'),
    "twice of many": (
        b"{" + b"".join(b'"%d":0,' % index for index in range(200_000)) + b'"x":0,"x":0}',
        'the member "x" is there twice',
    ),
    "NaN": (b'{"asset":NaN}', "the number NaN is not finite"),
    "overflow": (b'{"asset":1e999}', "the number 1e999 is not finite"),
    "digits": (b'{"asset":' + b"9" * 10_000 + b"}", "is not valid JSON"),
    "latin": (b'{"asset":"\xe9"}', "is not UTF-8"),
    "list": (b"[]", "the document is a list, expected an object"),
    "empty": (b"", "is not valid JSON"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_json_is_refused(name, read):
    text, message = TEXTS[name]
    assert message in complaint(read, joined(text, b"\0\0\0\0"))


def test_other_files_are_told_apart(read, content):
    assert "not a glTF binary" in complaint(read, b"\x89PNG\r\n\x1a\n")
    assert "container version 1, expected 2" in complaint(read, content[:4] + struct.pack("<I", 1) + content[8:])
    assert "no JSON chunk" in complaint(read, content[:16] + b"BIN\0" + content[20:])


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(LikenessError, match=r"nowhere\.glb: the file cannot be read: No such file or directory\.$"):
        read_layered_avatar(tmp_path / "nowhere.glb")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(LikenessError, match="the file cannot be read: Is a directory"):
        read_layered_avatar(tmp_path)
