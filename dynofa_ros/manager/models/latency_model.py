"""Inference time against clocks, fitted from a profile: what an operating point carries.

    T(f) = max(k / f + b, m)        one triple per memory clock

k / f computes at the element's clock, b (launches, host, latency of memory) does not, and m is the floor that
the bandwidth of memory sets. k and b are the least squares of the relative error over the clocks
on the slope, k, b >= 0; m is the mean of those on the floor, the highest clocks. Where the slope ends is
chosen by trying: a floor needs two clocks or more, and must explain the data twice as well (rms). The form is
the one found on an Orin Nano (arXiv 2606.16106): T = k/f + b per memory clock, flat where memory bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.models.power_model import FloatArray
from dynofa_ros.manager.operating_point import OperatingPoint

LEAST_GAIN = 2.0
"""A floor must divide the rms of the relative error by this."""
FLAT = 0.04
"""Relative spread of times that may be one floor."""


@dataclass(frozen=True)
class LatencyFit:
    """T(f) = max(k_ms_ghz / f[GHz] + fixed_ms, floor_ms), and the rms of its relative error over the data."""

    k_ms_ghz: float
    fixed_ms: float
    floor_ms: float = 0.0
    rms: float = math.nan

    def time_ms(self, f_mhz: float) -> float:
        """T [ms] at the element's clock [MHz]."""
        return max(self.k_ms_ghz * 1e3 / f_mhz + self.fixed_ms, self.floor_ms)

    def scaled(self, factor: float) -> LatencyFit:
        """The same law for work that takes `factor` times as long."""
        parts = (self.k_ms_ghz * factor, self.fixed_ms * factor, self.floor_ms * factor)
        return LatencyFit(*parts, self.rms)

    def clocked_fraction(self, reference_mhz: float) -> float:
        """Share of k / f + b at `reference_mhz` that scales with 1 / f."""
        clocked_ms = self.k_ms_ghz * 1e3 / reference_mhz
        return clocked_ms / (clocked_ms + self.fixed_ms)


def fit_latency(samples: Iterable[tuple[float, float]], floor: bool = True) -> LatencyFit:
    """Fit (clock [MHz], time [ms]) pairs at one memory clock; without `floor` k / f + b alone.

    Of one clock measured several times the mean counts. One clock alone says nothing of the slope: all its
    time is k / f then, which holds at that clock and is too slow, never too fast, below it.

    Raises:
        RefusedMessage: no samples, or one that is not a positive number.
    """
    by_clock: dict[float, list[float]] = {}
    for f_mhz, time_ms in samples:
        if not (0.0 < f_mhz < math.inf and 0.0 < time_ms < math.inf):
            raise RefusedMessage(f"profile refused: {time_ms!r} ms at {f_mhz!r} MHz must both be > 0")
        by_clock.setdefault(f_mhz, []).append(time_ms)
    if not by_clock:
        raise RefusedMessage("profile refused: it has no samples")
    f_ghz = np.array(sorted(by_clock)) / 1e3
    time = np.array([np.mean(by_clock[f]) for f in sorted(by_clock)])
    best = _slope(f_ghz, time)
    for on_slope in range(len(time) - 2, 1, -1) if floor else ():
        candidate = _with_floor(f_ghz, time, on_slope)
        if candidate is not None and candidate.rms * LEAST_GAIN < best.rms:
            best = candidate
    return best


def _slope(f_ghz: FloatArray, time_ms: FloatArray) -> LatencyFit:
    """Least squares of (k / f + b) / T - 1 with k, b >= 0."""
    if len(time_ms) == 1:
        return LatencyFit(float(time_ms[0] * f_ghz[0]), 0.0, 0.0, 0.0)
    columns = np.stack([1.0 / f_ghz / time_ms, 1.0 / time_ms], axis=1)
    k, b = np.linalg.lstsq(columns, np.ones(len(time_ms)), rcond=None)[0]
    if k < 0.0:
        k, b = 0.0, float(np.sum(1.0 / time_ms) / np.sum(1.0 / time_ms**2))
    elif b < 0.0:
        k, b = float(np.sum(columns[:, 0]) / np.sum(columns[:, 0] ** 2)), 0.0
    return _judged(LatencyFit(float(k), float(b)), f_ghz, time_ms)


