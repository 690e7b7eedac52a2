"""Camera images as they arrive: checked before anything is interpreted, then viewed without a copy.

`ImageFrame` mirrors sensor_msgs/Image. Every field of a message is untrusted: `validate` compares them all
before anything reads the message's bytes. What each encoding means is in image_layout.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.image_layout import LAYOUTS, OTHER, Kind, Layout
from dynofa_ros.errors import InvalidImage

Pixels = npt.NDArray[Any]
"""uint8 or uint16, (h, w) or (h, w, c), rows may be padded."""
Rgb = npt.NDArray[np.uint8]
"""uint8 (h, w, 3), RGB, rows may be padded."""

MAX_SIDE_PX = 16384
MAX_PIXELS = 1 << 26
_LIMITED_RANGE = np.array(
    [[1.164, 0.0, 1.596, -222.912], [1.164, -0.391, -0.813, 135.488], [1.164, 2.018, 0.0, -276.928]]
)
"""Y, U, V, 1 to R, G, B by BT.601 with luma from 16 to 235, as in OpenCV."""


@dataclass(frozen=True, eq=False)
class ImageFrame:
    """An uncompressed image: the fields of sensor_msgs/Image. `data`: uint8, 1-D, may be a read-only view."""

    width: int
    height: int
    encoding: str
    step: int
    is_bigendian: bool
    data: npt.NDArray[np.uint8]


Converter = Callable[[ImageFrame], Rgb | None]
"""Makes RGB of a frame in an encoding that this package does not know; None where it does not either."""
_converters: list[Converter] = []


def use_converter(converter: Converter | None) -> None:
    """Let `converter` read encodings that are not in LAYOUTS; None: refuse them, as at first."""
    _converters[:] = [] if converter is None else [converter]


def validate(frame: ImageFrame) -> Layout:
    """Check every field of `frame` against the others; the layout of its encoding.

    Raises:
        InvalidImage: with reason zero_size, too_large, invalid_encoding, odd_size, short_step,
            truncated_data or excess_data, and the values in the message.
    """
    _check_size(frame.width, frame.height)
    layout = _layout(frame)
    if (layout.paired and frame.width % 2) or (layout.kind is Kind.YUV420 and frame.height % 2):
        raise InvalidImage("odd_size", f"{frame.width}x{frame.height}: {frame.encoding} needs even sides")
    row_bytes = frame.width * layout.channels * layout.itemsize
    if frame.step < row_bytes:
        raise InvalidImage(
            "short_step",
            f"step {frame.step} < {row_bytes} bytes for {frame.width} pixels of {shown(frame.encoding)}",
        )
    _check_length(frame, layout)
    return layout


def shown(encoding: str) -> str:
    """An encoding for logs: it may hold any bytes, so it is escaped and cut."""
    return ascii(encoding[:40]) + ("..." if len(encoding) > 40 else "")


def _check_size(width: int, height: int) -> None:
    """Refuse images without pixels and images larger than any camera's."""
    if width <= 0 or height <= 0:
        raise InvalidImage("zero_size", f"{width}x{height} pixels")
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise InvalidImage("too_large", f"{width}x{height}: at most {MAX_SIDE_PX} px a side, {MAX_PIXELS} px")


def _layout(frame: ImageFrame) -> Layout:
    """Look up the encoding. A mosaic too small to interpolate is read as grey."""
    layout = LAYOUTS.get(frame.encoding)
    if layout is None and _converters:
        return OTHER
    if layout is None:
        raise _unknown(frame.encoding)
    if layout.mosaic and min(frame.width, frame.height) < 3:
        return LAYOUTS["mono8" if layout.itemsize == 1 else "mono16"]
    return layout


def _unknown(encoding: str) -> InvalidImage:
    known = ", ".join(LAYOUTS)
    return InvalidImage("invalid_encoding", f"encoding {shown(encoding)} is not one of {known}")


def _check_length(frame: ImageFrame, layout: Layout) -> None:
    """The data must hold exactly `step` bytes for each row."""
    rows = layout.rows(frame.height)
    needed = frame.step * rows
    have = frame.data.size
    if have != needed:
        raise InvalidImage(
            "truncated_data" if have < needed else "excess_data",
            f"{have} bytes, {needed} expected: step {frame.step} x {rows} rows",
        )


def to_rgb(frame: ImageFrame) -> Rgb:
    """The whole image as RGB, uint8 (h, w, 3); a view on `frame.data` if it already is rgb8.

    Raises:
        InvalidImage: see `validate`; or conversion_failed, from the converter of other encodings.
    """
    layout = validate(frame)
    if layout.kind is Kind.OTHER:
        return _convert_other(frame)
    if layout.kind is Kind.YUV444:
        return _nv24_to_rgb(frame)
    return to_rgb8(_view(frame, layout), layout)


def to_rgb8(image: Pixels, layout: Layout) -> Rgb:
    """Pixels of `layout` as RGB; the view itself if they are rgb8. Conversions are OpenCV's."""
    if image.dtype != np.uint8:
        image = cv2.convertScaleAbs(image, alpha=255.0 / 65535.0)
    return np.asarray(image if layout.to_rgb is None else cv2.cvtColor(image, layout.to_rgb), np.uint8)


def packed_view(frame: ImageFrame, layout: Layout) -> Pixels | None:
    """(h, w) or (h, w, c) on the frame's memory where each pixel has its own bytes; None elsewhere."""
    return _view(frame, layout) if layout.kind in (Kind.PACKED8, Kind.PACKED16) else None


def _view(frame: ImageFrame, layout: Layout) -> Pixels:
    """The frame's bytes as samples, without a copy except of 16-bit samples, which become native."""
    dtype = np.dtype(np.uint8) if layout.itemsize == 1 else np.dtype(">u2" if frame.is_bigendian else "<u2")
    shape: tuple[int, ...] = (layout.rows(frame.height), frame.width)
    strides: tuple[int, ...] = (frame.step, layout.channels * layout.itemsize)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, layout.itemsize)
    view: Pixels = np.ndarray(shape, dtype, np.ascontiguousarray(frame.data), 0, strides)
    return view if layout.itemsize == 1 else np.ascontiguousarray(view, dtype=np.uint16)


def _nv24_to_rgb(frame: ImageFrame) -> Rgb:
    """Full-size colour: rows of U and V in turn below the brightness, two bytes for each pixel."""
    data, height, width = np.ascontiguousarray(frame.data), frame.height, frame.width
    luma = np.ndarray((height, width), np.uint8, data, 0, (frame.step, 1))
    colour = np.ndarray((height, width, 2), np.uint8, data, frame.step * height, (2 * frame.step, 2, 1))
    yuv = np.dstack([np.maximum(luma, 16), colour])
    return np.asarray(cv2.transform(yuv, _LIMITED_RANGE), np.uint8)


def _convert_other(frame: ImageFrame) -> Rgb:
    """Ask the converter, and hold its answer against the frame."""
    try:
        rgb = _converters[0](frame)
    except Exception as error:
        what = f"{shown(frame.encoding)}: {type(error).__name__}: {ascii(str(error))[:200]}"
        raise InvalidImage("conversion_failed", what) from error
    if rgb is None:
        raise _unknown(frame.encoding)
    if rgb.shape != (frame.height, frame.width, 3) or rgb.dtype != np.uint8:
        what = f"{shown(frame.encoding)}: converter gave {rgb.dtype} {rgb.shape}"
        raise InvalidImage("conversion_failed", what)
    return rgb
