from __future__ import annotations

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


def png_bomb(width: int, height: int) -> bytes:
    """A few bytes that declare a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


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
