"""Points x clocks as one list: the configurations that ALERT and POET choose from.

For a point s on element e with its clock at f, from profile and board file:

    t = L(s, e, f)      P_idle = P(f, nothing busy)      P_run = P_idle + share * P_active,e(f)

The clock of a domain that cannot be set is the one in force; domains that the point does not compute on are
the kernel's and count as idling at their lowest clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.operating_point import FloatArray, OperatingPoint
from dynofa_ros.simulation.policies.roster import writable_tables
from dynofa_ros.simulation.world.policy import World


class Configuration(NamedTuple):
    """One point at one clock of its domain."""

    point: OperatingPoint
    clocks: Mapping[str, float]
    """The clock to be pinned [MHz]; empty where the point's domain cannot be set."""
    time_ms: float
    run_w: float
    """Board power while it infers."""
    idle_w: float
    """Board power between its frames, the clock still pinned."""

    def energy_mj(self, time_ms: float, period_ms: float) -> float:
        """Board energy of one period: run_w * t + idle_w * (T - t), never less than no idling."""
        return self.run_w * time_ms + self.idle_w * max(period_ms - time_ms, 0.0)


class Catalogue:
    """All configurations of one application; worked out anew when a clock that nobody can set changes."""

    def __init__(self, points: Sequence[OperatingPoint]) -> None:
        self._points = points
        self._fixed: dict[str, float] | None = None
        self._all: list[Configuration] = []

    def below(self, world: World, caps: Mapping[str, float]) -> list[Configuration]:
        """Those whose clock is not above its domain's cap [MHz]; of each point at least the slowest."""
        tables = writable_tables(world.spec)
        clocks = world.clocks()
        fixed = {domain: mhz for domain, mhz in clocks.items() if domain not in tables}
        if fixed != self._fixed:
            self._fixed = fixed
            self._all = configurations(self._points, tables, world.spec.power, clocks)
        lowest = {domain: table[0] for domain, table in tables.items()}
        limits = {domain: max(mhz * 1.0001, lowest.get(domain, 0.0)) for domain, mhz in caps.items()}
        return [c for c in self._all if all(mhz <= limits.get(d, mhz) for d, mhz in c.clocks.items())]


def configurations(
    points: Sequence[OperatingPoint],
    tables: Mapping[str, Sequence[float]],
    power: BoardPowerModel,
    clocks: Mapping[str, float],
) -> list[Configuration]:
    """All of them. `tables`: clocks of each domain that may be set [MHz]; `clocks`: all as read."""
    resting = {**clocks, **{domain: table[0] for domain, table in tables.items()}}
    return [c for point in points for c in _of_point(point, tables, resting, power)]


def pareto(
    items: Sequence[Configuration], costs: Callable[[Configuration], tuple[float, ...]]
) -> list[Configuration]:
    """Those that no other undercuts or equals in every cost; of equal ones the first stays."""
    kept: list[tuple[tuple[float, ...], Configuration]] = []
    for cost, item in sorted(((costs(item), item) for item in items), key=lambda pair: pair[0]):
        if not any(all(a <= b for a, b in zip(other, cost, strict=True)) for other, _ in kept):
            kept.append((cost, item))
    return [item for _, item in kept]


def _of_point(
    point: OperatingPoint,
    tables: Mapping[str, Sequence[float]],
    resting: Mapping[str, float],
    power: BoardPowerModel,
) -> list[Configuration]:
    domain = point.clock_domain
    pins: list[dict[str, float]] = [{domain: mhz} for mhz in tables[domain]] if domain in tables else [{}]
    mhz = np.array([pin.get(domain, math.nan) for pin in pins])
    clocks: dict[str, FloatArray | float] = {**resting, **({domain: mhz} if domain in tables else {})}
    times_ms = np.broadcast_to(point.times_ms(clocks), mhz.shape)
    idle_w = np.broadcast_to(power.idle_w(clocks), mhz.shape)
    active_w = power.share(point) * power.active_w(point.element, clocks)
    run_w = idle_w + active_w * power.loaded_ms(point, clocks) / times_ms
    return [
        Configuration(point, pin, *values)
        for pin, values in zip(pins, np.stack([times_ms, run_w, idle_w], axis=1).tolist(), strict=True)
    ]
