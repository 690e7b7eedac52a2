"""JPEG and PNG images: the declared size is read and limited before anything is decoded.

Sources: ITU-T T.81 annex B (JPEG markers), W3C PNG specification section 11.2.2 (IHDR).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.image import MAX_SIDE_PX
from dynofa_ros.errors import InvalidImage

MAX_COMPRESSED_BYTES = 1 << 26
MAX_PIXELS = 1 << 25
_DEFLATE_LIMIT = 1032
"""No deflate stream grows by more than this factor (zlib's technical notes)."""
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, eq=False)
class CompressedFrame:
    """The fields of sensor_msgs/CompressedImage. `format` is informative: the bytes say what they are."""

    format: str
    data: npt.NDArray[np.uint8]


def decode_compressed(
    frame: CompressedFrame, max_side_px: int = MAX_SIDE_PX, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """The image as BGR, uint8 (h, w, 3). EXIF orientation is ignored: a camera's pixels stay where they are.

    Raises:
        InvalidImage: reason invalid_encoding (neither JPEG nor PNG), compressed_too_large (bytes or declared
            size) or corrupt_compressed (header, ending or content).
    """
    data = np.ascontiguousarray(frame.data, dtype=np.uint8)
    if data.size > MAX_COMPRESSED_BYTES:
        raise InvalidImage("compressed_too_large", f"{data.size} bytes, at most {MAX_COMPRESSED_BYTES}")
    width, height = declared_size(data.data, frame.format)
    if width > max_side_px or height > max_side_px or width * height > max_pixels:
        raise InvalidImage(
            "compressed_too_large",
            f"declares {width}x{height} px, at most {max_side_px} a side and {max_pixels} in all",
        )
    return _decode(data, width, height)


def _decode(data: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Decode and compare with the declared size."""
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InvalidImage("corrupt_compressed", f"{data.size} bytes do not decode: {error.err}") from error
    if image is None or image.shape[:2] != (height, width):
        raise InvalidImage("corrupt_compressed", f"{data.size} bytes do not decode to {width}x{height} px")
    return np.asarray(image, dtype=np.uint8)


def declared_size(data: memoryview, declared_format: str = "") -> tuple[int, int]:
    """Width and height [px] that the file declares, without decoding it.

    Raises:
        InvalidImage: reason invalid_encoding or corrupt_compressed.
    """
    if bytes(data[:8]) == _PNG_MAGIC:
        return _png_size(data)
    if bytes(data[:3]) == _JPEG_MAGIC:
        return _jpeg_size(data)
    raise InvalidImage(
        "invalid_encoding",
        f"neither JPEG nor PNG: begins {bytes(data[:4]).hex()}, format {declared_format[:40]!a}",
    )


def _png_size(data: memoryview) -> tuple[int, int]:
    """IHDR must be the first chunk; IEND must close the file, or it was cut short."""
    if len(data) < 45 or bytes(data[12:16]) != b"IHDR" or b"IEND" not in bytes(data[-64:]):
        raise InvalidImage("corrupt_compressed", f"PNG of {len(data)} bytes without its first or last chunk")
    width, height = struct.unpack(">II", data[16:24])
    if width * height > 8 * _DEFLATE_LIMIT * len(data) and width * height <= MAX_PIXELS:
        raise InvalidImage("corrupt_compressed", f"{len(data)} bytes cannot hold {width}x{height} px")
    return _positive(width, height)


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    """Walk the marker segments to the start of frame. Trailing zeros (some cameras pad) are allowed."""
    if not bytes(data[-4096:]).rstrip(b"\0").endswith(_JPEG_END):
        raise InvalidImage("corrupt_compressed", f"JPEG of {len(data)} bytes is cut short: no end marker")
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return _positive(width, height)
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise InvalidImage("corrupt_compressed", f"JPEG of {len(data)} bytes declares no size")


def _positive(width: int, height: int) -> tuple[int, int]:
    """Refuse a declared size of zero."""
    if width == 0 or height == 0:
        raise InvalidImage("corrupt_compressed", f"declares {width}x{height} px")
    return width, height
