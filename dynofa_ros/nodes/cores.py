"""Wakes a worker thread on another core than the one that wakes it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from types import TracebackType


def _core_getter() -> Callable[[], int] | None:
    """The C library's sched_getcpu; None where it has none."""
    try:
        return ctypes.CDLL(None).sched_getcpu  # type: ignore[no-any-return]
    except (AttributeError, OSError):
        return None


class WakeElsewhere:
    """While it is entered, `worker` is not placed on the core of the calling thread.

    The kernel likes to wake a thread on the core of whoever wakes it. A worker that then infers for
    milliseconds keeps that core, and the caller's next callback, a timer say, waits behind it although
    another core is idle; a virtual machine, whose sleeping cores pass for busy ones, does so most of the
    time. The worker may go anywhere again as soon as it has been woken, so that it never waits for a core
    that another process keeps busy. Does nothing on one core, or where the system cannot.
    """

    def __init__(self, worker: threading.Thread) -> None:
        self._worker = worker
        self._core = _core_getter() if hasattr(os, "sched_setaffinity") else None
        self._allowed: set[int] = set()

    def __enter__(self) -> None:
        self._allowed = set()
        number = self._worker.native_id
        if self._core is None or number is None:
            return
        try:
            allowed = os.sched_getaffinity(number)
            others = allowed - {self._core()}
            if others and others != allowed:
                os.sched_setaffinity(number, others)
                self._allowed = allowed
        except OSError:  # the worker has ended, or the system does not allow it
            return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._allowed and self._worker.native_id is not None:
            try:
                os.sched_setaffinity(self._worker.native_id, self._allowed)
            except OSError:  # the worker has ended
                return
