"""From a camera image to what a sub-network reads: one crop, one resize, one colour conversion.

The reference is torchvision's: RGB, `CenterCrop` to the shorter side, `Resize`, bilinear and antialiased. The
compiled kernel does it in one pass over the message's bytes; without it OpenCV and numpy do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine import frame_kernel
from dynofa_ros.engine.compressed import CompressedFrame, decode_compressed
from dynofa_ros.engine.frame_filter import resize_square
from dynofa_ros.engine.image import ImageFrame, Rgb, packed_view, to_rgb, to_rgb8, validate
from dynofa_ros.engine.image_layout import Kind, Layout

Frame = ImageFrame | CompressedFrame
Tensor = npt.NDArray[np.uint8]
"""uint8 (1, r, r, 3), RGB, contiguous."""
Crop = tuple[int, int, int]
"""Top, left and side of the centre square [px]."""


def prepare(frame: Frame, resolution: int, out: Tensor | None = None) -> Tensor:
    """The network input of `frame`: centre square, resized to `resolution`, RGB; in `out` if given.

    Raises:
        InvalidImage: the frame must not be interpreted; its reason says why. `out` is as it was.
        ValueError: `out` is not a contiguous, writeable uint8 (1, resolution, resolution, 3).
    """
    target = np.empty((1, resolution, resolution, 3), np.uint8) if out is None else _checked(out, resolution)
    if isinstance(frame, CompressedFrame):
        frame = _as_frame(decode_compressed(frame), "bgr8")
    layout = validate(frame)
    if layout.kind is Kind.OTHER:
        frame = _as_frame(to_rgb(frame), "rgb8")
        layout = validate(frame)
    _resize(frame, layout, resolution, target)
    return target


def resize_crop(rgb: Rgb, resolution: int) -> Tensor:
    """Centre square of an RGB image, uint8 (h, w, 3), resized: uint8 (1, resolution, resolution, 3)."""
    return prepare(_as_frame(rgb, "rgb8"), resolution)


def centre_square(width: int, height: int) -> Crop:
    """The largest square about the centre; half a pixel is rounded to even, as in torchvision."""
    side = min(width, height)
    return round((height - side) / 2), round((width - side) / 2), side


def _checked(out: Tensor, resolution: int) -> Tensor:
    wanted = (1, resolution, resolution, 3)
    if out.shape != wanted or out.dtype != np.uint8 or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"out is {out.dtype} {out.shape}, needs contiguous, writeable uint8 {wanted}")
    return out


def _as_frame(image: npt.NDArray[np.uint8], encoding: str) -> ImageFrame:
    """A frame on the memory of `image`, uint8 (h, w, 3)."""
    height, width = image.shape[:2]
    return ImageFrame(width, height, encoding, width * 3, False, np.ascontiguousarray(image).reshape(-1))


def _resize(frame: ImageFrame, layout: Layout, resolution: int, target: Tensor) -> None:
    """Into `target`, with the kernel where there is one."""
    crop = centre_square(frame.width, frame.height)
    kernel = frame_kernel.load()
    if kernel is not None:
        kernel.resize(frame, layout, crop, resolution, target)
    else:
        target[0] = resize_square(_square(frame, layout, crop), resolution)


def _square(frame: ImageFrame, layout: Layout, crop: Crop) -> Rgb:
    """The crop as RGB. Only encodings whose pixels stand for themselves are cropped before conversion."""
    top, left, side = crop
    rows, columns = slice(top, top + side), slice(left, left + side)
    packed = packed_view(frame, layout)
    if packed is None:
        return to_rgb(frame)[rows, columns]
    return to_rgb8(packed[rows, columns], layout)
