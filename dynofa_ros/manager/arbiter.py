"""The arbiter: one operating point per application and one clock setting, chosen together and exactly.

    predicted latency   L(p, f) = overhead_q + slowdown_q * latency_ms(p) * (s * f_ref / f + 1 - s)
    busy                U(p, f) = slowdown * latency_ms(p) * (s * f_ref / f + 1 - s) / period
    power               P = idle(f) + sum_e background_e * active_e(f) + sum_a min(U, 1) * share * active_e(f)
    temperature         Tj(t + h) = offset + slope * P

Every combination of points and clocks is ranked by these terms, each only among those that are equal
in all before it. Read downwards it is also the order in which things give way, last first, when not
everything can be had:

    1. points forbidden by the minimum dwell or by stale telemetry    (clock caps hold always)
    2. board power above the smallest budget [W]
    3. predicted temperature above trip - margin [degC]
    4. busy time above the limit: per element, and per application against its period
    5. by falling priority: applications that miss their latency target, then by how much
    6. by falling priority: applications below their accuracy floor, then by how much
    7. moves up (a higher point, a lower clock) that would use up the margin
    8. by falling priority: accuracy of the applications whose objective is MAX_ACCURACY
    9. board power (without a power model: busy time)
   10. accuracy of the others, lower clocks, smaller index

So MIN_ENERGY applications take the least power that is left once the constraints hold and the
MAX_ACCURACY ones have their accuracy. Given clocks, applications couple only through busy time,
power and heat, so all sums are outer sums of small tables (settings, points).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.power_model import FloatArray
from dynofa_ros.manager.problem import ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import Objective
from dynofa_ros.manager.tables import ApplicationTable, Settings
from dynofa_ros.manager.thinning import thinned

TOLERANCE = 1e-9
MAX_COMBINATIONS = 1_000_000

IndexArray = npt.NDArray[np.intp]


def arbitrate(problem: ArbiterInput, max_combinations: int = MAX_COMBINATIONS) -> ArbiterResult:
    """The best combination by the order above.

    Above `max_combinations` the clock tables are thinned evenly, their ends kept, and the result says
    `exact=False`. With no application it returns the lowest clocks.
    """
    clocks = thinned(problem, max_combinations)
    exact = clocks == problem.clocks
    search = _Search.of(problem if exact else replace(problem, clocks=clocks))
    best = search.best()
    return replace(search.result(search.kept_incumbent(best)), exact=exact)


@dataclass(frozen=True)
class _Search:
    problem: ArbiterInput
    settings: Settings
    tables: tuple[ApplicationTable, ...]
    background_w: FloatArray
    """Power without the applications per setting, shape (settings,); zero without a model."""

    @classmethod
    def of(cls, problem: ArbiterInput) -> _Search:
        settings = Settings.of(problem.clocks)
        tables = tuple(ApplicationTable.of(app, problem, settings) for app in problem.applications)
        return cls(problem, settings, tables, _background(problem, settings))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.settings.count, *(len(app.points) for app in self.problem.applications))

    def best(self) -> int:
        """Flat index (setting, point of each application) of the best combination."""
        left: IndexArray = np.arange(math.prod(self.shape))
        for term in self.terms():
            left = _least(left, term(left))
        return int(left[0])

    def kept_incumbent(self, best: int) -> int:
        """The combination in force where only its cost differs, by at most the inertia; else `best`."""
        incumbent = self._incumbent_index()
        if incumbent is None:
            return best
        pair = np.array([best, incumbent])
        for term in self.constraint_terms():
            a, b = term(pair)
            if b > a + TOLERANCE:
                return best
        cost, incumbent_cost = self.power(pair)
        return incumbent if incumbent_cost <= cost + self.problem.inertia else best

    def terms(self) -> Iterator[Callable[[IndexArray], FloatArray]]:
        """All terms, most important first; each maps flat indices to values to be minimised."""
        yield from self.constraint_terms()
        yield self.power
        yield lambda index: -self._sum("merit", range(len(self.tables)), index)

    def constraint_terms(self) -> Iterator[Callable[[IndexArray], FloatArray]]:
        """Terms 1 to 8."""
        everybody = range(len(self.tables))
        yield lambda index: self._sum("forbidden", everybody, index)
        if math.isfinite(self.problem.max_power_w) and self.problem.power is not None:
            yield lambda index: np.maximum(self.power(index) - self.problem.max_power_w, 0.0)
        if self.problem.heat is not None and self.problem.power is not None:
            yield self._heat_excess
        yield self._busy_excess
        levels = [list(level) for level in self._levels()]
        for name in ("excess", "shortfall"):
            for level in levels:
                yield lambda index, n=name, a=level: self._count(n, a, index)  # type: ignore[misc]
                yield lambda index, n=name, a=level: self._sum(n, a, index)  # type: ignore[misc]
        yield lambda index: self._sum("caution", everybody, index)
        for level in levels:
            accurate = [a for a in level if self.problem.applications[a].objective == Objective.MAX_ACCURACY]
            yield lambda index, a=accurate: -self._sum("merit", a, index)  # type: ignore[misc]

    def power(self, index: IndexArray) -> FloatArray:
        """Board power [W]; busy time without a model."""
        setting = np.unravel_index(index, self.shape)[0]
        return self.background_w[setting] + self._sum("active_w", range(len(self.tables)), index)

    def busy(self, element: str, index: IndexArray) -> FloatArray:
        """Busy share of an element."""
        place = np.unravel_index(index, self.shape)
        total = np.zeros(len(index))
        for a, table in enumerate(self.tables):
            if element in table.busy:
                total = total + table.busy[element][place[0], place[a + 1]]
        return total

    def result(self, index: int) -> ArbiterResult:
        """The combination in words and numbers."""
        place = tuple(int(i) for i in np.unravel_index(index, self.shape))
        setting, choices = place[0], place[1:]
        known = self.problem.power is not None
        power_w = float(self.power(np.array([index]))[0]) if known else math.nan
        heat = self.problem.heat
        picked = list(zip(self.tables, choices, strict=True))
        return ArbiterResult(
            choices=choices,
            clocks={domain: float(mhz[setting]) for domain, mhz in self.settings.mhz.items()},
            violations=tuple(_violations(table, setting, choice) for table, choice in picked),
            board_violations=tuple(self._board_violations(np.array([index]))),
            latency_ms=tuple(float(table.latency_ms[setting, choice]) for table, choice in picked),
            energy_mj=tuple(
                float(table.energy_mj[setting, choice]) if known else math.nan for table, choice in picked
            ),
            power_w=power_w,
            temperature_degc=heat.offset_degc + heat.degc_per_w * power_w if heat else math.nan,
        )

    def _board_violations(self, index: IndexArray) -> Iterator[str]:
        if self.problem.power is not None:
            if self.power(index)[0] > self.problem.max_power_w + TOLERANCE:
                yield "power_budget"
            if self.problem.heat is not None and self._heat_excess(index)[0] > TOLERANCE:
                yield "temperature"
        for element in self._elements():
            if self.busy(element, index)[0] > self.problem.busy_limit + TOLERANCE:
                yield f"busy:{element}"

    def _heat_excess(self, index: IndexArray) -> FloatArray:
        heat = self.problem.heat
        assert heat is not None
        reached = heat.offset_degc + heat.degc_per_w * self.power(index)
        return np.maximum(reached - heat.limit_degc, 0.0)

    def _busy_excess(self, index: IndexArray) -> FloatArray:
        total = self._sum("overrun", range(len(self.tables)), index)
        for element in self._elements():
            total = total + np.maximum(self.busy(element, index) - self.problem.busy_limit, 0.0)
        return total

    def _elements(self) -> list[str]:
        return sorted({name for table in self.tables for name in table.busy})

    def _levels(self) -> Iterator[list[int]]:
        """Applications by falling priority, equal ones together."""
        apps = self.problem.applications
        for priority in sorted({app.priority for app in apps}, reverse=True):
            yield [a for a, app in enumerate(apps) if app.priority == priority]

    def _sum(self, name: str, apps: range | list[int], index: IndexArray) -> FloatArray:
        place = np.unravel_index(index, self.shape)
        total = np.zeros(len(index))
        for a in apps:
            total = total + getattr(self.tables[a], name)[place[0], place[a + 1]]
        return total

    def _count(self, name: str, apps: list[int], index: IndexArray) -> FloatArray:
        place = np.unravel_index(index, self.shape)
        total = np.zeros(len(index))
        for a in apps:
            total = total + (getattr(self.tables[a], name)[place[0], place[a + 1]] > TOLERANCE)
        return total

    def _incumbent_index(self) -> int | None:
        if self.problem.incumbent is None:
            return None
        choices, clocks = self.problem.incumbent
        same = np.ones(self.settings.count, dtype=bool)
        for mhz, wanted in zip(self.settings.mhz.values(), clocks, strict=True):
            same &= np.isclose(mhz, wanted)
        if not same.any() or len(choices) != len(self.tables):
            return None
        return int(np.ravel_multi_index((int(np.argmax(same)), *choices), self.shape))


def _least(index: IndexArray, values: FloatArray) -> IndexArray:
    least: IndexArray = index[values <= values.min() + TOLERANCE]
    return least


def _violations(table: ApplicationTable, setting: int, choice: int) -> tuple[str, ...]:
    rules = (("latency", table.excess), ("keep_up", table.overrun), ("min_accuracy", table.shortfall))
    return tuple(name for name, values in rules if values[setting, choice] > TOLERANCE)


def _background(problem: ArbiterInput, settings: Settings) -> FloatArray:
    if problem.power is None:
        return np.zeros(settings.count)
    clocks = settings.clocks(problem)
    total: FloatArray = problem.power.idle_w(clocks)
    for element in problem.elements:
        total = np.add(total, element.background * problem.power.active_w(element.name, clocks))
    return np.array(np.broadcast_to(total, (settings.count,)))
