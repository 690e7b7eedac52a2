"""JPEG and PNG images: what they declare is read and limited before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.engine import frame_jpeg, frame_png
from dynofa_ros.engine.image import MAX_SIDE_PX
from dynofa_ros.errors import InvalidImage

MAX_COMPRESSED_BYTES = 1 << 26
MAX_PIXELS = 1 << 25


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
        InvalidImage: reason invalid_encoding (neither JPEG nor PNG), compressed_too_large (bytes, declared
            size or scans) or corrupt_compressed (header, ending or content).
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
    return _decode(_bounded(data), width, height)


def declared_size(data: memoryview, declared_format: str = "") -> tuple[int, int]:
    """Width and height [px] that the file declares, without decoding it.

    Raises:
        InvalidImage: reason invalid_encoding or corrupt_compressed.
    """
    if bytes(data[:8]) == frame_png.MAGIC:
        width, height = frame_png.header(data)[:2]
    elif bytes(data[:3]) == frame_jpeg.MAGIC:
        width, height = frame_jpeg.declared_size(data)
    else:
        begins = f"begins {bytes(data[:4]).hex()}, format {declared_format[:40]!a}"
        raise InvalidImage("invalid_encoding", f"neither JPEG nor PNG: {begins}")
    if width == 0 or height == 0:
        raise InvalidImage("corrupt_compressed", f"declares {width}x{height} px")
    return width, height


def _bounded(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The same picture, certain to cost no more to decode than its declared size implies."""
    view = data.data
    if bytes(view[:3]) == frame_jpeg.MAGIC:
        frame_jpeg.check_scans(view)
        return data
    return np.frombuffer(frame_png.bounded(view, frame_png.header(view)), np.uint8)


def _decode(data: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Decode and compare with the declared size."""
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InvalidImage("corrupt_compressed", f"{data.size} bytes do not decode: {error.err}") from error
    if image is None or image.shape[:2] != (height, width):
        raise InvalidImage("corrupt_compressed", f"{data.size} bytes do not decode to {width}x{height} px")
    return np.asarray(image, dtype=np.uint8)
