"""What an operating point takes at other clocks, as one profile measured it, and the law fitted to that.

In the profile file, beside a point's other values, absent without a sweep:

    sweep: {board, emulated, clock_domain, memory_domain,
            times: [{clock_mhz, memory_mhz, latency_ms, n}]}

`memory_domain` is "" and `memory_mhz` null where the board shows no memory clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dynofa_ros.engine.profile_fields import positive, require, text
from dynofa_ros.manager.models.latency_model import (
    LatencyFit,
    fit_latency,
    fit_memory_table,
    with_law,
    with_memory_table,
)
from dynofa_ros.manager.operating_point import OperatingPoint


@dataclass(frozen=True)
class ClockTime:
    """Median of `n` inferences [ms] at a clock of the element and one of the memory [MHz], NaN: not shown."""

    clock_mhz: float
    memory_mhz: float
    latency_ms: float
    n: int


@dataclass(frozen=True)
class ClockSweep:
    """Times of one operating point at two clocks of its element or more.

    `emulated`: the clocks were those of a simulated board, to which inference was stretched.
    """

    board: str
    emulated: bool
    clock_domain: str
    memory_domain: str
    times: tuple[ClockTime, ...]

    @property
    def highest(self) -> ClockTime:
        """At the highest clock of the element, of those at the highest clock of memory."""
        return max(self.times, key=lambda t: (t.memory_mhz if self.memory_domain else 0.0, t.clock_mhz))

    def fits(self) -> dict[float, LatencyFit]:
        """The fitted law by memory clock [MHz]; by NaN, and without a floor, where none is shown."""
        if not self.memory_domain:
            return {math.nan: fit_latency(((t.clock_mhz, t.latency_ms) for t in self.times), floor=False)}
        samples: dict[float, list[tuple[float, float]]] = {}
        for time in self.times:
            samples.setdefault(time.memory_mhz, []).append((time.clock_mhz, time.latency_ms))
        return fit_memory_table(samples)

    @property
    def rms(self) -> float:
        """Relative error of the worst of the fits over its own data [1]."""
        return max(fit.rms for fit in self.fits().values())

    def on(self, point: OperatingPoint) -> OperatingPoint:
        """`point` with the fitted law instead of its `latency_ms`, which was measured at the highest clocks.

        The law is scaled by what that and the sweep's own measurement there differ by; the 95th percentile
        keeps its ratio to the median. A table by memory clock only where it says more: several memory clocks,
        or a floor.

        Raises:
            RefusedMessage: the result contradicts itself.
        """
        reference_mhz = self.highest.clock_mhz
        factor = point.latency_ms / self.highest.latency_ms
        fits = {memory_mhz: fit.scaled(factor) for memory_mhz, fit in self.fits().items()}
        last = list(fits.values())[-1]
        full_ms = last.time_ms(reference_mhz)
        point = replace(point, latency_p95_ms=full_ms * (point.latency_p95_ms / point.latency_ms))
        if len(fits) == 1 and last.floor_ms == 0.0:
            return with_law(point, last, self.clock_domain, reference_mhz)
        return with_memory_table(point, fits, self.clock_domain, reference_mhz, self.memory_domain)


def written(sweep: ClockSweep) -> dict[str, Any]:
    """As JSON has it."""
    times = [{**asdict(t), "memory_mhz": t.memory_mhz if sweep.memory_domain else None} for t in sweep.times]
    return {**asdict(sweep), "times": times}


def read_sweep(path: Path, where: str, value: object) -> ClockSweep | None:
    """The sweep in a profile file; None where the point has none. ConfigError where it is malformed."""
    if value is None:
        return None
    require(isinstance(value, dict), path, where, value, "must be an object")
    assert isinstance(value, dict)
    emulated, memory_domain, items = value.get("emulated"), value.get("memory_domain"), value.get("times")
    require(isinstance(emulated, bool), path, f"{where}.emulated", emulated, "must be true or false")
    require(
        isinstance(memory_domain, str), path, f"{where}.memory_domain", memory_domain, "must be a name or ''"
    )
    require(isinstance(items, list), path, f"{where}.times", items, "must be a list")
    times = tuple(
        _time(path, f"{where}.times[{index}]", item, bool(memory_domain))
        for index, item in enumerate(items or ())
    )
    clocks = {time.clock_mhz for time in times}
    require(len(clocks) > 1, path, f"{where}.times", sorted(clocks), "must have two clocks or more")
    board, domain = text(path, where, "board", value), text(path, where, "clock_domain", value)
    return ClockSweep(board, bool(emulated), domain, str(memory_domain), times)


def _time(path: Path, where: str, item: object, with_memory: bool) -> ClockTime:
    require(isinstance(item, dict), path, where, item, "must be an object")
    assert isinstance(item, dict)
    values: Mapping[str, Any] = item
    memory_mhz = positive(path, where, "memory_mhz", values) if with_memory else math.nan
    clock_mhz, latency_ms, n = (
        positive(path, where, key, values) for key in ("clock_mhz", "latency_ms", "n")
    )
    return ClockTime(clock_mhz, memory_mhz, latency_ms, int(n))
