"""The frame path against the reference transform, for the compiled kernel and for what replaces it."""

from __future__ import annotations

import importlib
import threading

import cv2
import numpy as np
import pytest

from dynofa_ros.engine import frame_kernel
from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.image import ImageFrame, to_rgb
from dynofa_ros.engine.image_layout import LAYOUTS
from dynofa_ros.engine.preprocess import centre_square, prepare, resize_crop
from dynofa_ros.errors import InvalidImage
from frame_samples import even, frame_of, noise, reference, scene

MEAN, MAXIMUM = 2.0, 8.0
"""Of 255: what the reference transform and the frame path may differ."""
ENCODINGS = list(LAYOUTS)
PATHS = ["kernel", "library"]
SIZES = [
    (1, 1),
    (1, 500),
    (3, 2),
    (5, 9),
    (64, 64),
    (101, 77),
    (240, 320),
    (643, 480),
    (481, 643),
    (480, 640),
]
RESOLUTIONS = [64, 224, 100, 160]


@pytest.fixture(params=PATHS)
def path(request, monkeypatch) -> str:
    """Both implementations in turn; the second is what runs where nothing was compiled."""
    if request.param == "library":
        monkeypatch.setattr(frame_kernel, "load", lambda: None)
    elif not frame_kernel.available():
        pytest.skip(f"runs {frame_kernel.describe()}")
    return request.param


def check(got: np.ndarray, want: np.ndarray) -> None:
    difference = np.abs(got.astype(float) - want)
    assert difference.mean() <= MEAN
    assert difference.max() <= MAXIMUM


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("picture", [scene, noise])
def test_every_encoding_and_size_follows_the_reference(encoding, picture, path):
    for index, size in enumerate(SIZES):
        rgb = picture(*even(encoding, size))
        resolution = RESOLUTIONS[index % len(RESOLUTIONS)]
        frame = frame_of(rgb, encoding, padding=index % 3, big=index % 2 == 1)
        got = prepare(frame, resolution)
        assert got.shape == (1, resolution, resolution, 3)
        assert got.dtype == np.uint8
        assert got.flags.c_contiguous
        check(got[0], reference(to_rgb(frame), resolution))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_full_hd_scene_follows_the_reference(encoding, path):
    frame = frame_of(scene(1080, 1920), encoding)
    check(prepare(frame, 224)[0], reference(to_rgb(frame), 224))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "rgb16", "bgra16"])
def test_colours_that_are_stored_whole_come_back_whole(encoding, path):
    rgb = scene(120, 160)
    check(prepare(frame_of(rgb, encoding), 64)[0], reference(rgb, 64))


@pytest.mark.parametrize("resolution", [64, 100, 160, 224])
@pytest.mark.parametrize("size", [(48, 64), (480, 640), (1080, 1920), (643, 480)])
def test_torch_agrees(size, resolution, path):
    torch = pytest.importorskip("torch", reason="torch is not installed: its resize is the reference")
    rgb = noise(*size)
    top, left, side = centre_square(size[1], size[0])
    square = np.ascontiguousarray(rgb[top : top + side, left : left + side])
    planes = torch.from_numpy(square).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, (resolution,) * 2, mode="bilinear", antialias=True)
    check(resize_crop(rgb, resolution)[0], small[0].permute(1, 2, 0).numpy())


def test_torchvision_crops_the_same_square():
    torch = pytest.importorskip("torch")
    importlib.import_module("dynofa_ros.supernet.ofa_torch").allow_torchvision_without_operators()
    functional = pytest.importorskip("torchvision.transforms.functional")
    for height in range(1, 12):
        for width in range(1, 12):
            image = torch.arange(height * width).reshape(1, height, width)
            top, left, side = centre_square(width, height)
            want = functional.center_crop(image, [side, side])
            assert torch.equal(image[:, top : top + side, left : left + side], want)


def test_clipped_colours_are_clipped_before_they_are_averaged(path):
    """Brightness beyond BT.601's range, as many cameras send it: the reference converts first."""
    data = np.random.default_rng(3).integers(0, 256, 100 * 100 * 2, np.uint8)
    frame = ImageFrame(100, 100, "yuyv", 200, False, data)
    check(prepare(frame, 32)[0], reference(to_rgb(frame), 32))


def test_shrinking_averages_instead_of_skipping(path):
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    small = resize_crop(np.repeat(checkers[..., None], 3, 2), 64)
    assert np.abs(small.astype(int) - 127.5).max() <= 2


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 64), (200, 70), (4097, 4100)])
def test_a_plain_colour_stays_what_it_is(size, value, path):
    assert (resize_crop(np.full((*size, 3), value, np.uint8), 64) == value).all()


def test_the_centre_square_is_kept(path):
    rgb = np.zeros((100, 300, 3), np.uint8)
    rgb[:, 100:200] = 200
    assert (resize_crop(rgb, 50) == 200).all()


def test_a_jpeg_and_a_png_are_resized_like_what_they_decode_to(path):
    rgb = scene(240, 320)
    for suffix in (".jpg", ".png"):
        data = cv2.imencode(suffix, rgb[..., ::-1])[1].reshape(-1)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        check(prepare(CompressedFrame("", data), 96)[0], reference(decoded, 96))


def test_the_result_is_written_where_it_is_wanted(path):
    frame = frame_of(scene(60, 80), "bgr8")
    out = np.zeros((1, 32, 32, 3), np.uint8)
    assert prepare(frame, 32, out) is out
    assert np.array_equal(out, prepare(frame, 32))


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((1, 32, 31, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((1, 32, 64, 3), np.uint8)[:, :, ::2],
        np.frombuffer(bytes(32 * 32 * 3), np.uint8).reshape(1, 32, 32, 3),
    ],
    ids=["shape", "type", "strided", "read-only"],
)
def test_a_place_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match="out is"):
        prepare(frame_of(scene(60, 80), "bgr8"), 32, out)


def test_a_refused_frame_leaves_the_output_alone(path):
    out = np.full((1, 32, 32, 3), 7, np.uint8)
    frame = ImageFrame(60, 80, "bgr8", 180, False, np.zeros(180 * 80 - 1, np.uint8))
    with pytest.raises(InvalidImage):
        prepare(frame, 32, out)
    assert (out == 7).all()


def test_threads_do_not_disturb_each_other():
    frames = [frame_of(noise(40 + k, 50 + 3 * k, k), "rgb8", padding=k) for k in range(6)]
    wanted = [prepare(frame, 48 + 16 * k) for k, frame in enumerate(frames)]
    wrong: list[int] = []

    def work(offset: int) -> None:
        for turn in range(200):
            k = (turn + offset) % len(frames)
            if not np.array_equal(prepare(frames[k], 48 + 16 * k), wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
