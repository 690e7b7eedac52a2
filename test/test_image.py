"""Property: whatever a message holds, it is either viewed correctly or refused with a counted reason."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.engine.image import ImageFrame, to_rgb, use_converter, validate
from dynofa_ros.engine.image_layout import LAYOUTS, Kind
from dynofa_ros.engine.preprocess import prepare
from dynofa_ros.errors import InvalidImage
from frame_samples import REASONS


def make_frame(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False) -> ImageFrame:
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5)
    height = pixels.shape[0] * 2 // LAYOUTS[encoding].rows(2)
    if encoding == "nv24":  # rows of colour are twice as long, so their padding comes after two rows
        padded[height:] = 0xA5
        colour = padded[height:].reshape(height, -1)
        colour[:, : 2 * pixels.shape[1]] = rows[height:].reshape(height, -1)
    return ImageFrame(pixels.shape[1], height, encoding, padded.shape[1], big, padded.reshape(-1))


def random_pixels(encoding: str, height: int, width: int) -> np.ndarray:
    layout = LAYOUTS[encoding]
    rows = layout.rows(height)
    shape = (rows, width, layout.channels) if layout.channels > 1 else (rows, width)
    return np.random.default_rng(7).integers(0, 256**layout.itemsize, shape).astype(f"u{layout.itemsize}")


def reference_rgb(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Independent of the code under test."""
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257.0).astype(np.uint8)
    if encoding.startswith("bayer"):
        return demosaic(pixels, encoding[6:10])
    if encoding.startswith("rgb"):
        return pixels[..., :3]
    if encoding.startswith("bgr") or encoding.endswith(("C3", "C4")):
        return pixels[..., 2::-1]
    if encoding.startswith("mono") or encoding.endswith("C1"):
        return np.repeat(pixels[..., None], 3, 2)
    return bt601(*planes(pixels, encoding))


def demosaic(samples: np.ndarray, pattern: str) -> np.ndarray:
    """Each colour is the mean of the pixels of that colour among the nine around; the border copies."""
    height, width = samples.shape
    colour = np.empty((height, width), int)
    for row in range(height):
        for column in range(width):
            colour[row, column] = "rgb".index(pattern[row % 2 * 2 + column % 2])
    result = np.zeros((height, width, 3), np.uint8)
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            near = np.s_[row - 1 : row + 2, column - 1 : column + 2]
            for c in range(3):
                values = samples[near][colour[near] == c].astype(int)
                own = colour[row, column] == c
                result[row, column, c] = (
                    samples[row, column] if own else (values.sum() * 2 // len(values) + 1) // 2
                )
    result[[0, -1]] = result[[1, -2]]
    result[:, [0, -1]] = result[:, [1, -2]]
    return result


def planes(pixels: np.ndarray, encoding: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Full-size Y, U, V of a 4:2:2, 4:2:0 or 4:4:4 image, colour repeated."""
    if encoding == "nv24":
        height, width = pixels.shape[0] // 3, pixels.shape[1]
        colour = pixels[height:].reshape(height, width, 2)
        return pixels[:height], colour[..., 0], colour[..., 1]
    if encoding in ("nv12", "nv21"):
        height = pixels.shape[0] * 2 // 3
        colour = pixels[height:].reshape(height // 2, -1, 2).repeat(2, 0).repeat(2, 1)
        u, v = (0, 1) if encoding == "nv12" else (1, 0)
        return pixels[:height], colour[..., u], colour[..., v]
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
    tolerance = 0 if LAYOUTS[encoding].kind in (Kind.PACKED8, Kind.PACKED16) else 2
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
        ({"encoding": "bayer_rggb12"}, "invalid_encoding"),
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
    assert len(message) < 800


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


def thermal(frame: ImageFrame) -> np.ndarray | None:
    """A converter of one encoding of its own: float32 grey from 0 to 1."""
    if frame.encoding != "32FC1":
        return None
    grey = np.ndarray((frame.height, frame.width), np.float32, frame.data, 0, (frame.step, 4))
    return np.repeat((grey * 255).astype(np.uint8)[..., None], 3, 2)


@pytest.fixture
def converter():
    yield use_converter
    use_converter(None)


def test_a_converter_reads_what_the_package_does_not_know(converter):
    grey = np.array([[0.0, 0.5], [1.0, 0.25]], np.float32)
    frame = ImageFrame(2, 2, "32FC1", 8, False, grey.view(np.uint8).reshape(-1))
    with pytest.raises(InvalidImage, match="32FC1"):
        to_rgb(frame)
    converter(thermal)
    assert to_rgb(frame)[..., 0].tolist() == [[0, 127], [255, 63]]
    assert (prepare(frame, 2)[0, ..., 1] == [[0, 127], [255, 63]]).all()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: None, "invalid_encoding"),
        (lambda _: np.zeros((1, 1, 3), np.uint8), "conversion_failed"),
        (lambda _: np.zeros((2, 2, 3), np.float32), "conversion_failed"),
        (lambda _: 1 // 0, "conversion_failed"),
    ],
    ids=["does not know", "wrong size", "wrong type", "raises"],
)
def test_a_converter_that_fails_refuses_the_frame(converter, answer, reason):
    converter(answer)
    with pytest.raises(InvalidImage) as refused:
        prepare(ImageFrame(2, 2, "\x1b[31m", 8, False, np.zeros(16, np.uint8)), 2)
    assert refused.value.reason == reason
    assert str(refused.value).isprintable()


def test_a_converter_sees_only_frames_whose_length_is_right(converter):
    converter(lambda frame: pytest.fail("asked"))
    with pytest.raises(InvalidImage) as refused:
        to_rgb(ImageFrame(2, 2, "32FC1", 8, False, np.zeros(15, np.uint8)))
    assert refused.value.reason == "truncated_data"


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (5, 2)])
@pytest.mark.parametrize("encoding", ["bayer_rggb8", "bayer_bggr16"])
def test_a_mosaic_too_small_for_colours_is_grey(encoding, size):
    pixels = random_pixels(encoding, *size)
    grey = random_pixels("mono8" if encoding.endswith("8") else "mono16", *size)
    assert np.array_equal(to_rgb(make_frame(pixels, encoding)), reference_rgb(grey, "mono8"))
