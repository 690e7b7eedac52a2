"""Policy `static_best`: the best that never changes anything, known in hindsight."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.policies.static_forecast import Assignment, Forecast, Merit, merit
from dynofa_ros.simulation.world.policy import Future, Policy, World
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.scores import over_budget_s
from dynofa_ros.simulation.world.truth import Truth, truth_of

SIMULATED = 4
"""Assignments that the forecast likes best and that are simulated."""
MOST_RUNS = 20


class FixedPolicy(Policy):
    """Plays one assignment from the start to the end."""

    name = "static"

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment

    def start(self, world: World) -> None:
        """Pin what the assignment pins."""
        super().start(world)
        for domain, mhz in self._assignment.pins.items():
            world.limit(domain, mhz, mhz)

    def choose(self, name: str) -> OperatingPoint:
        """Always the same."""
        return self._assignment.points[name]


class StaticBestPolicy(Policy):
    """One point per application and one clock per domain (or its governor) for the whole run, found offline.

    Best in the order of `static_forecast.merit`: seconds above a power budget, misses beyond what the
    percentiles allow, frames below their floor, accuracy lost where that is the objective, energy.
    Search: `static_forecast` ranks all clock settings, each with the points that are best for it; the best
    four, and the points of the first with their domains left to the governors, are played through the
    simulator with the very future of the run; then neighbours (one clock step, one point up or down) are
    played as long as one is better, until 20 runs were made. Domains that no point
    computes on stay with their governors: they belong to whoever else runs there. Source: the static oracle
    that ALERT (arXiv 1911.00119) compares itself with.
    """

    name = "static_best"
    clairvoyant = True

    def __init__(self) -> None:
        self._fixed: FixedPolicy | None = None

    def foresee(self, future: Future) -> None:
        """Search."""
        self._fixed = FixedPolicy(StaticSearch(truth_of(future.scenario, future.seed, future.voltage)).best())

    def start(self, world: World) -> None:
        """Pin the clocks found."""
        super().start(world)
        assert self._fixed is not None, "foresee comes first"
        self._fixed.start(world)

    def choose(self, name: str) -> OperatingPoint:
        """The point found."""
        assert self._fixed is not None, "foresee comes first"
        return self._fixed.choose(name)


class StaticSearch:
    """The offline search."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._forecast = Forecast(truth)
        self._played: dict[tuple[tuple[tuple[str, str], ...], tuple[tuple[str, float], ...]], Merit] = {}

    def best(self) -> Assignment:
        """The best assignment that was found."""
        candidates = self._candidates()
        best = min(candidates, key=self._play)
        while len(self._played) < MOST_RUNS:
            better = min(self._neighbours(best), key=self._play, default=best)
            if self._play(better) >= self._play(best):
                break
            best = better
        return best

    def _candidates(self) -> list[Assignment]:
        ranked = sorted(self._ranked(), key=lambda entry: entry[0])
        found: list[Assignment] = []
        for _, assignment in ranked:
            if assignment not in found:
                found.append(assignment)
            if len(found) == SIMULATED:
                break
        return [*found, Assignment(found[0].points, {})]

    def _ranked(self) -> Iterator[tuple[Merit, Assignment]]:
        tables = self._forecast.clocks
        for setting in itertools.product(*tables.values()):
            clocks = dict(zip(tables, setting, strict=True))
            points = self._points_for(clocks)
            used = {point.clock_domain for point in points.values()}
            pins = {domain: mhz for domain, mhz in clocks.items() if domain in used}
            yield self._forecast.merit_of(points, clocks), Assignment(points, pins)

    def _points_for(self, clocks: Mapping[str, float]) -> dict[str, OperatingPoint]:
        """Points that are best for these clocks: each alone, then each given the others."""
        points: dict[str, OperatingPoint] = {}
        profiles = {name: self._truth.points[name] for name in self._forecast.frames}
        for _ in range(1 if len(profiles) == 1 else 3):
            before = dict(points)
            for name, profile in profiles.items():
                points[name] = min(
                    profile,
                    key=lambda p: self._forecast.merit_of({**points, name: p}, clocks),
                )
            if points == before:
                break
        return points

    def _neighbours(self, assignment: Assignment) -> Iterator[Assignment]:
        """One clock step, or one point further."""
        for domain, mhz in assignment.pins.items():
            table = self._forecast.clocks[domain]
            at = table.index(mhz)
            for step in (at - 1, at + 1):
                if 0 <= step < len(table):
                    yield Assignment(assignment.points, {**assignment.pins, domain: table[step]})
        for name, point in assignment.points.items():
            for other in _beside(point, self._truth.points[name]):
                yield Assignment({**assignment.points, name: other}, assignment.pins)

    def _play(self, assignment: Assignment) -> Merit:
        key = (
            tuple((name, str(point.key)) for name, point in sorted(assignment.points.items())),
            tuple(sorted(assignment.pins.items())),
        )
        if key not in self._played:
            self._played[key] = self._judge(_run(self._truth, FixedPolicy(assignment)))
        return self._played[key]

    def _judge(self, record: RunRecord) -> Merit:
        tallies = []
        for name, frames in self._forecast.frames.items():
            outcomes = record.frames[name]
            on_time = np.array([outcome.on_time for outcome in outcomes], dtype=float)
            accuracy = np.nan_to_num(np.array([outcome.accuracy for outcome in outcomes], dtype=float))
            tallies.append(frames.tally(on_time, accuracy))
        return merit(tallies, over_budget_s(record), record.energy_j)


def _beside(point: OperatingPoint, points: tuple[OperatingPoint, ...]) -> list[OperatingPoint]:
    """The next faster and the next slower point of the same element."""
    line = sorted((p for p in points if p.element == point.element), key=lambda p: p.latency_ms)
    at = line.index(point)
    return [line[i] for i in (at - 1, at + 1) if 0 <= i < len(line)]


def _run(truth: Truth, policy: Policy) -> RunRecord:
    from dynofa_ros.simulation.world.simulator import play  # the simulator makes policies: no cycle at import

    return play(truth, policy)
