"""The frame path: one camera image to one network input, on one thread.

The compiled kernel against OpenCV's area resize (crop, resize, colour; a box, not the reference's triangle)
and against the reference transform in torch where torch is installed, interleaved; every encoding; JPEG and
PNG with their decoding; memory over thousands of frames.

    python benchmarks/bench_frame_path.py [--frames N] [--out FILE] [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import trange

from dynofa_ros.engine import frame_kernel, preprocess
from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.frame_filter import resize_square
from dynofa_ros.engine.image import ImageFrame, to_rgb
from dynofa_ros.engine.image_layout import LAYOUTS
from dynofa_ros.engine.preprocess import Frame, prepare
from harness import Part, Rounds, Target, at_least, at_most, contender_summary, interleave, round_ratios

Image = npt.NDArray[np.uint8]
Results = dict[str, Any]

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080)}
RESOLUTIONS = (224, 160, 64)
LIMIT_MS = {"640x480": 0.5, "1920x1080": 1.5}
ENCODINGS = (
    "rgb8",
    "bgra8",
    "mono8",
    "mono16",
    "yuv422",
    "yuv422_yuy2",
    "nv12",
    "nv21",
    "nv24",
    "bayer_rggb8",
)
DISTINCT = 4
"""Images that take turns, so that none stays in the first caches."""
MAX_GROWTH_KB = 256


def picture(width: int, height: int, seed: int) -> Image:
    """Gradients, discs and noise: uint8 (h, w, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)
    for _ in range(20):
        at, colour = rng.integers(0, [width, height]).tolist(), rng.integers(0, 256, 3).tolist()
        cv2.circle(image, at, int(rng.integers(2, height // 4)), colour, -1)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def frames(width: int, height: int, encoding: str) -> list[Frame]:
    """Images of one kind; beyond bgr8, JPEG and PNG their content means nothing, only their layout counts."""
    pictures = [picture(width, height, seed) for seed in range(DISTINCT)]
    if encoding in ("jpeg", "png"):
        encoded = [cv2.imencode(f".{encoding}", image)[1].reshape(-1) for image in pictures]
        return [CompressedFrame(encoding, data) for data in encoded]
    layout = LAYOUTS[encoding]
    step = width * layout.channels * layout.itemsize
    length = step * layout.rows(height)
    data = [np.resize(image.reshape(-1), length) for image in pictures]
    return [ImageFrame(width, height, encoding, step, False, pixels) for pixels in data]


def in_turn(work: Callable[[Any], object], items: list[Any]) -> Callable[[], object]:
    """A contender that takes the next item in each call."""
    turn: Iterator[Any] = itertools.cycle(items)
    return lambda: work(next(turn))


def without_kernel(frame: ImageFrame, resolution: int) -> Image:
    """What `prepare` does where nothing was compiled."""
    top, left, side = preprocess.centre_square(frame.width, frame.height)
    return resize_square(to_rgb(frame)[top : top + side, left : left + side], resolution)


def area_resize(frame: ImageFrame, resolution: int) -> Image:
    """OpenCV's fastest averaging resize of the same square, then the colour order."""
    top, left, side = preprocess.centre_square(frame.width, frame.height)
    square = frame.data.reshape(frame.height, frame.width, 3)[top : top + side, left : left + side]
    small = cv2.resize(square, (resolution, resolution), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def torch_resize(frame: ImageFrame, resolution: int) -> Any:
    """The reference transform: colour order, crop, antialiased bilinear resize of uint8."""
    import torch

    top, left, side = preprocess.centre_square(frame.width, frame.height)
    image = frame.data.reshape(frame.height, frame.width, 3)[top : top + side, left : left + side, ::-1]
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    size = (resolution, resolution)
    return torch.nn.functional.interpolate(planes, size, mode="bilinear", antialias=True)


def contenders(width: int, height: int, resolution: int) -> dict[str, Callable[[], object]]:
    """bgr8 through everything that is at hand."""
    images = frames(width, height, "bgr8")
    out = np.empty((1, resolution, resolution, 3), np.uint8)
    works: dict[str, Callable[[Any], object]] = {
        "dynofa": lambda frame: prepare(frame, resolution, out),
        "opencv_area": lambda frame: area_resize(frame, resolution),
        "without_kernel": lambda frame: without_kernel(frame, resolution),
    }
    if find_spec("torch"):
        works["torch_reference"] = lambda frame: torch_resize(frame, resolution)
    return {name: in_turn(work, images) for name, work in works.items()}


def compare(rounds: int) -> tuple[Results, list[Target]]:
    """Times of bgr8 by image size and resolution, with their ratios and targets."""
    results: Results = {}
    targets = []
    for name, (width, height) in SIZES.items():
        for resolution in RESOLUTIONS:
            title = f"bgr8 {name} to {resolution}"
            measured = interleave(
                contenders(width, height, resolution), rounds, settle=2, batch=5, title=title
            )
            results[title] = with_ratios(measured)
            if resolution == max(RESOLUTIONS):
                median_ms = results[title]["dynofa"]["median_ms"]
                targets.append(at_most(f"frame path, antialiased, {title}", median_ms, LIMIT_MS[name], "ms"))
                ratio = results[title]["opencv_area"]["times_dynofa"]
                targets.append(at_least(f"faster than OpenCV's area resize, {title}", ratio, 1.0, "x"))
    return results, targets


def with_ratios(measured: Rounds) -> Results:
    """Summaries, and how many times longer each takes than the frame path, as the median over rounds."""
    summaries: Results = {}
    for name in measured.times_ms:
        ratio = float(np.median(round_ratios(measured, name, "dynofa")))
        summaries[name] = {**contender_summary(measured, name), "times_dynofa": ratio}
    return summaries


def every_encoding(rounds: int) -> Results:
    """Times of `prepare` by encoding, at the largest resolution; JPEG and PNG include decoding."""
    resolution = max(RESOLUTIONS)
    out = np.empty((1, resolution, resolution, 3), np.uint8)
    results: Results = {}
    for name, (width, height) in SIZES.items():
        works = {
            encoding: in_turn(lambda frame: prepare(frame, resolution, out), frames(width, height, encoding))
            for encoding in ("bgr8", *ENCODINGS, "jpeg", "png")
        }
        measured = interleave(works, rounds, title=f"encodings {name}")
        results[name] = {encoding: contender_summary(measured, encoding) for encoding in works}
    return results


def resident_kb() -> float:
    """Resident memory of this process [kB]."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return float(line.split()[1])
    raise OSError("/proc/self/status has no VmRSS")


def growth(count: int) -> Results:
    """Memory after `count` frames of all sizes and resolutions less memory before [kB]."""
    images = [frame for size in SIZES.values() for frame in frames(*size, "bgr8")]
    outs = [np.empty((1, r, r, 3), np.uint8) for r in RESOLUTIONS]

    def run(turns: int) -> None:
        for turn in trange(turns, desc="memory", unit="frame"):
            out = outs[turn % len(outs)]
            prepare(images[turn % len(images)], out.shape[1], out)

    run(200)
    before_kb = resident_kb()
    run(count)
    resident = resident_kb() - before_kb
    tracemalloc.start()
    run(200)
    traced = tracemalloc.get_traced_memory()[0]
    run(count // 10)
    traced = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    return {"frames": count, "resident_growth_kb": resident, "traced_growth_kb": traced / 1024}


def use_one_thread() -> None:
    """In OpenCV, torch and numpy's linear algebra."""
    cv2.setNumThreads(1)
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    if find_spec("threadpoolctl"):
        import_module("threadpoolctl").threadpool_limits(1)


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """All of it."""
    use_one_thread()
    rounds = 8 if options.quick else options.rounds
    results, targets = compare(rounds)
    memory = growth(1000 if options.quick else options.frames)
    title = f"resident memory gained in {memory['frames']} frames"
    targets.append(at_most(title, memory["resident_growth_kb"], MAX_GROWTH_KB, "kB"))
    encodings = every_encoding(rounds)
    return {
        "implementation": frame_kernel.describe(),
        "bgr8": results,
        "encodings": encodings,
        "memory": memory,
    }, targets


part = Part("frame_path", __doc__, measure)
part.parser.add_argument("--rounds", type=int, default=40, help="interleaved rounds (default 40)")
part.parser.add_argument("--frames", type=int, default=20_000, help="frames of the memory test (20000)")

if __name__ == "__main__":
    sys.exit(part.main())
