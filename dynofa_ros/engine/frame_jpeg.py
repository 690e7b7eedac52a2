"""JPEG: what a file declares. Source: ITU-T T.81 annex B (markers)."""

from __future__ import annotations

import struct

from dynofa_ros.errors import InvalidImage

MAGIC = b"\xff\xd8\xff"
MAX_SCANS = 64
"""Every scan visits the whole picture: thousands in a small file keep a decoder busy for minutes."""
_END = b"\xff\xd9"
_SCAN = b"\xff\xda"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def declared_size(data: memoryview) -> tuple[int, int]:
    """Width and height [px], from the first start of frame. Zeros after the end (padding) are allowed.

    Raises:
        InvalidImage: corrupt_compressed, where the end or the start of frame is missing.
    """
    if not bytes(data[-4096:]).rstrip(b"\0").endswith(_END):
        raise InvalidImage("corrupt_compressed", f"JPEG of {len(data)} bytes is cut short: no end marker")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise InvalidImage("corrupt_compressed", f"JPEG of {len(data)} bytes declares no size")


def check_scans(data: memoryview) -> None:
    """Refuse (compressed_too_large) more scans than any camera or program writes."""
    scans = bytes(data).count(_SCAN)
    if scans > MAX_SCANS:
        raise InvalidImage("compressed_too_large", f"JPEG of {scans} scans, at most {MAX_SCANS}")