def _with_floor(f_ghz: FloatArray, time_ms: FloatArray, on_slope: int) -> LatencyFit | None:
    """The fit whose floor is reached after the lowest `on_slope` clocks; None where that is no floor."""
    flat = time_ms[on_slope:]
    floor_ms = float(np.mean(flat))
    if np.ptp(flat) > FLAT * floor_ms:
        return None
    slope = _slope(f_ghz[:on_slope], time_ms[:on_slope])
    return _judged(replace(slope, floor_ms=floor_ms), f_ghz, time_ms)


def _judged(fit: LatencyFit, f_ghz: FloatArray, time_ms: FloatArray) -> LatencyFit:
    errors = [fit.time_ms(f * 1e3) / t - 1.0 for f, t in zip(f_ghz, time_ms, strict=True)]
    return replace(fit, rms=float(np.sqrt(np.mean(np.square(errors)))))


def fit_memory_table(samples: Mapping[float, Sequence[tuple[float, float]]]) -> dict[float, LatencyFit]:
    """One fit per memory clock [MHz].

    Where only one clock of the element was measured, its slope is that of the next higher memory clock with
    more: the same work computes, and only the rest of the time belongs to memory.
    """
    fits = {memory_mhz: fit_latency(rows) for memory_mhz, rows in samples.items()}
    for memory_mhz in sorted(samples, reverse=True):
        clocks = {f_mhz for f_mhz, _ in samples[memory_mhz]}
        richer = [m for m in sorted(samples) if m > memory_mhz and len({f for f, _ in samples[m]}) > 1]
        if len(clocks) == 1 and richer:
            f_ghz, k = clocks.pop() / 1e3, fits[richer[0]].k_ms_ghz
            total_ms = fits[memory_mhz].k_ms_ghz / f_ghz
            k = min(k, total_ms * f_ghz)
            fits[memory_mhz] = LatencyFit(k, total_ms - k / f_ghz, 0.0, 0.0)
    return dict(sorted(fits.items()))


def with_law(
    point: OperatingPoint, fit: LatencyFit, clock_domain: str, reference_mhz: float
) -> OperatingPoint:
    """`point` with k / f + b alone, whatever the memory clock: `latency_ms` and `clocked_fraction`.

    Raises:
        RefusedMessage: the result contradicts itself.
    """
    return replace(
        point,
        latency_ms=fit.k_ms_ghz * 1e3 / reference_mhz + fit.fixed_ms,
        clock_domain=clock_domain,
        clocked_fraction=fit.clocked_fraction(reference_mhz),
        reference_mhz=reference_mhz,
    ).validated()


def with_memory_table(
    point: OperatingPoint,
    fits: Mapping[float, LatencyFit],
    clock_domain: str,
    reference_mhz: float,
    memory_domain: str,
) -> OperatingPoint:
    """`point` with the fits as its tables; `latency_ms` is what they say at the highest memory clock.

    Raises:
        RefusedMessage: the result contradicts itself.
    """
    rows = [fits[memory_mhz] for memory_mhz in sorted(fits)]
    return replace(
        point,
        latency_ms=rows[-1].time_ms(reference_mhz),
        clock_domain=clock_domain,
        clocked_fraction=rows[-1].clocked_fraction(reference_mhz),
        reference_mhz=reference_mhz,
        memory_domain=memory_domain,
        memory_mhz=tuple(sorted(fits)),
        clocked_ms=tuple(row.k_ms_ghz * 1e3 / reference_mhz for row in rows),
        fixed_ms=tuple(row.fixed_ms for row in rows),
        floor_ms=tuple(row.floor_ms for row in rows),
    ).validated()
