"""The compiled kernel by itself: it checks what it is given, and never leaves the memory it is given."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dynofa_ros import compiled
from dynofa_ros.engine import frame_kernel
from dynofa_ros.engine.frame_kernel import MAX_JOBS, FrameKernel
from dynofa_ros.engine.image import ImageFrame, validate
from dynofa_ros.engine.image_layout import LAYOUTS
from dynofa_ros.engine.preprocess import centre_square, prepare
from frame_samples import REASONS, even, frame_of, noise

FUZZ = Path(__file__).with_name("frame_fuzz.py")


@pytest.fixture
def kernel() -> FrameKernel:
    loaded = frame_kernel.load()
    if loaded is None:
        pytest.skip(f"runs {frame_kernel.describe()}")
    return loaded


def job_for(kernel: FrameKernel, frame: ImageFrame, out: np.ndarray) -> ctypes.Structure:
    """A complete job, as `resize` makes it: a copy that a test may spoil."""
    resolution = out.shape[1]
    crop = centre_square(frame.width, frame.height)
    kernel.resize(frame, validate(frame), crop, resolution, out)
    return frame_kernel._Job.from_buffer_copy(kernel._prepare(frame, validate(frame), crop, resolution).job)


@pytest.mark.parametrize("encoding", list(LAYOUTS))
@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"width": 1 << 20},
        {"height": -5},
        {"resolution": 0},
        {"kind": 7},
        {"kind": -1},
        {"channels": 0},
        {"channels": 5},
        {"offset": (9, 9, 9)},
        {"offset": (-1, 0, 0)},
        {"top": -1},
        {"left": 1 << 30},
        {"side": 4097},
        {"side": 0},
        {"taps": 0},
        {"taps": 1 << 20},
        {"step": 1},
        {"step": 1 << 62},
        {"step": -64},
        {"data_bytes": 30},
        {"out_bytes": 16 * 16 * 3 - 1},
        {"scratch_bytes": 100},
    ],
    ids=str,
)
def test_a_job_that_does_not_fit_together_is_refused_untouched(kernel, encoding, changes):
    out = np.zeros((1, 16, 16, 3), np.uint8)
    frame = frame_of(noise(40, 30), encoding)
    job = job_for(kernel, frame, out)
    out[:] = 7
    assert kernel._resize(ctypes.byref(job)) == 0
    assert not (out == 7).all()
    out[:] = 7
    for name, value in changes.items():
        setattr(job, name, (ctypes.c_int32 * 3)(*value) if name == "offset" else value)
    assert kernel._resize(ctypes.byref(job)) != 0
    assert (out == 7).all()


@pytest.mark.parametrize("table", ["first", "count"])
@pytest.mark.parametrize("value", [-1, 31, 1 << 30])
def test_taps_that_point_outside_are_refused(kernel, table, value):
    out = np.zeros((1, 16, 16, 3), np.uint8)
    frame = frame_of(noise(40, 30), "rgb8")
    job = job_for(kernel, frame, out)
    wrong = np.full(16, value, np.int32)
    setattr(job, table, wrong.ctypes.data)
    assert kernel._resize(ctypes.byref(job)) != 0


def test_prepared_jobs_and_scratch_memory_stay_bounded(kernel):
    out = np.empty((1, 16, 16, 3), np.uint8)
    largest = frame_of(noise(90, 90), "rgb8")
    prepare(largest, 16, out)
    scratch = kernel._thread.scratch
    for turn in range(3 * MAX_JOBS):
        prepare(frame_of(noise(20 + turn % 60, 30), "rgb8"), 16, out)
    assert len(kernel._thread.jobs) <= MAX_JOBS
    assert kernel._thread.scratch is scratch


@pytest.mark.parametrize("encoding", list(LAYOUTS))
def test_extreme_shapes_go_through(kernel, encoding):
    for size in [(1, 4000), (4000, 1), (2, 3), (3, 3), (4, 2), (33, 32)]:
        frame = frame_of(noise(*even(encoding, size)), encoding, padding=1)
        assert prepare(frame, 33).shape == (1, 33, 33, 3)


def test_a_hundred_thousand_messages_are_prepared_or_refused_by_name():
    """In another process, whose messages end at unreadable pages; see frame_fuzz.py."""
    command = [sys.executable, str(FUZZ), "100000", "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    ends = json.loads(done.stdout)
    compared = ends.pop("compared")
    assert sum(ends.values()) == 100_000
    assert set(ends) == {"prepared"} | REASONS
    assert min(ends.values()) >= 300
    assert ends["prepared"] >= 40_000
    assert compared >= 100


def test_a_library_that_is_another_one_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "_frame_kernel.so").write_bytes(b"not a library")
    monkeypatch.setattr(compiled, "_files", lambda *_: iter([tmp_path / "_frame_kernel.so"]))
    frame_kernel._loaded.cache_clear()
    try:
        assert not frame_kernel.available()
        assert "_frame_kernel.so does not load" in frame_kernel.describe()
    finally:
        frame_kernel._loaded.cache_clear()
