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
from collections.abc import Mapping, Sequence

import numpy as np

from dynofa_ros.manager.arbiter import arbiter_kernel
from dynofa_ros.manager.arbiter.arbiter_kernel import ArbiterKernel
from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.arbiter.chosen import Chosen
from dynofa_ros.manager.arbiter.problem import ArbiterInput, ArbiterResult
from dynofa_ros.manager.arbiter.search import Search

NODE_BUDGET = 14_500


def arbitrate(problem: ArbiterInput, node_budget: int = NODE_BUDGET, compiled: bool = True) -> ArbiterResult:
    """The best combination by the order above; `node_budget` bounds the partial choices that are examined.

    The same problem leads to the same result on every machine.

    Raises:
        ValueError: there is no application.

    """
    if not problem.applications:
        raise ValueError("nothing to decide: the problem has no application")
    question = Question.of(problem)
    kernel = arbiter_kernel.load() if compiled else None
    found = kernel.solve(question, node_budget) if kernel else Search(question, node_budget).run()
    if found.figures is None:
        best = _chosen(question, found.setting, found.entries, kernel)
    else:
        best = Chosen(question, found.setting, found.entries, found.figures)
    return _kept_incumbent(best, kernel).result(found.bound, found.nodes)


def judge(
    problem: ArbiterInput, choices: tuple[int, ...], clocks: Mapping[str, float]
) -> ArbiterResult | None:
    """What one point of each application leads to at these clocks; None where a table lacks one of them."""
    combination = choices, tuple(clocks[table.domain] for table in problem.clocks)
    chosen = _combination(Question.of(problem), *combination, arbiter_kernel.load())
    return None if chosen is None else chosen.result()


def result_of(question: Question, choice: Choices) -> ArbiterResult:
    """A single choice in words and numbers."""
    return Chosen.of(question, choice).result()


def terms(problem: ArbiterInput, result: ArbiterResult) -> tuple[float, ...]:
    """What the order above compares of a choice, most important first; its cost counts `inertia` less where
    its points are in force. All infinite where a table lacks one of its clocks.
    """
    question = Question.of(problem)
    clocks = tuple(result.clocks[table.domain] for table in problem.clocks)
    chosen = _combination(question, result.choices, clocks, arbiter_kernel.load())
    if chosen is None:
        return (math.inf,) * (3 + len(question.kinds))
    in_force = problem.incumbent is not None and problem.incumbent[0] == result.choices
    bonus = {"cost": problem.inertia if in_force else 0.0}
    values = [chosen.term(kind) - bonus.get(kind.name, 0.0) for kind in question.kinds]
    return tuple(round(value, 9) for value in (*chosen.caps, *values))


def _kept_incumbent(best: Chosen, kernel: ArbiterKernel | None) -> Chosen:
    """The combination in force where only its cost differs, by at most the inertia; else `best`."""
    question = best.question
    if question.problem.incumbent is None:
        return best
    place = _place(question, *question.problem.incumbent)
    if place is None or place == (best.setting, best.entries):
        return best
    incumbent = _chosen(question, *place, kernel)
    if any(b > a + TOLERANCE for a, b in zip(best.caps, incumbent.caps, strict=True)):
        return best
    for kind in question.kinds:
        value, least = incumbent.term(kind), best.term(kind)
        if kind.name == "cost":
            return incumbent if value <= least + question.problem.inertia else best
        if value > least + TOLERANCE:
            return best
    return best


def _combination(
    question: Question, choices: Sequence[int], clocks: Sequence[float], kernel: ArbiterKernel | None
) -> Chosen | None:
    """These points at these clocks; None where there is no such setting or combination."""
    place = _place(question, choices, clocks)
    return None if place is None else _chosen(question, *place, kernel)


def _place(
    question: Question, choices: Sequence[int], clocks: Sequence[float]
) -> tuple[int, tuple[int, ...]] | None:
    """The setting and the entry of each application; None where there is no such combination."""
    setting = question.layout.settings.index_of(clocks)
    if setting is None or len(choices) != len(question.problem.applications):
        return None
    return setting, question.layout.entries_at(choices, setting)


def _chosen(
    question: Question, setting: int, entries: tuple[int, ...], kernel: ArbiterKernel | None
) -> Chosen:
    if kernel is None:
        return Chosen.of(question, Choices(question, np.array([setting]), np.array(entries)[:, None]))
    return Chosen(question, setting, entries, kernel.evaluate(question, entries))
