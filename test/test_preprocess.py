from __future__ import annotations

import cv2
import numpy as np
import pytest

from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.preprocess import prepare, resize_crop


def scene(height: int, width: int) -> np.ndarray:
    """Smooth colours, so that resizing hardly depends on the kernel."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 127 + 120 * np.sin(x / 40), 127 + 120 * np.cos(y / 30)
    return np.stack([red, green, (red + green) / 2], -1).astype(np.uint8)


def frame_of(rgb: np.ndarray, encoding: str) -> ImageFrame:
    height, width = rgb.shape[:2]
    pixels = {
        "rgb8": lambda: rgb,
        "bgr8": lambda: rgb[..., ::-1],
        "bgra8": lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
        "yuv422_yuy2": lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_YUY2),
        "yuv422": lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_UYVY),
        "nv12": lambda: nv12(rgb),
    }[encoding]()
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)
    return ImageFrame(width, height, encoding, rows.shape[1], False, rows.reshape(-1))


def nv12(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    planar = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    luma, chroma = planar[: height * width], planar[height * width :].reshape(2, -1)
    return np.concatenate([luma, chroma.T.reshape(-1)]).reshape(-1, width)


def reference(rgb: np.ndarray, resolution: int) -> np.ndarray:
    """Exact area mean of the centre square, by integral images in float."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side].astype(np.float64)
    weights = np.zeros((resolution, side))
    edges = np.arange(resolution + 1) * side / resolution
    for row, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        cells = np.arange(side)
        weights[row] = np.clip(np.minimum(cells + 1, end) - np.maximum(cells, start), 0, 1)
    weights /= weights.sum(1, keepdims=True)
    return np.stack([weights @ square[..., c] @ weights.T for c in range(3)], -1)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "bgra8", "yuv422_yuy2", "yuv422", "nv12"])
@pytest.mark.parametrize("size", [(240, 320), (320, 240), (250, 334)])
def test_every_encoding_gives_the_same_small_picture(encoding, size):
    rgb = scene(*size)
    got = prepare(frame_of(rgb, encoding), 96)
    assert got.shape == (1, 96, 96, 3)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    difference = np.abs(got[0] - reference(rgb, 96))
    assert difference.mean() <= 2
    assert difference.max() <= 8


def test_shrinking_averages_instead_of_skipping():
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    small = resize_crop(np.repeat(checkers[..., None], 3, 2), 64)
    assert np.abs(small.astype(int) - 127.5).max() <= 1


def test_the_centre_square_is_kept():
    rgb = np.zeros((100, 300, 3), np.uint8)
    rgb[:, 100:200] = 200
    assert (resize_crop(rgb, 50) == 200).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2), (64, 64)])
def test_tiny_and_odd_shapes_become_full_inputs(size):
    image = np.full((*size, 3), 77, np.uint8)
    assert (resize_crop(image, 64) == 77).all()


def test_jpeg_and_raw_image_agree():
    rgb = scene(240, 320)
    jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].reshape(-1)
    difference = prepare(CompressedFrame("jpeg", jpeg), 96).astype(int) - prepare(frame_of(rgb, "rgb8"), 96)
    assert np.abs(difference).mean() <= 2
