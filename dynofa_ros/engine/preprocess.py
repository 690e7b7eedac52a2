"""From a camera image to what a sub-network reads: one crop, one resize, one colour conversion, no floats."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.compressed import CompressedFrame, decode_compressed
from dynofa_ros.engine.image import LAYOUTS, ImageFrame, Layout, Pixels, convert, pixels

Frame = ImageFrame | CompressedFrame
Tensor = npt.NDArray[np.uint8]
"""uint8 (1, r, r, 3), RGB, contiguous."""


def prepare(frame: Frame, resolution: int) -> Tensor:
    """The network input of `frame`: centre square, antialiased resize to `resolution`, RGB.

    Colour is converted after the resize, on few pixels, wherever each pixel has its own colour.

    Raises:
        InvalidImage: the frame must not be interpreted; its reason says why.
    """
    if isinstance(frame, CompressedFrame):
        return _crop_resize_convert(decode_compressed(frame), LAYOUTS["bgr8"], resolution)
    image, layout = pixels(frame)
    if layout.subsampled == "420":
        return resize_crop(convert(image, layout), resolution)
    if layout.subsampled == "422":
        return resize_crop(convert(_even_square(image), layout), resolution)
    return _crop_resize_convert(image, layout, resolution)


def resize_crop(rgb: npt.NDArray[np.uint8], resolution: int) -> Tensor:
    """Centre square of an RGB image, uint8 (h, w, 3), resized: uint8 (1, resolution, resolution, 3)."""
    return _crop_resize_convert(rgb, LAYOUTS["rgb8"], resolution)


def _crop_resize_convert(image: Pixels, layout: Layout, resolution: int) -> Tensor:
    """Crop, resize in the image's own encoding, then convert."""
    small = resize(centre_square(image), resolution)
    return np.ascontiguousarray(convert(small, layout))[np.newaxis]


def centre_square(image: Pixels) -> Pixels:
    """The largest square about the centre, a view; an odd remainder goes to the right or the bottom."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _even_square(image: Pixels) -> Pixels:
    """For 4:2:2: a column range about the centre square that keeps pairs of pixels together."""
    height, width = image.shape[:2]
    side = min(height, width)
    left = (width - side) // 4 * 2
    top = (height - side) // 2
    return image[top : top + side, left : left + side + side % 2]


def resize(image: Pixels, resolution: int) -> Pixels:
    """Square resize: mean over the covered area when shrinking (antialiased), bilinear when enlarging."""
    side = image.shape[0]
    if side == resolution and image.shape[1] == resolution:
        return image
    method = cv2.INTER_AREA if side > resolution else cv2.INTER_LINEAR
    small: Pixels = cv2.resize(image, (resolution, resolution), interpolation=method)
    return small
