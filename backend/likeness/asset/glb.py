"""glTF 2.0 binary container: chunks, buffer views and accessors, read from strangers and written for them.

The reader hands out arrays only after their extent has been held against the bytes that are there, so that no number
in a file can make it take memory that the file does not pay for.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from .fields import Field, parse_json

MAGIC = b"glTF"
CONTAINER_VERSION = 2
JSON_CHUNK, BINARY_CHUNK = b"JSON", b"BIN\0"
LARGEST_FILE = (1 << 32) - 1
"""Bytes; the container's own limit."""
LARGEST_JSON = 1 << 24

COMPONENTS: dict[int, np.dtype[Any]] = {
    5121: np.dtype("<u1"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
"""NumPy's type for each of glTF's component types that avatars use."""
COMPONENT_CODES = {kind: code for code, kind in COMPONENTS.items()}
ELEMENT_SHAPES: dict[str, tuple[int, ...]] = {"SCALAR": (), "VEC2": (2,), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}
VERTEX_BUFFER, INDEX_BUFFER = 34962, 34963

FLOAT = COMPONENTS[5126]
UNSIGNED = (COMPONENTS[5121], COMPONENTS[5123], COMPONENTS[5125])


@dataclass
class GlbWriter:
    """Collects a glTF document and its binary chunk.

    Attributes
    ----------
    document : dict
        The JSON part; accessors, bufferViews and images are added to it in the order of the calls.
    """

    document: dict[str, Any]
    _binary: bytearray = field(default_factory=bytearray)

    def _append(self, member: str, item: dict[str, Any]) -> int:
        items = self.document.setdefault(member, [])
        items.append(item)
        return len(items) - 1

    def add_view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes at a multiple of four; index of their buffer view."""
        self._binary.extend(b"\0" * (-len(self._binary) % 4))
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(content)}
        if target is not None:
            view["target"] = target
        self._binary.extend(content)
        return self._append("bufferViews", view)

    def add_image(self, content: bytes, name: str) -> int:
        """Append a PNG file; its index among the images."""
        return self._append("images", {"name": name, "mimeType": "image/png", "bufferView": self.add_view(content)})

    def add_array(
        self, values: npt.NDArray[Any], element: str, *, target: int | None = None, bounds: bool = False
    ) -> int:
        """Append an array of glTF elements.

        Parameters
        ----------
        values : (N, ...) array
            Its type must be one of :data:`COMPONENTS`.
        element : str
            A key of :data:`ELEMENT_SHAPES`.
        target : int, optional
            :data:`VERTEX_BUFFER` or :data:`INDEX_BUFFER`.
        bounds : bool
            Whether to state the smallest and largest value of each component.
        """
        values = np.ascontiguousarray(values)
        accessor = self._accessor(values, element, bounds)
        accessor = {"bufferView": self.add_view(values.tobytes(), target), **accessor}
        return self._append("accessors", accessor)

    def add_displacements(self, values: npt.NDArray[np.float32]) -> int:
        """Append a morph target (V, 3), sparsely where that takes fewer bytes."""
        values = np.ascontiguousarray(values, FLOAT)
        moved = np.flatnonzero((values != 0).any(axis=1))
        index_type = np.dtype("<u2") if len(values) <= 1 << 16 else np.dtype("<u4")
        if len(moved) * (values.itemsize * 3 + index_type.itemsize) >= values.nbytes:
            return self.add_array(values, "VEC3", target=VERTEX_BUFFER, bounds=True)
        accessor = self._accessor(values, "VEC3", True)
        # An accessor without a buffer view is all zeros, which sparse entries then replace.
        if len(moved):
            accessor["sparse"] = {
                "count": len(moved),
                "indices": {
                    "bufferView": self.add_view(moved.astype(index_type).tobytes()),
                    "componentType": COMPONENT_CODES[index_type],
                },
                "values": {"bufferView": self.add_view(values[moved].tobytes())},
            }
        return self._append("accessors", accessor)

    @staticmethod
    def _accessor(values: npt.NDArray[Any], element: str, bounds: bool) -> dict[str, Any]:
        accessor: dict[str, Any] = {
            "componentType": COMPONENT_CODES[values.dtype],
            "count": len(values),
            "type": element,
        }
        if bounds:
            columns = values.reshape(len(values), -1)
            accessor["min"], accessor["max"] = columns.min(0).tolist(), columns.max(0).tolist()
        return accessor

    def to_bytes(self) -> bytes:
        """The whole file.

        Raises
        ------
        LikenessError
            If it would be larger than the container allows.
        """
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        document = {**self.document, "buffers": [{"byteLength": len(self._binary)}]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(binary)
        if length > LARGEST_FILE:
            raise LikenessError(f"the avatar takes {length} bytes, more than a glTF binary can hold")
        header = struct.pack("<4sII", MAGIC, CONTAINER_VERSION, length)
        return b"".join(
            [
                header,
                struct.pack("<I4s", len(text), JSON_CHUNK),
                text,
                struct.pack("<I4s", len(binary), BINARY_CHUNK),
                binary,
            ]
        )


@dataclass(frozen=True)
class Glb:
    """A glTF binary that has been opened.

    Attributes
    ----------
    document : Field
        The JSON part.
    binary : memoryview
        The binary part.
    """

    document: Field
    binary: memoryview

    def entry(self, member: str, index: Field) -> Field:
        """The entry of a root array, such as ``meshes``, that an index names."""
        return self.document.member(member).item(index)

    def view(self, index: Field) -> tuple[memoryview, int | None]:
        """The bytes of a buffer view and its stride, where it has one."""
        view = self.entry("bufferViews", index)
        view.member("buffer").integer(0, 0)
        offset_field = view.find("byteOffset")
        offset = offset_field.integer(0, len(self.binary)) if offset_field else 0
        length = view.member("byteLength").integer(1, len(self.binary) - offset)
        stride_field = view.find("byteStride")
        stride = stride_field.integer(4, 252) if stride_field else None
        return self.binary[offset : offset + length], stride

    def image(self, index: Field) -> memoryview:
        """The bytes of an image, which must lie inside the file."""
        image = self.entry("images", index)
        if image.find("uri") is not None:
            raise LikenessError(f"{image.path}.uri points outside the file; avatars hold all their textures")
        image.member("mimeType").must_be("image/png")
        return self.view(image.member("bufferView"))[0]

    def count(self, index: Field) -> int:
        """Number of elements of an accessor, as it claims."""
        return self.entry("accessors", index).member("count").integer(1, 1 << 31)

    def array(
        self,
        index: Field,
        element: str,
        kinds: tuple[np.dtype[Any], ...] = (FLOAT,),
        count: int | None = None,
    ) -> npt.NDArray[Any]:
        """The array behind an accessor; finite if of floats.

        Parameters
        ----------
        index : Field
            Names the accessor.
        element : str
            Type of element that it must have.
        kinds : tuple of dtype
            Component types that it may have.
        count : int, optional
            Number of elements that it must have. Only where it is given may the array hold zeros that the file does
            not store.

        Returns
        -------
        (N, ...) array
            N elements; read-only where it shares the file's bytes.
        """
        accessor = self.entry("accessors", index)
        accessor.member("type").must_be(element)
        code = accessor.member("componentType")
        allowed = [COMPONENT_CODES[kind] for kind in kinds]
        if code.value not in allowed or isinstance(code.value, bool):
            code.refuse(" or ".join(map(str, allowed)))
        normalised = accessor.find("normalized")
        if normalised is not None:
            normalised.must_be(False)
        claimed = accessor.member("count").integer(1 if count is None else count, 1 << 31 if count is None else count)
        kind, shape = COMPONENTS[code.integer(0, 1 << 16)], ELEMENT_SHAPES[element]
        sparse = accessor.find("sparse")
        if accessor.find("bufferView") is not None:
            values = self._elements(accessor, kind, shape, claimed)
        elif count is not None:
            values = np.zeros((claimed, *shape), kind)
        else:
            raise LikenessError(f"{accessor.path} lacks the member bufferView")
        if sparse is not None:
            values = self._with_sparse(values.copy(), sparse)
        if kind == FLOAT and not np.isfinite(values).all():
            raise LikenessError(f"{accessor.path} ({index.path}) holds a number that is not finite")
        return values

    def _elements(self, place: Field, kind: np.dtype[Any], shape: tuple[int, ...], count: int) -> npt.NDArray[Any]:
        """``count`` elements from the buffer view and offset that ``place`` names."""
        content, stride = self.view(place.member("bufferView"))
        size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        stride = stride or size
        if stride < size:
            raise LikenessError(f"{place.path} has elements of {size} bytes, but its buffer view a stride of {stride}")
        offset_field = place.find("byteOffset")
        offset = offset_field.integer(0, len(content)) if offset_field else 0
        if offset + (count - 1) * stride + size > len(content):
            raise LikenessError(f"{place.path}.count is {count}, more than its buffer view holds")
        inner = tuple(kind.itemsize * int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))
        return np.ndarray((count, *shape), kind, content, offset, (stride, *inner))

    def _with_sparse(self, values: npt.NDArray[Any], sparse: Field) -> npt.NDArray[Any]:
        number = sparse.member("count").integer(1, len(values))
        place = sparse.member("indices")
        code = place.member("componentType")
        if code.value not in [COMPONENT_CODES[kind] for kind in UNSIGNED]:
            code.refuse("5121, 5123 or 5125")
        indices = self._elements(place, COMPONENTS[code.value], (), number).astype(np.int64)
        if indices[-1] >= len(values) or (np.diff(indices) <= 0).any():
            raise LikenessError(f"{place.path} is not a rising list of elements of the accessor")
        values[indices] = self._elements(sparse.member("values"), values.dtype, values.shape[1:], number)
        return values


def open_glb(path: Path) -> Glb:
    """Open a glTF binary and check its container.

    Raises
    ------
    LikenessError
        If the file cannot be read, is no glTF binary, is truncated, or refers to other files' bytes.
    """
    try:
        with open(path, "rb") as stream:
            header = stream.read(12)
            if len(header) < 12 or header[:4] != MAGIC:
                raise LikenessError("the file is not a glTF binary (.glb)")
            _, version, length = struct.unpack("<4sII", header)
            if version != CONTAINER_VERSION:
                raise LikenessError(f"the file's header has container version {version}, expected {CONTAINER_VERSION}")
            size = stream.seek(0, 2)
            if size != length:
                raise LikenessError(
                    f"its header says {length} bytes, but it has {size}: it is truncated or damaged, copy it again"
                )
            stream.seek(12)
            content = memoryview(stream.read(length - 12))
    except OSError as error:
        raise LikenessError(f"the file cannot be read: {error.strerror or error}") from error
    text, rest = _chunk(content, JSON_CHUNK)
    if len(text) > LARGEST_JSON:
        raise LikenessError(f"the JSON chunk has {len(text)} bytes, more than any avatar needs")
    document = parse_json(bytes(text), "the JSON chunk")
    document.member("asset").member("version").must_be("2.0")
    required = document.find("extensionsRequired")
    if required is not None and required.items():
        required.items()[0].refuse("no required extension, for avatars use none")
    binary = _chunk(rest, BINARY_CHUNK)[0] if rest else memoryview(b"")
    buffer_field = document.find("buffers")
    if buffer_field is not None:
        (buffer,) = buffer_field.items(1, 1)
        if buffer.find("uri") is not None:
            raise LikenessError("buffers[0].uri points outside the file; avatars are self-contained")
        binary = binary[: buffer.member("byteLength").integer(1, len(binary))]
    return Glb(document, binary)


def _chunk(content: memoryview, kind: bytes) -> tuple[memoryview, memoryview]:
    """The body of the chunk at the front, and what follows it."""
    name = kind.decode().rstrip("\0")
    if len(content) < 8:
        raise LikenessError(f"the file ends where its {name} chunk should begin")
    length, found = struct.unpack_from("<I4s", content)
    if found != kind:
        raise LikenessError(f"the file has no {name} chunk where one should be")
    if length > len(content) - 8:
        raise LikenessError(f"the {name} chunk says {length} bytes, but {len(content) - 8} are left in the file")
    return content[8 : 8 + length], content[8 + length :]
