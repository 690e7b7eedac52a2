"""Camera images as they arrive: checked before anything is interpreted, then viewed without a copy.

`ImageFrame` mirrors sensor_msgs/Image. Every field of a message is untrusted: `validate` compares them all
before `pixels` makes a strided view on the message's own bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.errors import InvalidImage

Pixels = npt.NDArray[Any]
"""uint8 or uint16, (h, w) or (h, w, c), rows may be padded."""

MAX_SIDE_PX = 16384
MAX_PIXELS = 1 << 26


class Layout(NamedTuple):
    """How one encoding lies in memory. `to_rgb`: OpenCV conversion code, None where it already is RGB."""

    channels: int
    itemsize: int
    to_rgb: int | None
    subsampled: str = ""
    """"422": pairs of pixels share colour; "420": blocks of 2x2 do, in a plane below; else empty."""


LAYOUTS: dict[str, Layout] = {
    "rgb8": Layout(3, 1, None),
    "bgr8": Layout(3, 1, cv2.COLOR_BGR2RGB),
    "rgba8": Layout(4, 1, cv2.COLOR_RGBA2RGB),
    "bgra8": Layout(4, 1, cv2.COLOR_BGRA2RGB),
    "mono8": Layout(1, 1, cv2.COLOR_GRAY2RGB),
    "mono16": Layout(1, 2, cv2.COLOR_GRAY2RGB),
    "8UC1": Layout(1, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": Layout(3, 1, cv2.COLOR_BGR2RGB),
    "yuv422": Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY, "422"),
    "uyvy": Layout(2, 1, cv2.COLOR_YUV2RGB_UYVY, "422"),
    "yuv422_yuy2": Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2, "422"),
    "yuyv": Layout(2, 1, cv2.COLOR_YUV2RGB_YUY2, "422"),
    "nv12": Layout(1, 1, cv2.COLOR_YUV2RGB_NV12, "420"),
}
"""Names of sensor_msgs/image_encodings.hpp; `uyvy` and `yuyv` are its newer names for the 4:2:2 orders."""


@dataclass(frozen=True, eq=False)
class ImageFrame:
    """An uncompressed image: the fields of sensor_msgs/Image. `data`: uint8, 1-D, may be a read-only view."""

    width: int
    height: int
    encoding: str
    step: int
    is_bigendian: bool
    data: npt.NDArray[np.uint8]


def validate(frame: ImageFrame) -> Layout:
    """Check every field of `frame` against the others; the layout of its encoding.

    Raises:
        InvalidImage: with reason zero_size, too_large, invalid_encoding, odd_size, short_step,
            truncated_data or excess_data, and the values in the message.
    """
    _check_size(frame.width, frame.height)
    layout = _layout(frame.encoding)
    if (layout.subsampled and frame.width % 2) or (layout.subsampled == "420" and frame.height % 2):
        raise InvalidImage("odd_size", f"{frame.width}x{frame.height}: {frame.encoding} needs even sides")
    row_bytes = frame.width * layout.channels * layout.itemsize
    if frame.step < row_bytes:
        raise InvalidImage(
            "short_step",
            f"step {frame.step} < {row_bytes} bytes for {frame.width} pixels of {frame.encoding}",
        )
    _check_length(frame, layout)
    return layout


def _check_size(width: int, height: int) -> None:
    """Refuse images without pixels and images larger than any camera's."""
    if width <= 0 or height <= 0:
        raise InvalidImage("zero_size", f"{width}x{height} pixels")
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise InvalidImage("too_large", f"{width}x{height}: at most {MAX_SIDE_PX} px a side, {MAX_PIXELS} px")


def _layout(encoding: str) -> Layout:
    """Look up an encoding; an unknown one may hold any bytes, so the message shows it escaped and cut."""
    layout = LAYOUTS.get(encoding)
    if layout is None:
        shown = ascii(encoding[:40]) + ("..." if len(encoding) > 40 else "")
        raise InvalidImage("invalid_encoding", f"encoding {shown} is not one of {', '.join(LAYOUTS)}")
    return layout


def _rows(frame: ImageFrame, layout: Layout) -> int:
    """Rows of bytes in the data: NV12 keeps its colour in half as many rows below the brightness."""
    return frame.height * 3 // 2 if layout.subsampled == "420" else frame.height


def _check_length(frame: ImageFrame, layout: Layout) -> None:
    """The data must hold exactly `step` bytes for each row."""
    needed = frame.step * _rows(frame, layout)
    have = frame.data.size
    if have != needed:
        raise InvalidImage(
            "truncated_data" if have < needed else "excess_data",
            f"{have} bytes, {needed} expected: step {frame.step} x {_rows(frame, layout)} rows",
        )


def pixels(frame: ImageFrame) -> tuple[Pixels, Layout]:
    """The image in its own encoding, (h, w) or (h, w, c), without a copy where the memory allows it.

    16-bit images with the other byte order or odd rows are copied into native order.

    Raises:
        InvalidImage: see `validate`.
    """
    layout = validate(frame)
    dtype = np.dtype(np.uint8) if layout.itemsize == 1 else np.dtype(">u2" if frame.is_bigendian else "<u2")
    shape: tuple[int, ...] = (_rows(frame, layout), frame.width)
    strides: tuple[int, ...] = (frame.step, layout.channels * layout.itemsize)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, layout.itemsize)
    view: Pixels = np.ndarray(shape, dtype, np.ascontiguousarray(frame.data), 0, strides)
    if layout.itemsize == 2:
        view = np.ascontiguousarray(view, dtype=np.uint16)
    return view, layout


def convert(image: Pixels, layout: Layout) -> npt.NDArray[np.uint8]:
    """Any layout's pixels as RGB, uint8 (h, w, 3). Colour of 4:2:2 and 4:2:0 follows BT.601, as in OpenCV."""
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=255.0 / 65535.0)
    return np.asarray(image if layout.to_rgb is None else cv2.cvtColor(image, layout.to_rgb), np.uint8)


def to_rgb(frame: ImageFrame) -> npt.NDArray[np.uint8]:
    """The whole image as RGB, uint8 (h, w, 3); a view on `frame.data` if it already is rgb8.

    Raises:
        InvalidImage: see `validate`.
    """
    image, layout = pixels(frame)
    return convert(image, layout)
