"""The arbiter: one operating point per application and one clock setting, chosen together.

    predicted latency   L(p, f) = overhead_q + slowdown_q * time(p, f) + waiting(q)
    busy                U(p, f) = slowdown * time(p, f) / period
    power               P = idle(f) + sum_e background_e * active_e(f) + sum_a min(U, 1) * share * active_e(f)
    temperature         Tj(t + h) = offset + slope * P
    cost                P + sum_d change_ms_d / horizon * (P without the applications), d: clocks that change

(waiting: `choice`, use by a change of point: `tables`). Every combination of points and clocks is ranked
by these terms, each only among those that are equal in all before it. Read downwards it is also the
order in which things give way, last first, when not everything can be had:

    1. points forbidden by the minimum dwell or by stale telemetry    (clock caps hold always)
    2. board power above the smallest budget [W]
    3. predicted temperature above trip - margin [degC]
    4. busy time above the limit: per element, and per application against its period
    5. by falling priority: applications that miss their latency target, then by how much
    6. by falling priority: applications below their accuracy floor, then by how much
    7. moves up (a higher point, a lower clock) that would use up the margin
    8. by falling priority: accuracy of the applications whose objective is MAX_ACCURACY
    9. cost [W] (without a power model: busy time)
   10. accuracy of the others, lower clocks

So MIN_ENERGY applications take the least power that is left once the constraints hold and the
MAX_ACCURACY ones have their accuracy. Given clocks, applications couple only through busy time, waiting,
power and heat; `search` says how that is used. The search is exact unless its budget of partial choices
runs out; the result says so, and how far the best can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from dynofa_ros.manager import arbiter_kernel
from dynofa_ros.manager.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.problem import ArbiterInput, ArbiterResult
from dynofa_ros.manager.search import Search

NODE_BUDGET = 16_000


def arbitrate(problem: ArbiterInput, node_budget: int = NODE_BUDGET, compiled: bool = True) -> ArbiterResult:
    """The best combination by the order above; `node_budget` bounds the partial choices that are examined.

    The same problem leads to the same result on every machine.

    Raises:
        ValueError: there is no application.

    """
    if not problem.applications:
        raise ValueError("nothing to decide: the problem has no application")
    question = Question.of(problem)
    search = Search(question, node_budget, arbiter_kernel.load() if compiled else None)
    search.run()
    bound = search.bound
    chosen = _kept_incumbent(question, search.best)
    return replace(result_of(question, chosen), exact=bound is None, bound=bound, nodes=search.nodes)


def judge(
    problem: ArbiterInput, choices: tuple[int, ...], clocks: Mapping[str, float]
) -> ArbiterResult | None:
    """What one point of each application leads to at these clocks; None where a table lacks one of them."""
    question = Question.of(problem)
    chosen = _combination(question, choices, tuple(clocks[table.domain] for table in problem.clocks))
    return None if chosen is None else result_of(question, chosen)


def terms(problem: ArbiterInput, result: ArbiterResult) -> tuple[float, ...]:
    """What the order above compares of a choice, most important first; its cost counts `inertia` less where
    its points are in force. All infinite where a table lacks one of its clocks.
    """
    question = Question.of(problem)
    clocks = tuple(result.clocks[table.domain] for table in problem.clocks)
    chosen = _combination(question, result.choices, clocks)
    if chosen is None:
        return (math.inf,) * (3 + len(question.kinds))
    in_force = problem.incumbent is not None and problem.incumbent[0] == result.choices
    values = [float(chosen.term(kind, chosen.everything)[0]) for kind in question.kinds]
    cost = next(i for i, kind in enumerate(question.kinds) if kind.name == "cost")
    values[cost] -= problem.inertia if in_force else 0.0
    return tuple(round(value, 9) for value in (*_caps(question, chosen), *values))


def _kept_incumbent(question: Question, best: Choices) -> Choices:
    """The combination in force where only its cost differs, by at most the inertia; else `best`."""
    incumbent = _incumbent(question)
    if incumbent is None:
        return best
    if any(b > a + TOLERANCE for a, b in zip(_caps(question, best), _caps(question, incumbent), strict=True)):
        return best
    index = best.everything
    for kind in question.kinds:
        value, least = float(incumbent.term(kind, index)[0]), float(best.term(kind, index)[0])
        if kind.name == "cost":
            return incumbent if value <= least + question.problem.inertia else best
        if value > least + TOLERANCE:
            return best
    return best


def _incumbent(question: Question) -> Choices | None:
    if question.problem.incumbent is None:
        return None
    return _combination(question, *question.problem.incumbent)


def _combination(question: Question, choices: tuple[int, ...], clocks: tuple[float, ...]) -> Choices | None:
    layout = question.layout
    setting = layout.settings.index_of(clocks)
    if setting is None or len(choices) != len(question.problem.applications):
        return None
    points = np.array(choices) + np.array(layout.first_point[:-1])
    at = np.array([setting])
    return Choices(question, at, layout.entries(points[:, None], at))


def _caps(question: Question, choice: Choices) -> tuple[float, float, float]:
    """Terms 1 to 3 of a single choice."""
    problem = question.problem
    points = _points(question, choice)
    forbidden = sum(p in app.forbidden for p, app in zip(points, problem.applications, strict=True))
    if problem.power is None:
        return float(forbidden), 0.0, 0.0
    power_w = float(choice.power_w(choice.everything)[0])
    heat = problem.heat
    excess_degc = heat.offset_degc + heat.degc_per_w * power_w - heat.limit_degc if heat else 0.0
    return float(forbidden), max(power_w - problem.max_power_w, 0.0), max(excess_degc, 0.0)


def _points(question: Question, choice: Choices) -> tuple[int, ...]:
    layout = question.layout
    at = layout.point[choice.entry[:, 0]]
    return tuple(int(point) - first for point, first in zip(at, layout.first_point, strict=False))


def result_of(question: Question, choice: Choices) -> ArbiterResult:
    """A single choice in words and numbers."""
    problem, layout, heat = question.problem, question.layout, question.problem.heat
    at, setting = choice.everything, int(choice.setting[0])
    points = _points(question, choice)
    entries = [int(entry) for entry in choice.entry[:, 0]]
    power_w = float(choice.power_w(at)[0]) if problem.power is not None else math.nan
    latencies, energies = [], []
    for a, (app, entry) in enumerate(zip(problem.applications, entries, strict=True)):
        median, tail = app.slowdowns(layout.elements[layout.element[entry]])
        waiting_ms = 0.0 if choice.waiting_ms is None else float(choice.waiting_ms[a, 0])
        latencies.append(app.overhead_ms + tail * float(layout.time_ms[entry]) + waiting_ms)
        known = problem.power is not None
        energies.append(median * float(layout.time_ms[entry] * layout.active_w[entry]) if known else math.nan)
    return ArbiterResult(
        choices=points,
        clocks={domain: float(mhz[setting]) for domain, mhz in layout.settings.mhz.items()},
        violations=tuple(tuple(_violations(choice, a)) for a in choice.apps),
        board_violations=tuple(_board_violations(question, choice)),
        latency_ms=tuple(latencies),
        energy_mj=tuple(energies),
        power_w=power_w,
        temperature_degc=heat.offset_degc + heat.degc_per_w * power_w if heat else math.nan,
    )


def _violations(choice: Choices, a: int) -> Iterator[str]:
    at = choice.everything
    if choice.excess(a, at)[0] > TOLERANCE:
        yield "latency"
    if choice.question.tables.overrun[choice.entry[a, 0]] > TOLERANCE:
        yield "keep_up"
    if choice.shortfall(a, at)[0] > TOLERANCE:
        yield "min_accuracy"


def _board_violations(question: Question, choice: Choices) -> Iterator[str]:
    _, excess_w, excess_degc = _caps(question, choice)
    if excess_w > TOLERANCE:
        yield "power_budget"
    if excess_degc > TOLERANCE:
        yield "temperature"
    for name, busy in zip(question.layout.elements, choice.busy(choice.everything)[:, 0], strict=True):
        if busy > question.problem.limit(name) + TOLERANCE:
            yield f"busy:{name}"
