"""PNG: what a file declares, and the same picture in a file that cannot decode to more than that.

A chain of text chunks or surplus image data keeps a decoder busy for minutes however small the picture is. So
only the chunks that make the picture are kept, and its data are inflated here, to the declared size at most.
Source: W3C PNG specification (third edition), sections 5, 8, 10 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from dynofa_ros.errors import InvalidImage

MAGIC = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 1 << 16
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ONE_PASS = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step, row step of each pass."""


class Header(NamedTuple):
    """IHDR. `bits`: of one pixel."""

    width: int
    height: int
    bits: int
    interlaced: bool

    @property
    def raw_bytes(self) -> int:
        """Inflated image data: for each row of each pass its filter type and its pixels."""
        total = 0
        for x, y, dx, dy in _ADAM7 if self.interlaced else _ONE_PASS:
            columns, rows = -(-(self.width - x) // dx), -(-(self.height - y) // dy)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * self.bits + 7) // 8)
        return total


def header(data: memoryview) -> Header:
    """The declared picture. InvalidImage (corrupt_compressed) where IHDR is not first or makes no sense."""
    if len(data) < 45 or bytes(data[8:16]) != b"\0\0\0\rIHDR":
        raise _corrupt(f"PNG of {len(data)} bytes does not begin with its header")
    width, height, depth, colour, method, filtering, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if depth not in _DEPTHS.get(colour, ()) or method or filtering or interlace > 1:
        raise _corrupt(f"PNG declares depth {depth}, colour type {colour}, methods {method} {filtering}")
    return Header(width, height, depth * _CHANNELS[colour], interlace == 1)


def bounded(data: memoryview, declared: Header) -> bytes:
    """A PNG with the same pixels: critical chunks only, image data stored, exactly as many as declared.

    Raises:
        InvalidImage: corrupt_compressed, where chunks are cut short or the data are fewer, more or damaged.
    """
    kept, compressed = [], []
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            compressed.append(data[start + 8 : end - 4])
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            kept.append(data[start:end])
    stored = zlib.compress(_inflate(b"".join(compressed), declared), 0)
    return b"".join([MAGIC, *kept, _chunk(b"IDAT", stored), _chunk(b"IEND", b"")])


def _chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, up to IEND."""
    at = len(MAGIC)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            raise _corrupt(f"PNG of {len(data)} bytes is cut short: no end chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind == b"IEND":
            return
        yield kind, at, end
        at = end
    raise _corrupt(f"PNG of {len(data)} bytes has more than {_MAX_CHUNKS} chunks")


def _inflate(compressed: bytes, declared: Header) -> bytes:
    """The image data, which must be as long as declared and end where their stream ends."""
    wanted = declared.raw_bytes
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(compressed, wanted + 1)
    except zlib.error as error:
        raise _corrupt(f"PNG data do not inflate: {error}") from error
    if len(raw) != wanted or not stream.eof:
        size = f"{declared.width}x{declared.height}"
        raise _corrupt(f"PNG data are not the {wanted} bytes of {size} px: cut short, damaged or too long")
    return raw


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _corrupt(what: str) -> InvalidImage:
    return InvalidImage("corrupt_compressed", what)
