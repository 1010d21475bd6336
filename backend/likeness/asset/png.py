"""PNG files as avatars' textures are: their frame, and checks of one without decoding it into a picture.

A decoder sees the file only after its header has been held against the expected size, and after the whole stream of
pixels has been seen to be there and to be exactly as long as that size asks for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ..errors import LikenessError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGBA = 6
BYTES_PER_TEXEL = 4
_BLOCK = 1 << 20
_HIGHEST_FILTER = 4


def png_of_rows(compressed: bytes, width: int, height: int) -> bytes:
    """The 8-bit RGBA PNG file that holds rows of pixels, each behind its filter's number, compressed by zlib."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, RGBA, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")


def check_png(content: bytes | memoryview, width: int, height: int, name: str) -> None:
    """Check that a file is an 8-bit RGBA PNG of a given size, whole, undamaged and with nothing but pixels in it.

    Parameters
    ----------
    content : bytes
    width, height : int
        The size it has to have, texels.
    name : str
        What to call the picture in messages.

    Raises
    ------
    LikenessError
        If it is anything else.
    """
    header, pixels, ended = None, [], False
    for kind, body in _chunks(memoryview(content), name):
        if ended:
            raise LikenessError(f"{name} has data behind its end")
        if header is None:
            if kind != b"IHDR":
                raise LikenessError(f"{name} does not begin with a PNG header")
            header = _checked_header(body, width, height, name)
        elif kind == b"IDAT" and body:
            pixels.append(body)
        elif kind == b"IEND":
            ended = True
        else:
            # Texts, colour profiles and gammas unpack, change colours or fail, in each decoder in another way.
            raise LikenessError(f"{name} has a PNG chunk that is not pixels; textures hold nothing else")
    if not ended:
        raise LikenessError(f"{name} breaks off before its end")
    _check_pixels(pixels, width, height, name)


def _chunks(content: memoryview, name: str) -> Iterator[tuple[bytes, memoryview]]:
    if bytes(content[:8]) != SIGNATURE:
        raise LikenessError(f"{name} is not a PNG file")
    offset = len(SIGNATURE)
    while offset < len(content):
        if offset + 12 > len(content):
            raise LikenessError(f"{name} breaks off within a PNG chunk")
        length, kind = struct.unpack_from(">I4s", content, offset)
        end = offset + 8 + length
        if end + 4 > len(content):
            raise LikenessError(f"{name} breaks off within a PNG chunk")
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(content[offset + 4 : end]) != checksum:
            raise LikenessError(f"{name} is damaged: the checksum of a PNG chunk is wrong")
        yield kind, content[offset + 8 : end]
        offset = end + 4


def _checked_header(body: memoryview, width: int, height: int, name: str) -> memoryview:
    if len(body) != 13:
        raise LikenessError(f"{name} has a PNG header of {len(body)} bytes, expected 13")
    found_width, found_height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if (found_width, found_height) != (width, height):
        raise LikenessError(f"{name} is {found_width} x {found_height} texels, expected {width} x {height}")
    if (depth, colour, compression, filtering, interlace) != (8, RGBA, 0, 0, 0):
        raise LikenessError(f"{name} is not an 8-bit RGBA PNG without interlacing")
    return body


def _check_pixels(parts: list[memoryview], width: int, height: int, name: str) -> None:
    """Inflate block by block, keeping none: the length and each row's filter byte must be right."""
    row = 1 + BYTES_PER_TEXEL * width
    inflater, seen = zlib.decompressobj(), 0
    for part in parts:
        waiting: bytes | memoryview = part
        while waiting and not inflater.eof:
            try:
                block = inflater.decompress(waiting, _BLOCK)
            except zlib.error:
                raise LikenessError(f"{name} is damaged: its pixels do not unpack") from None
            waiting = inflater.unconsumed_tail
            if block and max(block[-seen % row :: row], default=0) > _HIGHEST_FILTER:
                raise LikenessError(f"{name} is damaged: a row of pixels has an unknown filter")
            seen += len(block)
            if seen > row * height:
                raise LikenessError(f"{name} holds more pixels than its header says")
    if seen != row * height or not inflater.eof:
        raise LikenessError(f"{name} holds fewer pixels than its header says")
