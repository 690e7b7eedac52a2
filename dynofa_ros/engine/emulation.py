"""Emulated clocks: real inference, stretched in time to what a simulated board's clock implies.

    inference_ms = measured_ms * (s * f_max / f + 1 - s)

s is the share of the time that scales with the clock: arithmetic and caches run at the core's clock, main
memory does not. Default 0.85: small convolutional networks mostly compute out of cache, but stream their
weights and wait for memory. For comparison, a published sweep of MobileNetV2 on an Orin Nano's GPU,
T = 3.158 / f[GHz] + 1.042 ms at EMC 3199 MHz, gives s = 0.75 at 1.02 GHz; a CPU hides more memory time in
its larger caches. It is an assumption, a parameter wherever it is used, and every time that is stretched
this way is labelled "emulated clocks".
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

DEFAULT_CLOCKED_FRACTION = 0.85
SPIN_S = 1e-4
"""A sleeping thread wakes late by tens of microseconds; the last part of a wait is spent awake."""


def stretch(clocked_fraction: float, f_mhz: float, f_max_mhz: float) -> float:
    """Time at clock `f_mhz` [MHz] over time at `f_max_mhz` [MHz], dimensionless."""
    return clocked_fraction * f_max_mhz / f_mhz + 1.0 - clocked_fraction


class ClockEmulation:
    """Stretches measured inference to the clock last set. Thread safe: board and worker threads share it."""

    def __init__(
        self,
        clocked_fraction: float = DEFAULT_CLOCKED_FRACTION,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        """`wait(seconds)` passes the extra time; `precise_wait` by default.

        Raises:
            ValueError: clocked_fraction outside 0..1.
        """
        if not 0.0 <= clocked_fraction <= 1.0:
            raise ValueError(f"clocked_fraction {clocked_fraction}: must be 0..1")
        self.clocked_fraction = clocked_fraction
        self._wait = wait or precise_wait
        self._lock = threading.Lock()
        self._stretch = 1.0
        self._known = False

    def set_clock(self, f_mhz: float, f_max_mhz: float) -> None:
        """The simulated clock and the clock of the measurement, both [MHz].

        Raises:
            ValueError: a clock that is not finite and positive; the previous one stays.
        """
        if not (math.isfinite(f_mhz) and math.isfinite(f_max_mhz) and f_mhz > 0.0 and f_max_mhz > 0.0):
            raise ValueError(f"clock {f_mhz} of {f_max_mhz} MHz: both must be finite and above 0")
        with self._lock:
            self._stretch = max(1.0, stretch(self.clocked_fraction, f_mhz, f_max_mhz))
            self._known = True

    def clear(self) -> None:
        """No clock is known any more: time runs as measured."""
        with self._lock:
            self._stretch, self._known = 1.0, False

    @property
    def active(self) -> bool:
        """Whether a simulated clock is in force."""
        with self._lock:
            return self._known

    @property
    def stretch(self) -> float:
        """Emulated over measured time at the clock in force, >= 1."""
        with self._lock:
            return self._stretch

    def wait_out(self, measured_s: float) -> float:
        """Pass the time that inference would still have taken at the emulated clock; the stretch applied."""
        factor = self.stretch
        if factor > 1.0:
            self._wait(measured_s * (factor - 1.0))
        return factor


def precise_wait(seconds: float) -> None:
    """Wait with the GIL released but for the last SPIN_S."""
    end_s = time.perf_counter() + seconds
    if seconds > SPIN_S:
        time.sleep(seconds - SPIN_S)
    while time.perf_counter() < end_s:
        pass
