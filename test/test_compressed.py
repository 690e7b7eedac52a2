from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.engine.compressed import CompressedFrame, declared_size, decode_compressed
from dynofa_ros.errors import InvalidImage

REASONS = {"invalid_encoding", "compressed_too_large", "corrupt_compressed"}


def gradient() -> np.ndarray:
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 3, y * 4, x + y], -1).astype(np.uint8)


def encoded(suffix: str) -> np.ndarray:
    return cv2.imencode(suffix, gradient())[1].reshape(-1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(header: bytes, raw: bytes, extra: bytes = b"") -> bytes:
    """A PNG of one data chunk; `extra` chunks before it."""
    data = chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that declare a huge picture."""
    return png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"")


SMALL = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
SMALL_RAW = b"\0" + bytes([200, 100, 50] * 2) + b"\0" + bytes([1, 2, 3] * 2)
SMALL_BGR = [[[50, 100, 200]] * 2, [[3, 2, 1]] * 2]


def refuse(data: bytes | np.ndarray) -> str:
    with pytest.raises(InvalidImage) as refused:
        decode_compressed(CompressedFrame("jpeg", np.frombuffer(bytes(data), np.uint8)))
    assert str(refused.value).isascii()
    return refused.value.reason


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 12)])
def test_pictures_come_back(suffix, tolerance):
    image = decode_compressed(CompressedFrame("bgr8; compressed", encoded(suffix)))
    assert np.abs(image.astype(int) - gradient().astype(int)).max() <= tolerance


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_declared_size_is_read_without_decoding(suffix):
    assert declared_size(memoryview(encoded(suffix))) == (64, 48)


def test_bombs_are_refused_by_their_declared_size():
    assert refuse(png_bomb(60_000, 60_000)) == "compressed_too_large"
    jpeg = encoded(".jpg").copy()
    at = bytes(jpeg).index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = 255
    assert refuse(jpeg) == "compressed_too_large"


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_picture_cut_short_is_corrupt(suffix, keep):
    data = encoded(suffix)
    assert refuse(data[: int(len(data) * keep)]) == "corrupt_compressed"


def test_other_formats_are_refused():
    assert refuse(b"") == "invalid_encoding"
    assert refuse(b"GIF89a") == "invalid_encoding"
    assert refuse(png_bomb(0, 5)) == "corrupt_compressed"


def test_zeros_after_the_end_of_a_jpeg_are_padding():
    data = np.concatenate([encoded(".jpg"), np.zeros(100, np.uint8)])
    assert decode_compressed(CompressedFrame("jpeg", data)).shape == (48, 64, 3)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([".png", ".jpg"]), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damage_never_gets_further_than_a_refusal(suffix, at, damage):
    data = bytearray(encoded(suffix).tobytes())
    at %= len(data)
    data[at : at + len(damage)] = damage
    try:
        image = decode_compressed(CompressedFrame("", np.frombuffer(bytes(data), np.uint8)))
    except InvalidImage as refused:
        assert refused.reason in REASONS
    else:
        assert image.ndim == 3


@pytest.mark.parametrize(
    ("mode", "colour", "bgr"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 0), (77, 77, 77)),
        ("P", (200, 100, 50), (50, 100, 200)),
        ("RGB", (200, 100, 50), (50, 100, 200)),
        ("RGBA", (200, 100, 50, 0), (50, 100, 200)),
        ("I;16", 30000, (117, 117, 117)),
    ],
)
def test_every_kind_of_png_becomes_eight_bit_colour(mode, colour, bgr):
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (5, 3), colour).quantize() if mode == "P" else image.new(mode, (5, 3), colour)
    file = io.BytesIO()
    picture.save(file, "png")
    got = decode_compressed(CompressedFrame("png", np.frombuffer(file.getvalue(), np.uint8)))
    assert got.shape == (3, 5, 3)
    assert (got == bgr).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("mode", "bgr"), [("L", (77, 77, 77)), ("RGB", (50, 100, 200)), ("CMYK", (190, 199, 207))]
)
def test_every_kind_of_jpeg_becomes_eight_bit_colour(mode, bgr, progressive):
    image = pytest.importorskip("PIL.Image")
    colour = {"L": 77, "RGB": (200, 100, 50), "CMYK": (10, 20, 30, 40)}[mode]
    file = io.BytesIO()
    image.new(mode, (16, 8), colour).save(file, "jpeg", progressive=progressive, quality=95)
    got = decode_compressed(CompressedFrame("jpeg", np.frombuffer(file.getvalue(), np.uint8)))
    assert np.abs(got.astype(int) - bgr).max() <= 3


def test_an_interlaced_png_is_read():
    """Adam7 of 2x2: the first pass has one pixel, the sixth and the seventh the rest."""
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 1)
    raw = b"\0" + bytes([200, 100, 50]) + b"\0" + bytes([200, 100, 50]) + SMALL_RAW[7:]
    assert decode_bytes(png(header, raw)).tolist() == SMALL_BGR


def decode_bytes(data: bytes) -> np.ndarray:
    return decode_compressed(CompressedFrame("", np.frombuffer(data, np.uint8)))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(4_000_000))) * 300,
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(1000))),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1000))),
        chunk(b"acTL", struct.pack(">II", 1_000_000, 0)),
        chunk(b"acTL", struct.pack(">II", 1, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 60000, 60000, 0, 0, 1, 1, 0, 0)),
        chunk(b"eXIf", b"II*\0" + b"\xff" * 40),
    ],
    ids=["300 inflating texts", "text", "profile", "animation", "huge animation", "exif"],
)
def test_what_a_png_carries_besides_its_picture_is_not_even_read(extra):
    assert decode_bytes(png(SMALL, SMALL_RAW, extra)).tolist() == SMALL_BGR


@pytest.mark.parametrize(
    "data",
    [
        png(SMALL, SMALL_RAW + bytes(50_000_000)),
        png(SMALL, SMALL_RAW[:-1]),
        png(SMALL, b""),
        png(SMALL, SMALL_RAW).replace(zlib.compress(SMALL_RAW)[-4:], b"abcd"),
        png(struct.pack(">IIBBBBB", 2, 2, 8, 5, 0, 0, 0), SMALL_RAW),
        png(struct.pack(">IIBBBBB", 2, 2, 3, 2, 0, 0, 0), SMALL_RAW),
        png(struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 9), SMALL_RAW),
        png(SMALL, SMALL_RAW, chunk(b"teXt", b"") * 70_000),
        png(SMALL, SMALL_RAW, struct.pack(">I", 0xFFFFFFFF) + b"teXt"),
        png(SMALL, SMALL_RAW)[:-12],
    ],
    ids=[
        "surplus",
        "short",
        "empty",
        "sum",
        "colour type",
        "depth",
        "interlace",
        "chunks",
        "length",
        "no end",
    ],
)
def test_a_png_that_does_not_keep_what_it_declares_is_corrupt(data):
    assert refuse(data) == "corrupt_compressed"


def test_a_jpeg_of_countless_scans_is_refused():
    data = cv2.imencode(".jpg", gradient(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data[data.rindex(b"\xff\xda") : -2]
    assert refuse(data[:-2] + last * 100 + data[-2:]) == "compressed_too_large"


@pytest.mark.parametrize("noise", [0, 60])
def test_large_pictures_are_the_same_as_opencv_decodes_them(noise):
    picture = np.random.default_rng(5).normal(120, noise, (301, 403, 3)).clip(0, 255).astype(np.uint8)
    data = cv2.imencode(".png", picture)[1].reshape(-1)
    assert np.array_equal(decode_compressed(CompressedFrame("png", data)), picture)
