"""Ranks choices: a batch of (setting, entry per application) and the terms of the documented order.

A choice may be partial: of an *open* application it holds the point that it would take alone. Then the
terms bound from below whatever completes the choice, because open applications add nothing that couples
(waiting, and busy time beyond what they cannot avoid).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dynofa_ros.manager.arbiter.background import background_w, change_w
from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterInput
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.arbiter.tables import Tables, least_alone
from dynofa_ros.manager.arbiter.together import Together
from dynofa_ros.manager.arbiter.waiting import FITS, Allowances, coupled_elements
from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.models.power_model import FloatArray

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Kind:
    """One term: what it sums, over which applications."""

    name: str
    apps: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Ranking:
    """What choices are compared by behind power and heat."""

    levels: tuple[tuple[int, ...], ...]
    """Applications by falling priority, equal ones together."""
    kinds: tuple[Kind, ...]
    """The terms, most important first."""
    flaws: int
    """How many of the first kinds are sums of what has to give way, none of it negative."""

    @classmethod
    def of(cls, problem: ArbiterInput) -> Ranking:
        """The same object for the same priorities and objectives."""
        return _ranking(tuple([(app.priority, app.objective == 0) for app in problem.applications]))


@lru_cache(maxsize=64)
def _ranking(wishes: tuple[tuple[int, bool], ...]) -> Ranking:
    """`wishes`: of each application its priority, and whether its objective is accuracy."""
    priorities = sorted({priority for priority, _ in wishes}, reverse=True)
    levels = tuple(tuple(a for a, (priority, _) in enumerate(wishes) if priority == p) for p in priorities)
    kinds = _kinds(levels, frozenset(a for a, (_, accurate) in enumerate(wishes) if accurate))
    return Ranking(levels, kinds, next(i for i, kind in enumerate(kinds) if kind.name == "margin") + 1)


@dataclass(frozen=True)
class Question:
    """A problem with what choices are made of, evaluated when it is asked for."""

    problem: ArbiterInput
    layout: Layout

    @classmethod
    def of(cls, problem: ArbiterInput) -> Question:
        """Kept for the last few problems: several that differ little are posed in turn."""
        return _QUESTIONS.get([problem], (), lambda: cls(problem, Layout.of(problem)))

    @lazy
    def tables(self) -> Tables:
        """What every entry leads to."""
        return Tables.of(self.problem, self.layout)

    @lazy
    def background_w(self) -> FloatArray:
        """Power without the applications, shape (settings,); zero without a model."""
        return background_w(self.problem, self.layout.settings)

    @lazy
    def change_w(self) -> FloatArray:
        """Energy of changing clocks over the horizon, shape (settings,)."""
        return change_w(self.problem, self.layout.settings, self.background_w)

    @lazy
    def coupled(self) -> frozenset[int]:
        """Elements on which somebody may wait."""
        return coupled_elements(self.problem, self.layout)

    @lazy
    def allowances(self) -> Allowances:
        """What waiting is computed from."""
        return Allowances.of(self.problem, self.layout)

    @lazy
    def ranking(self) -> Ranking:
        """What choices are compared by."""
        return Ranking.of(self.problem)

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """See `Ranking`."""
        return self.ranking.levels

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """See `Ranking`."""
        return self.ranking.kinds

    @property
    def flaws(self) -> int:
        """See `Ranking`."""
        return self.ranking.flaws

    @lazy
    def busy_limits(self) -> tuple[float, ...]:
        """Largest busy share per element."""
        return tuple([self.problem.limit(name) for name in self.layout.elements])

    @lazy
    def limits(self) -> FloatArray:
        """`busy_limits` as an array."""
        return np.array(self.busy_limits)

    @lazy
    def limit_w(self) -> float:
        """Power at which budget and temperature limit are just kept; infinite without either."""
        problem, heat = self.problem, self.problem.heat
        if problem.power is None:
            return math.inf
        if heat is None or heat.degc_per_w <= 0.0:
            return problem.max_power_w
        return min(problem.max_power_w, (heat.limit_degc - heat.offset_degc) / heat.degc_per_w)

    @lazy
    def floor(self) -> FloatArray:
        """What no choice undercuts, one value per term."""
        return _FLOORS.get([self.layout, self.ranking], (), self._floor)

    def _floor(self) -> FloatArray:
        most = self.layout.most_merit
        accuracies = [kind.apps if kind.name.startswith("accuracy") else () for kind in self.kinds]
        return np.array([-sum((most[a] for a in apps), 0.0) for apps in accuracies])

    @lazy
    def busy_of(self) -> FloatArray:
        """Busy share of each element, shape (elements, entries)."""
        return self.layout.uses_element * self.tables.busy

    @lazy
    def least_busy(self) -> FloatArray:
        """Least busy share that each application causes, shape (applications, settings)."""
        return least_alone(self.layout, self.tables, self.tables.busy)

    @lazy
    def least_power_w(self) -> FloatArray:
        """Least power of each application, shape (applications, settings)."""
        return least_alone(self.layout, self.tables, self.tables.power_w)

    def points_of(self, a: int) -> IndexArray:
        """The points of an application that count, numbered through all applications."""
        app, (start, end) = self.problem.applications[a], self.layout.first_point[a : a + 2]
        if not app.forbidden or len(app.forbidden) >= len(app.points):
            return np.arange(start, end)
        return np.array([point for point in range(start, end) if point - start not in app.forbidden])


def _kinds(levels: tuple[tuple[int, ...], ...], accurate: frozenset[int]) -> tuple[Kind, ...]:
    everybody = tuple(range(sum(map(len, levels))))
    kinds = [Kind("busy", everybody)]
    for word in ("latency", "min_accuracy"):
        for level in levels:
            kinds += [Kind(f"{word} count", level)] if len(level) > 1 else []
            kinds += [Kind(word, level)]
    wanting = [tuple(a for a in level if a in accurate) for level in levels]
    kinds += [Kind("margin", everybody), *(Kind("accuracy", level) for level in wanting if level)]
    others = Kind("accuracy of the others", everybody)
    return (*kinds, Kind("cost", everybody), others, Kind("clocks", ()))


_QUESTIONS: Remembered[Question] = Remembered(8)
_FLOORS: Remembered[FloatArray] = Remembered(64)


@dataclass(frozen=True)
class Choices:
    """`setting` has shape (n,), `entry` (applications, n); `open_apps` hold what they would take alone."""

    question: Question
    setting: IndexArray
    entry: IndexArray
    open_apps: frozenset[int] = frozenset()
    flawless: bool = False
    """Whether it is known that nothing has to give way in any entry by itself."""

    def __len__(self) -> int:
        return len(self.setting)

    @property
    def everything(self) -> IndexArray:
        """All indices."""
        return np.arange(len(self))

    def term(self, kind: Kind, index: IndexArray) -> FloatArray:
        """One term of some of the choices, to be minimised."""
        tables, name = self.question.tables, kind.name
        if name == "busy":
            return self.busy_excess(index)
        if name == "cost":
            return self.cost_w(index)
        if name == "clocks":
            return self.setting[index].astype(float)
        if name in ("accuracy", "accuracy of the others"):
            return -self.total(tables.wanted if name == "accuracy" else tables.merit, index, kind.apps)
        of = {"latency": self.excess, "min_accuracy": self.shortfall, "margin": self.caution}[name.split()[0]]
        return (_count if name.endswith("count") else _total)(of, kind.apps, index)

    @property
    def apps(self) -> range:
        """All applications."""
        return range(len(self.entry))

    def flaws(self, index: IndexArray) -> FloatArray:
        """Sum of all that has to give way."""
        tables = self.question.tables
        total: FloatArray | float
        if self.waiting_ms is None:
            total = 0.0 if self.flawless else self.total(tables.flaw, index)
        else:
            total = self.total(tables.overrun, index) + self.total(tables.shortfall, index)
            for a in self.apps:
                total += self.excess(a, index) + self.caution(a, index)
        total = total + self.elements_excess(index)
        return total if isinstance(total, np.ndarray) else np.zeros(len(index))

    def total(self, values: FloatArray, index: IndexArray, apps: Sequence[int] | None = None) -> FloatArray:
        """Sum of a table over applications (None: all)."""
        first, *others = self.apps if apps is None else apps
        total = values[self.entry[first][index]]
        for a in others:
            total = total + values[self.entry[a][index]]
        return np.asarray(total)

    def power_w(self, index: IndexArray) -> FloatArray:
        """Board power [W]; busy time without a model."""
        applications_w = self.total(self.question.tables.power_w, index)
        return np.asarray(self.question.background_w[self.setting[index]] + applications_w)

    def cost_w(self, index: IndexArray) -> FloatArray:
        """Board power and what changing the clocks costs over the horizon [W]."""
        return np.asarray(self.power_w(index) + self.question.change_w[self.setting[index]])

    def busy(self, index: IndexArray) -> FloatArray:
        """Busy share of each element, shape (elements, len(index)): of the applications that are not open,
        and what the open ones cannot avoid.
        """
        question = self.question
        total = np.zeros((len(question.layout.elements), len(index)))
        for a in self.apps:
            if a not in self.open_apps:
                total += question.busy_of[:, self.entry[a][index]]
            elif question.layout.only_element[a] >= 0:
                total[question.layout.only_element[a]] += question.least_busy[a][self.setting[index]]
        return total

    def busy_excess(self, index: IndexArray) -> FloatArray:
        """Busy time above the limits, of applications and of elements."""
        return self.total(self.question.tables.overrun, index) + self.elements_excess(index)

    def elements_excess(self, index: IndexArray) -> FloatArray | float:
        """Busy time of elements above their limits; not counted while all applications are open."""
        if len(self.apps) == len(self.open_apps):
            return 0.0
        excess = self.busy(index) - self.question.limits[:, None]
        return np.asarray(np.maximum(excess, 0.0, out=excess).sum(axis=0))

    def of_target(self, a: int, index: IndexArray) -> FloatArray:
        """Latency relative to the target, waiting included."""
        own: FloatArray = self.question.tables.of_target[self.entry[a][index]]
        waiting = self.waiting_ms
        target_ms = self.question.problem.applications[a].latency_ms
        if waiting is None or a in self.open_apps or math.isnan(target_ms):
            return own
        return np.asarray(own + waiting[a][index] / target_ms)

    def excess(self, a: int, index: IndexArray) -> FloatArray:
        """Latency above the target of application `a`, relative to the target."""
        if self.waiting_ms is None or a in self.open_apps:
            return np.asarray(self.question.tables.excess[self.entry[a][index]])
        return np.asarray(np.maximum(self.of_target(a, index) - 1.0, 0.0))

    def shortfall(self, a: int, index: IndexArray) -> FloatArray:
        """Accuracy of application `a` that is missing to its floor."""
        return np.asarray(self.question.tables.shortfall[self.entry[a][index]])

    def caution(self, a: int, index: IndexArray) -> FloatArray:
        """1 where application `a` moves up and would use up its margin."""
        tables, entry = self.question.tables, self.entry[a][index]
        if self.waiting_ms is None or a in self.open_apps:
            return np.asarray(tables.caution[entry])
        tight = self.of_target(a, index) > 1.0 - self.question.problem.applications[a].margin
        guarded = tables.guarded[entry] & tight
        return np.asarray(np.maximum(tables.caution[entry], guarded.astype(float)))

    @lazy
    def waiting_ms(self) -> FloatArray | None:
        """Time that each application waits for others, shape (applications, n); None where nobody does."""
        question, layout = self.question, self.question.layout
        fixed = [a for a in self.apps if a not in self.open_apps]
        if not question.coupled or len(fixed) < 2:
            return None
        element, share = layout.element[self.entry], layout.share[self.entry]
        time_ms = question.tables.occupied_ms[self.entry]
        together = Together(question.allowances, element, share, time_ms)
        waiting = np.zeros(self.entry.shape)
        for a in fixed:
            others = [b for b in fixed if b != a]
            for b in others:
                in_turn = (element[a] == element[b]) & (share[a] + share[b] > FITS)
                wait = np.maximum(time_ms[b] - question.allowances.ms[0, a, b, element[a]], 0.0)
                waiting[a] += np.where(in_turn, wait, 0.0)
            waiting[a] += together.waiting_ms(a, others)
        return waiting

    def closed(self) -> Choices:
        """The same as complete choices."""
        return Choices(self.question, self.setting, self.entry, flawless=self.flawless)

    def picked(self, index: IndexArray) -> Choices:
        """Some of the choices."""
        return Choices(
            self.question, self.setting[index], self.entry[:, index], self.open_apps, self.flawless
        )

    def values(self, index: IndexArray) -> FloatArray:
        """All terms, shape (terms, len(index))."""
        kinds = self.question.kinds
        values = np.zeros((len(kinds), len(index)))
        flawless = bool((self.flaws(index) <= TOLERANCE).all())
        for number in range(self.question.flaws if flawless else 0, len(kinds)):
            values[number] = self.term(kinds[number], index)
        return values


def _total(of: Callable[[int, IndexArray], FloatArray], apps: Sequence[int], index: IndexArray) -> FloatArray:
    total = of(apps[0], index)
    for a in apps[1:]:
        total = total + of(a, index)
    return total


def _count(of: Callable[[int, IndexArray], FloatArray], apps: Sequence[int], index: IndexArray) -> FloatArray:
    return _total(lambda a, i: (of(a, i) > TOLERANCE).astype(float), apps, index)
