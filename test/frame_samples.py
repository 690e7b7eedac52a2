"""Frames in every encoding, and what they must become: written without the code under test."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.image_layout import LAYOUTS

RED_AT = {"rggb": (0, 0), "grbg": (0, 1), "gbrg": (1, 0), "bggr": (1, 1)}
"""Row and column of the first red pixel."""
REASONS = {
    "zero_size",
    "too_large",
    "invalid_encoding",
    "odd_size",
    "short_step",
    "truncated_data",
    "excess_data",
}
"""Why `validate` refuses an uncompressed image."""


@lru_cache(maxsize=32)
def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """RGB: gradients, discs and bars with hard edges, writing, some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], -1)
    rgb = np.ascontiguousarray(rgb.astype(np.uint8))
    for _ in range(12):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(rgb, centre, int(rng.integers(1, 2 + min(height, width) // 4)), colour, -1)
    cv2.putText(rgb, "dynofa", (1, height // 2), cv2.FONT_HERSHEY_SIMPLEX, height / 120, (255, 255, 255), 2)
    return np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def even(encoding: str, size: tuple[int, int]) -> tuple[int, int]:
    """The next size that the encoding can have."""
    height, width = size
    layout = LAYOUTS[encoding]
    return height + (height % 2 if layout.rows(2) == 3 else 0), width + (width % 2 if layout.paired else 0)


def frame_of(rgb: np.ndarray, encoding: str, padding: int = 0, big: bool = False) -> ImageFrame:
    """`rgb` in `encoding`, each row followed by `padding` bytes."""
    rows = encoded_rows(rgb, encoding, big)
    step = (rgb.shape[1] if encoding == "nv24" else rows.shape[1]) + padding
    if encoding == "nv24":
        rows = nv24_rows(rgb, step)
    data = np.full((rows.shape[0], step), 0xA5, np.uint8)
    data[:, : rows.shape[1]] = rows
    return ImageFrame(rgb.shape[1], rgb.shape[0], encoding, step, big, data.reshape(-1))


def encoded_rows(rgb: np.ndarray, encoding: str, big: bool) -> np.ndarray:
    """The rows' bytes, without padding."""
    if encoding.startswith("bayer"):
        samples = mosaic(rgb, encoding[6:10])
    elif encoding in ("nv12", "nv21"):
        return semiplanar(rgb, swapped=encoding == "nv21")
    elif encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        code = cv2.COLOR_RGB2YUV_UYVY if encoding in ("yuv422", "uyvy") else cv2.COLOR_RGB2YUV_YUY2
        samples = cv2.cvtColor(rgb, code)
    else:
        samples = packed(rgb, encoding)
    if LAYOUTS[encoding].itemsize == 2:
        samples = (samples.astype(np.uint16) * 257).astype(">u2" if big else "<u2")
    return np.ascontiguousarray(samples).view(np.uint8).reshape(rgb.shape[0], -1)


def packed(rgb: np.ndarray, encoding: str) -> np.ndarray:
    if encoding.startswith("mono") or encoding.endswith("C1"):
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    colours = rgb if encoding.startswith("rgb") else rgb[..., ::-1]
    if LAYOUTS[encoding].channels == 3:
        return colours
    return np.dstack([colours, np.full(rgb.shape[:2], 99, np.uint8)])


def semiplanar(rgb: np.ndarray, swapped: bool) -> np.ndarray:
    height, width = rgb.shape[:2]
    planar = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    luma, chroma = planar[: height * width], planar[height * width :].reshape(2, -1)
    colour = (chroma[::-1] if swapped else chroma).T.reshape(-1)
    return np.concatenate([luma, colour]).reshape(-1, width)


def nv24_rows(rgb: np.ndarray, step: int) -> np.ndarray:
    """Brightness, then U and V for each pixel in rows of twice the step."""
    height, width = rgb.shape[:2]
    red, green, blue = (rgb[..., c].astype(float) for c in range(3))
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    rows = np.full((3 * height, step), 0xA5, np.uint8)
    rows[:height, :width] = np.rint(luma)
    colour = rows[height:].reshape(height, 2 * step)
    colour[:, : 2 * width] = np.rint(np.stack([u, v], -1)).reshape(height, -1)
    return rows


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """One colour for each pixel, green where it is neither red's nor blue's turn."""
    row, column = RED_AT[pattern]
    samples = rgb[..., 1].copy()
    samples[row::2, column::2] = rgb[row::2, column::2, 0]
    samples[1 - row :: 2, 1 - column :: 2] = rgb[1 - row :: 2, 1 - column :: 2, 2]
    return samples


def centre(rgb: np.ndarray) -> np.ndarray:
    """torchvision's CenterCrop to the shorter side."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = round((height - side) / 2.0), round((width - side) / 2.0)
    return rgb[top : top + side, left : left + side]


def triangle_matrix(side: int, resolution: int) -> np.ndarray:
    """Weights of the antialiased bilinear resize, (resolution, side), from its definition."""
    scale = side / resolution
    support = max(scale, 1.0)
    distance = np.arange(side)[None, :] + 0.5 - (np.arange(resolution)[:, None] + 0.5) * scale
    weights = np.maximum(0.0, 1.0 - np.abs(distance) / support)
    return weights / weights.sum(1, keepdims=True)


def reference(rgb: np.ndarray, resolution: int) -> np.ndarray:
    """Crop and antialiased resize in float64: (resolution, resolution, 3)."""
    square = centre(rgb)
    weights = triangle_matrix(square.shape[0], resolution)
    return np.einsum("ys,stc,xt->yxc", weights, square.astype(float), weights, optimize=True)
