"""Property: whatever a message holds, it is either viewed correctly or refused with a counted reason."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.engine.image import LAYOUTS, ImageFrame, to_rgb, validate
from dynofa_ros.errors import InvalidImage

REASONS = {
    "zero_size",
    "too_large",
    "invalid_encoding",
    "odd_size",
    "short_step",
    "truncated_data",
    "excess_data",
}


def make_frame(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False) -> ImageFrame:
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5)
    height = pixels.shape[0] * 2 // 3 if encoding == "nv12" else pixels.shape[0]
    return ImageFrame(pixels.shape[1], height, encoding, padded.shape[1], big, padded.reshape(-1))


def random_pixels(encoding: str, height: int, width: int) -> np.ndarray:
    layout = LAYOUTS[encoding]
    rows = height * 3 // 2 if layout.subsampled == "420" else height
    shape = (rows, width, layout.channels) if layout.channels > 1 else (rows, width)
    return np.random.default_rng(7).integers(0, 256**layout.itemsize, shape).astype(f"u{layout.itemsize}")


def reference_rgb(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Independent of the code under test where that is possible without OpenCV."""
    if encoding == "rgb8":
        return pixels
    if encoding in ("bgr8", "8UC3"):
        return pixels[..., ::-1]
    if encoding == "rgba8":
        return pixels[..., :3]
    if encoding == "bgra8":
        return pixels[..., 2::-1]
    if encoding in ("mono8", "8UC1"):
        return np.repeat(pixels[..., None], 3, 2)
    if encoding == "mono16":
        return np.repeat(np.rint(pixels / 257.0).astype(np.uint8)[..., None], 3, 2)
    return bt601(*planes(pixels, encoding))


def planes(pixels: np.ndarray, encoding: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Full-size Y, U, V of a 4:2:2 or 4:2:0 image, colour repeated."""
    if encoding == "nv12":
        height = pixels.shape[0] * 2 // 3
        colour = pixels[height:].reshape(height // 2, -1, 2).repeat(2, 0).repeat(2, 1)
        return pixels[:height], colour[..., 0], colour[..., 1]
    luma, chroma = (1, 0) if encoding in ("yuv422", "uyvy") else (0, 1)
    c = pixels[..., chroma]
    return pixels[..., luma], c[:, 0::2].repeat(2, 1), c[:, 1::2].repeat(2, 1)


def bt601(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    luma = 1.164 * np.maximum(0.0, y.astype(float) - 16)
    u, v = u.astype(float) - 128, v.astype(float) - 128
    rgb = np.stack([luma + 1.596 * v, luma - 0.813 * v - 0.391 * u, luma + 2.018 * u], -1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("encoding", list(LAYOUTS))
def test_every_encoding_is_read_as_its_colours_whatever_the_padding(encoding, padding):
    pixels = random_pixels(encoding, 10, 14)
    got = to_rgb(make_frame(pixels, encoding, padding))
    want = reference_rgb(pixels, encoding)
    tolerance = 2 if LAYOUTS[encoding].subsampled else 0
    assert got.shape == want.shape == (10, 14, 3)
    assert np.abs(got.astype(int) - want.astype(int)).max() <= tolerance


def test_rgb8_is_a_view_on_the_message():
    frame = make_frame(random_pixels("rgb8", 4, 6), "rgb8", padding=5)
    assert np.shares_memory(to_rgb(frame), frame.data)


def test_read_only_message_memory_is_enough():
    pixels = random_pixels("bgr8", 4, 6)
    frame = ImageFrame(6, 4, "bgr8", 18, False, np.frombuffer(pixels.tobytes(), np.uint8))
    assert np.array_equal(to_rgb(frame), pixels[..., ::-1])


def test_big_endian_depth_is_swapped():
    pixels = random_pixels("mono16", 4, 6)
    frame = make_frame(pixels.astype(">u2"), "mono16", big=True)
    assert np.array_equal(to_rgb(frame), to_rgb(make_frame(pixels, "mono16")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 0}, "zero_size"),
        ({"height": 0}, "zero_size"),
        ({"width": 4_000_000_000}, "too_large"),
        ({"width": 16000, "height": 16000}, "too_large"),
        ({"encoding": ""}, "invalid_encoding"),
        ({"encoding": "bayer_rggb8"}, "invalid_encoding"),
        ({"step": 11}, "short_step"),
        ({"step": 13}, "truncated_data"),
        ({"height": 2}, "excess_data"),
        ({"data": np.zeros(0, np.uint8)}, "truncated_data"),
    ],
)
def test_bad_fields_are_refused_by_reason(changes, reason):
    fields = {"width": 4, "height": 3, "encoding": "bgr8", "step": 12, "is_bigendian": False}
    frame = ImageFrame(**{**fields, "data": np.zeros(36, np.uint8), **changes})
    with pytest.raises(InvalidImage) as refused:
        validate(frame)
    assert refused.value.reason == reason


def test_odd_width_has_no_422():
    with pytest.raises(InvalidImage, match="5x2") as refused:
        validate(ImageFrame(5, 2, "yuv422", 10, False, np.zeros(20, np.uint8)))
    assert refused.value.reason == "odd_size"


@given(st.text(max_size=200))
def test_unknown_encodings_are_shown_escaped_and_cut(encoding):
    if encoding in LAYOUTS:
        return
    with pytest.raises(InvalidImage) as refused:
        validate(ImageFrame(2, 2, encoding, 6, False, np.zeros(12, np.uint8)))
    message = str(refused.value)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 700


frames = st.builds(
    ImageFrame,
    width=st.integers(-2, 40),
    height=st.integers(-2, 40),
    encoding=st.sampled_from([*LAYOUTS, "BGR8", "bgr8\0", ""]),
    step=st.integers(0, 200),
    is_bigendian=st.booleans(),
    data=st.integers(0, 4000).map(lambda n: np.arange(n, dtype=np.uint8)),
)


@settings(max_examples=500, deadline=None)
@given(frames)
def test_any_frame_is_read_or_refused_by_a_known_reason(frame):
    try:
        rgb = to_rgb(frame)
    except InvalidImage as refused:
        assert refused.reason in REASONS
    else:
        assert rgb.shape == (frame.height, frame.width, 3)
        assert rgb.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(LAYOUTS)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.data())
def test_a_consistent_frame_is_always_read_and_one_byte_less_never(encoding, h, w, padding, data):
    height, width = 2 * h, 2 * w
    frame = make_frame(random_pixels(encoding, height, width), encoding, padding)
    assert to_rgb(frame).shape == (height, width, 3)
    cut = data.draw(st.integers(1, frame.data.size))
    with pytest.raises(InvalidImage) as refused:
        to_rgb(ImageFrame(width, height, encoding, frame.step, False, frame.data[:-cut]))
    assert refused.value.reason == "truncated_data"


def test_opencv_agrees_on_the_order_of_yuy2_and_uyvy():
    grey = np.full((2, 4, 2), 128, np.uint8)
    for encoding, luma in (("yuv422_yuy2", 0), ("yuv422", 1)):
        pixels = grey.copy()
        pixels[..., luma] = [[16, 16, 235, 235]] * 2
        rgb = to_rgb(make_frame(pixels, encoding))
        assert cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).tolist() == [[0, 0, 255, 255]] * 2
