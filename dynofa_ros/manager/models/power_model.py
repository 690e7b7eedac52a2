"""Board power against clocks and busy time.

    P = base + sum_d P_d(f_d) + sum_e g_e(f_e) * (idle_e + busy_e * active_e)
    g_e(f) = (V_e(f) / V_e(f_max))^2 * f / f_max          dynamic CMOS power C V^2 f, relative to full clock
    V_e(f) / V_e(f_max) = v + (1 - v) * (f - f_min) / (f_max - f_min)      v = voltage_low, nominal

so active_e = C_e V_e(f_max)^2 f_max is what the wholly busy element adds at full clock. P_d is a table
per memory clock. One inference, whose clocked part takes t_k of its time t, costs above idle

    E = share * g_e(f) * active_e * (t_k + z_e * (t - t_k))     z_e: power while it waits for memory

Voltages are not published by NVIDIA: each board file says where its figures come from.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.operating_point import OperatingPoint

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ElementPower:
    """Power of one element at full clock [W] and how it falls with the clock."""

    element: str
    domain: str
    cores: int
    min_mhz: float
    max_mhz: float
    idle_w: float
    active_w: float
    voltage_low: float = 1.0
    stalled_share: float = 1.0
    """Active power while an inference does not compute (its part that no clock changes), as a share [1]."""

    def relative_voltage(self, f_mhz: FloatArray | float) -> FloatArray:
        """V(f) / V(f_max), linear in f, clamped to the table's ends."""
        span = max(self.max_mhz - self.min_mhz, 1e-9)
        place = np.minimum(np.maximum((np.asarray(f_mhz, dtype=float) - self.min_mhz) / span, 0.0), 1.0)
        return np.asarray(self.voltage_low + (1.0 - self.voltage_low) * place)

    def scale(self, f_mhz: FloatArray | float) -> FloatArray:
        """g(f), 1.0 at full clock; a clock that is not known counts as full."""
        f = np.asarray(f_mhz, dtype=float)
        f = np.where((f > 0.0) & (f < math.inf), f, self.max_mhz)
        return np.asarray(self.relative_voltage(f) ** 2 * f / self.max_mhz)

    def scale_at(self, f_mhz: float) -> float:
        """`scale` of one clock, in a fraction of the time."""
        if not 0.0 < f_mhz < math.inf:
            return 1.0
        place = (f_mhz - self.min_mhz) / max(self.max_mhz - self.min_mhz, 1e-9)
        voltage = self.voltage_low + (1.0 - self.voltage_low) * min(max(place, 0.0), 1.0)
        return voltage**2 * f_mhz / self.max_mhz


@dataclass(frozen=True)
class DomainPower:
    """Power of a domain that is not an element, e.g. memory: interpolated in a table of MHz and W."""

    domain: str
    mhz: tuple[float, ...]
    power_w: tuple[float, ...]

    def at(self, f_mhz: FloatArray | float) -> FloatArray:
        """P_d(f) [W]; a clock that is not known counts as the highest."""
        f = np.asarray(f_mhz, dtype=float)
        return np.asarray(np.interp(np.where(f > 0.0, f, self.mhz[-1]), self.mhz, self.power_w))

    def at_clock(self, f_mhz: float) -> float:
        """`at` of one clock, in a fraction of the time."""
        if not 0.0 < f_mhz < self.mhz[-1]:
            return self.power_w[-1]
        j = bisect_right(self.mhz, f_mhz) - 1
        if j < 0:
            return self.power_w[0]
        slope = (self.power_w[j + 1] - self.power_w[j]) / (self.mhz[j + 1] - self.mhz[j])
        return slope * (f_mhz - self.mhz[j]) + self.power_w[j]


@dataclass(frozen=True)
class BoardPowerModel:
    """The equation above with its parameters. Clocks may be numbers or equally shaped arrays [MHz]."""

    base_w: float
    elements: tuple[ElementPower, ...]
    domains: tuple[DomainPower, ...] = ()

    def idle_w(self, clocks: Mapping[str, FloatArray | float]) -> FloatArray:
        """Power with nothing busy [W]. Domains missing in `clocks` count as full clock."""
        total = np.asarray(self.base_w, dtype=float)
        for part_w in self.idle_parts_w(clocks):
            total = total + part_w
        return np.asarray(total)

    def idle_parts_w(self, clocks: Mapping[str, FloatArray | float]) -> Iterator[FloatArray]:
        """`idle_w` without the base: what each domain and each element draws with nothing busy [W]."""
        for domain in self.domains:
            yield domain.at(clocks.get(domain.domain, np.nan))
        for element in self.elements:
            yield np.asarray(element.idle_w * element.scale(clocks.get(element.domain, np.nan)))

    def active_w(self, element: str, clocks: Mapping[str, FloatArray | float]) -> FloatArray:
        """Power that `element`, wholly busy, adds [W]; 0 for an element the model does not know."""
        for candidate in self.elements:
            if candidate.element == element:
                scale = candidate.scale(clocks.get(candidate.domain, np.nan))
                return np.asarray(candidate.active_w * scale)
        return np.asarray(0.0)

    def power_w(self, clocks: Mapping[str, float], busy: Mapping[str, float]) -> float:
        """Board power [W] with the share `busy` (0..1) of each element in use."""
        total = self.base_w + sum([d.at_clock(clocks.get(d.domain, math.nan)) for d in self.domains])
        for element in self.elements:
            drawn_w = element.idle_w + busy.get(element.element, 0.0) * element.active_w
            total += drawn_w * element.scale_at(clocks.get(element.domain, math.nan))
        return total

    def energy_mj(
        self,
        point: OperatingPoint,
        clocks: Mapping[str, float],
        slowdown: float = 1.0,
        full_mhz: float = math.nan,
    ) -> float:
        """Energy of one inference above idle [mJ]: E of the equation above, stretched by `slowdown`.

        `full_mhz` is the reference of a point whose profile names none.
        """
        for element in self.elements:
            if element.element == point.element:
                active_w = element.active_w * element.scale_at(clocks.get(element.domain, math.nan))
                time_ms = point.time_ms(clocks, full_mhz)
                clocked_ms = min(point.clocked_at(clocks, full_mhz), time_ms)
                loaded_ms = clocked_ms + element.stalled_share * (time_ms - clocked_ms)
                return element_share(point, element.cores) * active_w * slowdown * loaded_ms
        return 0.0

    def loaded_ms(
        self, point: OperatingPoint, clocks: Mapping[str, FloatArray | float], full_mhz: float = math.nan
    ) -> FloatArray:
        """t_k + z (t - t_k) [ms]: how long an inference would load its element fully for the same energy."""
        time_ms = point.times_ms(clocks, full_mhz)
        z = next((e.stalled_share for e in self.elements if e.element == point.element), 1.0)
        if z == 1.0:
            return time_ms
        clocked_ms = np.minimum(point.clocked_time_ms(clocks, full_mhz), time_ms)
        return np.asarray(clocked_ms + z * (time_ms - clocked_ms))

    def share(self, point: OperatingPoint) -> float:
        """Share of its element that an inference of `point` occupies while it runs: threads / cores."""
        for element in self.elements:
            if element.element == point.element:
                return element_share(point, element.cores)
        return element_share(point, 0)


def element_share(point: OperatingPoint, cores: int) -> float:
    """Share of an element: threads / cores, at most 1; 1 where either has no meaning."""
    return min(1.0, point.threads / cores) if point.threads > 0 and cores > 0 else 1.0
