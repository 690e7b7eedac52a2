"""The compiled part of the frame path, src/frame_kernel.cpp, loaded with ctypes: it runs without the GIL.

It is optional. Without it preprocess.py does the same with OpenCV and numpy, several times slower.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dynofa_ros.compiled import load_library
from dynofa_ros.engine.frame_filter import triangle_taps
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.image_layout import Layout

LIBRARY = "_frame_kernel"
MAX_JOBS = 32
"""Prepared combinations of image and resolution that each thread keeps."""
_STATUS = ("done", "size", "layout", "crop", "table", "data bytes", "scratch bytes", "output bytes")


class _Job(ctypes.Structure):
    """`DynofaFrameJob` of src/frame_kernel.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("data", "out", "scratch", "first", "count", "weights")),
        *((name, ctypes.c_int64) for name in ("data_bytes", "out_bytes", "scratch_bytes", "step")),
        *(
            (name, ctypes.c_int32)
            for name in ("width", "height", "top", "left", "side", "resolution", "taps")
        ),
        *((name, ctypes.c_int32) for name in ("kind", "channels")),
        ("offset", ctypes.c_int32 * 3),
        ("big_endian", ctypes.c_int32),
    )


class _Prepared:
    """A job that lacks the addresses of image and output; keeps alive what it points to."""

    def __init__(
        self, frame: ImageFrame, layout: Layout, crop: tuple[int, int, int], resolution: int
    ) -> None:
        top, left, side = crop
        taps = triangle_taps(side, resolution)
        self.taps = taps
        self.job = _Job(
            first=taps.first.ctypes.data,
            count=taps.count.ctypes.data,
            weights=taps.fractions.ctypes.data,
            step=frame.step,
            width=frame.width,
            height=frame.height,
            top=top,
            left=left,
            side=side,
            resolution=resolution,
            taps=taps.fractions.shape[1],
            kind=int(layout.kind),
            channels=layout.channels,
            offset=(ctypes.c_int32 * 3)(*layout.offset),
            big_endian=frame.is_bigendian,
        )


class _Thread(threading.local):
    """Prepared jobs, newest last, and scratch memory that only grows to the largest of them."""

    def __init__(self) -> None:
        self.jobs: OrderedDict[tuple[object, ...], _Prepared] = OrderedDict()
        self.scratch = np.empty(0, np.uint8)


class FrameKernel:
    """The library's functions. May be called from any thread."""

    def __init__(self, file: Path) -> None:
        """Load the library. OSError or AttributeError where it does not load or is another one."""
        library = ctypes.CDLL(str(file))
        self._resize = library.dynofa_frame_resize
        self._scratch_bytes = library.dynofa_frame_scratch_bytes
        self._scratch_bytes.restype = ctypes.c_int64
        isa = library.dynofa_frame_isa
        isa.restype = ctypes.c_char_p
        self.instruction_set = str(isa().decode())
        self.file = file
        self._thread = _Thread()

    def resize(
        self,
        frame: ImageFrame,
        layout: Layout,
        crop: tuple[int, int, int],
        resolution: int,
        out: npt.NDArray[np.uint8],
    ) -> None:
        """Resize `crop` (top, left, side) of a frame that has passed `validate` into `out` (1, r, r, 3).

        Raises:
            RuntimeError: the kernel's own checks refuse what should have been checked before: a defect.
        """
        job = self._prepare(frame, layout, crop, resolution).job
        data = np.ascontiguousarray(frame.data)
        job.data, job.data_bytes = data.ctypes.data, data.nbytes
        job.out, job.out_bytes = out.ctypes.data, out.nbytes
        job.scratch, job.scratch_bytes = self._thread.scratch.ctypes.data, self._thread.scratch.nbytes
        status = self._resize(ctypes.byref(job))
        if status:
            raise RuntimeError(
                f"frame kernel refuses {_STATUS[status]} of {frame.width}x{frame.height} {layout}"
            )

    def _prepare(
        self, frame: ImageFrame, layout: Layout, crop: tuple[int, int, int], resolution: int
    ) -> _Prepared:
        """The job for such a frame, from this thread's recent ones where it is among them."""
        jobs = self._thread.jobs
        key = (layout, frame.width, frame.height, frame.step, frame.is_bigendian, crop, resolution)
        prepared = jobs.get(key)
        if prepared is not None:
            jobs.move_to_end(key)
            return prepared
        prepared = jobs[key] = _Prepared(frame, layout, crop, resolution)
        needed = self._scratch_bytes(ctypes.byref(prepared.job))
        if needed > self._thread.scratch.nbytes:
            self._thread.scratch = np.empty(needed, np.uint8)
        if len(jobs) > MAX_JOBS:
            jobs.popitem(last=False)
        return prepared


@lru_cache(maxsize=1)
def _loaded() -> tuple[FrameKernel | None, str]:
    """The kernel, and what to tell people."""
    kernel, problem = load_library(LIBRARY, "engine", FrameKernel)
    return (
        kernel,
        f"compiled kernel ({kernel.instruction_set})" if kernel else f"OpenCV and numpy ({problem})",
    )


def load() -> FrameKernel | None:
    """The kernel, or None where it was not built."""
    return _loaded()[0]


def available() -> bool:
    """Whether frames go through the compiled kernel."""
    return load() is not None


def describe() -> str:
    """Which implementation prepares frames, and why not the compiled one, for logs and diagnostics."""
    return _loaded()[1]
