"""From runs to figures: means over seeds, and differences between policies paired by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dynofa_ros.simulation.compare.run import Figures
from dynofa_ros.simulation.compare.runs import Run
from dynofa_ros.simulation.compare.statistics import Interval, interval

OURS, ORACLE, BOUND, LINUX = "dynofa", "oracle", "lower_bound", "linux"
NOMINAL = "nominal"

Measure = Callable[[Figures], float]
"""A figure of one run; NaN where it does not exist."""


def miss_rate(run: Figures) -> float:
    """Misses / released frames."""
    return _number(run["scores"]["miss_rate"])


def allowed_misses(run: Figures) -> float:
    """Share of released frames that the percentiles allow to miss; NaN without any frame."""
    released = run["scores"]["released"]
    return float(run["allowed_misses"]) / released if released else math.nan


def excess_misses(run: Figures) -> float:
    """Share of released frames that were missed beyond what the percentiles allow; at least 0."""
    released = run["scores"]["released"]
    return max(run["merit"]["misses"] - run["allowed_misses"], 0.0) / released if released else math.nan


def accuracy(run: Figures) -> float:
    """On-time accuracy of the frames whose application wants accuracy (of all, where none does)."""
    wanted = _number(run["merit"]["accuracy"])
    return _number(run["scores"]["on_time_accuracy"]) if math.isnan(wanted) else wanted


def on_time_accuracy(run: Figures) -> float:
    """On-time accuracy of all released frames."""
    return _number(run["scores"]["on_time_accuracy"])


def energy_j(run: Figures) -> float:
    """Energy above idle [J]."""
    return _number(run["scores"]["energy_above_idle_j"])


def board_j(run: Figures) -> float:
    """Energy of the whole board [J]."""
    return _number(run["scores"]["energy_j"])


def p95(run: Figures) -> float:
    """95th percentile of latency / target; frames without a result count as endless."""
    scores = run["scores"]
    if scores["inferred"] < 0.95 * scores["released"]:
        return math.inf
    return _number(scores["latency_to_target"]["p95"])


def below_floor(run: Figures) -> float:
    """Frames on time below their accuracy floor / released frames."""
    released = run["scores"]["released"]
    return float(run["merit"]["below_floor"]) / released if released else math.nan


def excess_below_floor(run: Figures) -> float:
    """Share of released frames that are on time below their floor beyond what the percentiles allow."""
    released = run["scores"]["released"]
    return max(run["merit"]["below_floor"] - run["allowed_misses"], 0.0) / released if released else math.nan


@dataclass(frozen=True)
class Group:
    """All runs of one scenario under one voltage curve."""

    scenario: str
    voltage: str
    runs: dict[str, dict[int, Figures]]
    """Policy -> seed -> figures."""

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """Those that were run."""
        return tuple(self.runs)

    @cached_property
    def _any(self) -> Figures:
        return next(iter(next(iter(self.runs.values())).values()))

    @property
    def objective(self) -> str:
        """min_energy, max_accuracy or mixed."""
        return str(self._any["scores"]["objective"])

    @property
    def saves_energy(self) -> bool:
        """Whether energy is all that counts once every target is met."""
        return self.objective == "min_energy"

    @property
    def applications(self) -> int:
        """Number of applications that ever run."""
        return int(self._any["applications"])

    @property
    def extrapolated(self) -> bool:
        """Whether its board file is extrapolated."""
        return bool(self._any["extrapolated"])

    @property
    def label(self) -> str:
        """Its name, with a mark where its board is extrapolated."""
        return f"{self.scenario} †" if self.extrapolated else self.scenario

    @property
    def steady(self) -> bool:
        """Whether nothing happens from outside."""
        return bool(self._any["steady"])

    @property
    def duration_s(self) -> float:
        """Length of the scenario."""
        return float(self._any["duration_s"])

    @property
    def goal(self) -> Measure:
        """What is optimised, smaller is better."""
        return energy_j if self.saves_energy else _lost_accuracy

    def mean(self, policy: str, measure: Measure) -> Interval:
        """Mean over the seeds."""
        return interval([measure(run) for run in self.runs[policy].values()])

    def values(self, policy: str, measure: Measure) -> list[float]:
        """One value per seed."""
        return [measure(run) for run in self.runs[policy].values()]

    def difference(self, policy: str, other: str, measure: Measure) -> Interval:
        """Policy - other, paired by seed."""
        return interval([measure(a) - measure(b) for a, b in self.pairs(policy, other)])

    def ratio(self, policy: str, other: str, measure: Measure) -> Interval:
        """Policy / other - 1, paired by seed; NaN where the other is not above 0."""
        pairs = [(measure(a), measure(b)) for a, b in self.pairs(policy, other)]
        if any(not b > 0.0 for _, b in pairs):
            return interval([])
        return interval([a / b - 1.0 for a, b in pairs])

    def pairs(self, policy: str, other: str) -> list[tuple[Figures, Figures]]:
        """Runs of the same seed."""
        first, second = self.runs[policy], self.runs[other]
        return [(first[seed], second[seed]) for seed in first if seed in second]


def groups_of(runs: Iterable[Run]) -> list[Group]:
    """Runs by scenario and voltage curve, in their order."""
    found: dict[tuple[str, str], Group] = {}
    for run in runs:
        group = found.setdefault((run.scenario, run.voltage), Group(run.scenario, run.voltage, {}))
        group.runs.setdefault(run.policy, {})[run.seed] = run.figures
    return list(found.values())


def against(group: Group, rival: str, misses: Measure = miss_rate) -> tuple[str, Interval, Interval]:
    """Ours against a rival on (misses, then the objective): better, worse or equal beyond the interval."""
    missed, goal = group.difference(OURS, rival, misses), group.difference(OURS, rival, group.goal)
    for sign in (missed.sign, goal.sign):
        if sign:
            return ("worse" if sign > 0 else "better"), missed, goal
    return "equal", missed, goal


def dominated(group: Group, rival: str) -> bool:
    """Whether ours is worse in misses, on-time accuracy or energy beyond the interval and better in none."""
    signs = [group.difference(OURS, rival, m).sign for m in (miss_rate, _lost_on_time, energy_j)]
    return max(signs) > 0 and min(signs) >= 0


@dataclass(frozen=True)
class Advantage:
    """What oracle and ours gain over linux in one term; `share` is None where the oracle gains too little."""

    term: str
    oracle: Interval
    ours: Interval
    share: float | None


SMALL_ADVANTAGE = 0.02


def advantage(group: Group) -> Advantage:
    """Gain over linux: on time where linux misses more than its percentiles allow, else in the objective.

    Energy as a share of linux's energy above idle, accuracy and frames on time as shares of 1.
    """
    missing = group.mean(LINUX, excess_misses).mean > 0.0
    if group.saves_energy and not missing:
        term, oracle, ours = "energy", *(_gain(group.ratio(p, LINUX, energy_j)) for p in (ORACLE, OURS))
    elif group.saves_energy:
        term, oracle, ours = (
            "on time",
            *(_gain(group.difference(p, LINUX, miss_rate)) for p in (ORACLE, OURS)),
        )
    else:
        term, oracle, ours = (
            "accuracy",
            *(_gain(group.difference(p, LINUX, _lost_accuracy)) for p in (ORACLE, OURS)),
        )
    share = ours.mean / oracle.mean if oracle.mean >= SMALL_ADVANTAGE else None
    return Advantage(term, oracle, ours, share)


def tells_apart(group: Group) -> int:
    """Number of pairs of policies that differ in misses, accuracy or energy beyond the interval."""
    names = [name for name in group.policies if name not in (ORACLE, BOUND)]
    return sum(
        any(group.difference(a, b, measure).sign for measure in (miss_rate, on_time_accuracy, energy_j))
        for number, a in enumerate(names)
        for b in names[number + 1 :]
    )


def decision_us(groups: Sequence[Group], policy: str = OURS) -> dict[str, float]:
    """Median over all runs of the quantiles of one decision's wall-clock time [us]."""
    quantiles: dict[str, list[float]] = {}
    for group in groups:
        for run in group.runs.get(policy, {}).values():
            for name, value in run["timing"]["decision_us"].items():
                if value is not None:
                    quantiles.setdefault(name, []).append(float(value))
    return {name: sorted(values)[len(values) // 2] for name, values in quantiles.items()}


def real_time_factor(group: Group, policy: str) -> float:
    """Simulated time / CPU time, median over the runs; NaN without any."""
    factors = [group.duration_s / run["timing"]["cpu_s"] for run in group.runs.get(policy, {}).values()]
    return sorted(factors)[len(factors) // 2] if factors else math.nan


def _gain(loss: Interval) -> Interval:
    return Interval(-loss.mean, loss.half, loss.size)


def _lost_accuracy(run: Figures) -> float:
    return 1.0 - accuracy(run)


def _lost_on_time(run: Figures) -> float:
    return 1.0 - on_time_accuracy(run)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
