"""One complete choice in numbers, and in words for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Kind, Question
from dynofa_ros.manager.arbiter.problem import ArbiterResult, Bound
from dynofa_ros.manager.lazy import lazy


class Figures(NamedTuple):
    """Of one application in a choice, waiting included: as `tables` and `waiting` define them."""

    overrun: float
    excess: float
    shortfall: float
    caution: float
    wanted: float
    merit: float
    power_w: float
    busy: float
    waiting_ms: float


_OF_KIND: Mapping[str, Callable[[Figures], float]] = {
    "busy": lambda f: f.overrun,
    "latency count": lambda f: float(f.excess > TOLERANCE),
    "latency": lambda f: f.excess,
    "min_accuracy count": lambda f: float(f.shortfall > TOLERANCE),
    "min_accuracy": lambda f: f.shortfall,
    "margin": lambda f: f.caution,
    "accuracy": lambda f: -f.wanted,
    "cost": lambda f: f.power_w,
    "accuracy of the others": lambda f: -f.merit,
}


@dataclass(frozen=True)
class Chosen:
    """A setting and an entry per application, with what they lead to."""

    question: Question
    setting: int
    entries: tuple[int, ...]
    figures: tuple[Figures, ...]

    @classmethod
    def of(cls, question: Question, choice: Choices) -> Chosen:
        """Of a single choice, by numpy."""
        entries = tuple(choice.entry[:, 0].tolist())
        return cls(question, int(choice.setting[0]), entries, figures_of(choice))

    @lazy
    def points(self) -> tuple[int, ...]:
        """Index of the point of each application."""
        layout = self.question.layout
        pairs = zip(self.entries, layout.first_point, strict=False)
        return tuple([int(layout.point[entry]) - first for entry, first in pairs])

    @lazy
    def power_w(self) -> float:
        """Board power [W]; busy time without a model."""
        return float(self.question.background_w[self.setting]) + sum([f.power_w for f in self.figures])

    @lazy
    def busy(self) -> tuple[float, ...]:
        """Busy share of each element."""
        layout = self.question.layout
        total = [0.0] * len(layout.elements)
        for entry, figures in zip(self.entries, self.figures, strict=True):
            total[layout.element_of[layout.point[entry]]] += figures.busy
        return tuple(total)

    def term(self, kind: Kind) -> float:
        """One term, to be minimised."""
        if kind.name == "clocks":
            return float(self.setting)
        of = _OF_KIND[kind.name]
        total = sum([of(self.figures[a]) for a in kind.apps])
        if kind.name == "busy":
            limits = self.question.busy_limits
            return total + sum([max(b - limit, 0.0) for b, limit in zip(self.busy, limits, strict=True)])
        return self.power_w + float(self.question.change_w[self.setting]) if kind.name == "cost" else total

    @lazy
    def caps(self) -> tuple[float, float, float]:
        """Terms 1 to 3: forbidden points, power above the budget [W], temperature above the limit [degC]."""
        problem, heat = self.question.problem, self.question.problem.heat
        pairs = zip(self.points, problem.applications, strict=True)
        forbidden = sum([point in app.forbidden for point, app in pairs])
        if problem.power is None:
            return float(forbidden), 0.0, 0.0
        excess_degc = heat.offset_degc + heat.degc_per_w * self.power_w - heat.limit_degc if heat else 0.0
        return float(forbidden), max(self.power_w - problem.max_power_w, 0.0), max(excess_degc, 0.0)

    def result(self, bound: Bound | None = None, nodes: int = 0) -> ArbiterResult:
        """The choice as the arbiter's answer; `bound` and `nodes` of the search that found it."""
        problem, layout, heat = self.question.problem, self.question.layout, self.question.problem.heat
        power_w = self.power_w if problem.power is not None else math.nan
        latencies, energies = [], []
        for app, entry, figures in zip(problem.applications, self.entries, self.figures, strict=True):
            median, tail = app.slowdowns(layout.elements[layout.element_of[layout.point[entry]]])
            time_ms = float(layout.time_ms[entry])
            latencies.append(app.overhead_ms + tail * time_ms + figures.waiting_ms)
            known = problem.power is not None
            energies.append(median * (time_ms * float(layout.active_w[entry])) if known else math.nan)
        return ArbiterResult(
            choices=self.points,
            clocks={domain: float(mhz[self.setting]) for domain, mhz in layout.settings.mhz.items()},
            violations=tuple([tuple(_violations(figures)) for figures in self.figures]),
            board_violations=tuple(self._board_violations()),
            latency_ms=tuple(latencies),
            energy_mj=tuple(energies),
            power_w=power_w,
            temperature_degc=heat.offset_degc + heat.degc_per_w * power_w if heat else math.nan,
            exact=bound is None,
            bound=bound,
            nodes=nodes,
        )

    def _board_violations(self) -> Iterator[str]:
        _, excess_w, excess_degc = self.caps
        if excess_w > TOLERANCE:
            yield "power_budget"
        if excess_degc > TOLERANCE:
            yield "temperature"
        question = self.question
        for name, busy, limit in zip(question.layout.elements, self.busy, question.busy_limits, strict=True):
            if busy > limit + TOLERANCE:
                yield f"busy:{name}"


def _violations(figures: Figures) -> Iterator[str]:
    if figures.excess > TOLERANCE:
        yield "latency"
    if figures.overrun > TOLERANCE:
        yield "keep_up"
    if figures.shortfall > TOLERANCE:
        yield "min_accuracy"


def figures_of(choice: Choices) -> tuple[Figures, ...]:
    """The figures of a single choice, by numpy."""
    tables, at, waiting = choice.question.tables, choice.everything, choice.waiting_ms
    rows = []
    for a in choice.apps:
        entry = choice.entry[a, 0]
        rows.append(
            Figures(
                overrun=float(tables.overrun[entry]),
                excess=float(choice.excess(a, at)[0]),
                shortfall=float(tables.shortfall[entry]),
                caution=float(choice.caution(a, at)[0]),
                wanted=float(tables.wanted[entry]),
                merit=float(tables.merit[entry]),
                power_w=float(tables.power_w[entry]),
                busy=float(tables.busy[entry]),
                waiting_ms=0.0 if waiting is None else float(waiting[a, 0]),
            )
        )
    return tuple(rows)
