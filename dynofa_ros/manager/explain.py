"""Says why: what binds an application, and one sentence for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dynofa_ros.manager.arbiter.arbiter import result_of
from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.arbiter.order import first
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.arbiter.reach import Reach
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.operating_point import OperatingPoint, label
from dynofa_ros.manager.qos import Objective, QosTarget

BLOCKS = {
    "dwell": "waits for the dwell",
    "margin": "leaves too little margin",
    "telemetry": "is held back by telemetry",
}

LEAST = "least power that meets every target"


@dataclass(frozen=True)
class Explanation:
    """`binding` names a constraint, "" where none binds, "other:constraint" where another application's does.

    `reason` is one sentence, mostly within the 128 characters that `ros2 topic echo` shows of a string.
    """

    binding: str
    reason: str


def explain(
    problem: ArbiterInput, result: ArbiterResult, index: int, target: QosTarget, block: str
) -> Explanation:
    """Explain the choice for application `index`. `block`: why upward moves are held back now, or ""."""
    app = problem.applications[index]
    text = f"{app.name} runs {_running(app, result, index, target)}"
    violations = (*result.violations[index], *result.board_violations)
    if violations:
        words = ", ".join(_violated(problem, app, name) for name in violations)
        held = _held_back(problem, result, index, block) or "nothing does better"
        return Explanation(violations[0], f"{text}; {words}: {held}")
    frugal = target.objective == Objective.MIN_ENERGY
    binding, words = (_next_cheaper if frugal else _next_larger)(problem, result, index, block)
    return Explanation(binding, f"{text}; {words}")


def at_mhz(result: ArbiterResult, point: OperatingPoint) -> str:
    """The words "at 1190 MHz" after a space; empty where the clock is not chosen."""
    return f" at {_clock(result, point)}" if point.clock_domain in result.clocks else ""


def _clock(result: ArbiterResult, point: OperatingPoint) -> str:
    mhz = result.clocks.get(point.clock_domain)
    return f"{mhz:.0f} MHz" if mhz is not None else "a lower clock"


def _running(app: ArbiterApplication, result: ArbiterResult, index: int, target: QosTarget) -> str:
    point = app.points[result.choices[index]]
    within = "" if math.isnan(target.latency_ms) else f" of {target.latency_ms:g}"
    text = f"{label(point, app.points)}{at_mhz(result, point)} in {result.latency_ms[index]:.1f}{within} ms"
    text += f" at p{100.0 * app.percentile:g}"
    return text if math.isnan(point.accuracy) else f"{text}, {100.0 * point.accuracy:.1f} % accurate"


def _violated(problem: ArbiterInput, app: ArbiterApplication, name: str, who: str = "") -> str:
    """What is wrong where a constraint of `app`, or of the board, does not hold.

    `who` before it, e.g. "rear is ", where the sentence speaks of another one.
    """
    words = {
        "latency": f"{who}too slow",
        "keep_up": f"{who}too slow for a frame every {app.period_ms:.1f} ms",
        "min_accuracy": f"{who}below its floor of {100.0 * app.min_accuracy:g} %",
        "power_budget": f"the board needs more than {problem.max_power_w:g} W",
        "temperature": "the board gets too hot",
    }
    return words.get(name, f"{name.partition(':')[2]} is too busy")


def _next_larger(problem: ArbiterInput, result: ArbiterResult, index: int, block: str) -> tuple[str, str]:
    app = problem.applications[index]
    merits = app.merits()
    higher = [i for i, merit in enumerate(merits) if merit > merits[result.choices[index]]]
    if not higher:
        return "", "no better one is resident"
    candidate = min(higher, key=lambda i: merits[i])
    count = Question.of(problem).layout.settings.count
    settings = _choices(problem, result, index, np.full(count, candidate), np.arange(count))
    other = _best(settings)
    name = _other(app, candidate, result.choices[index])
    if other.feasible:
        return _held(app, other, index, name, block, otherwise="dwell")
    binding, words = _against(problem, other, index, name)
    return _latency_or_power(settings, words) if binding == "latency" else (binding, words)


def _next_cheaper(problem: ArbiterInput, result: ArbiterResult, index: int, block: str) -> tuple[str, str]:
    """What the next lower clock, or another point at these clocks, that takes less power would break."""
    app, chosen = problem.applications[index], result.choices[index]
    everything = _beside(problem, result, index)
    power_w = everything.power_w(everything.everything)
    less = power_w < power_w[chosen] - TOLERANCE
    if not less.any():
        return "", LEAST
    other = _best(everything.picked(np.flatnonzero(less)))
    candidate = other.choices[index]
    name = _other(app, candidate, chosen)
    if candidate == chosen:
        clocks = [_clock(each, app.points[chosen]) for each in (other, result)]
        name = clocks[0] if clocks[0] != clocks[1] else "a lower clock"
    if other.feasible:
        return _held(app, other, index, name, block, otherwise="")
    binding, words = _against(problem, other, index, name)
    return binding, f"least power: {words}"


def _held(
    app: ArbiterApplication, other: ArbiterResult, index: int, name: str, block: str, otherwise: str
) -> tuple[str, str]:
    """Why a choice that breaks nothing is not made: `block`, the margin, or `otherwise`."""
    latency_ms = other.latency_ms[index]
    tight = latency_ms > (1.0 - app.margin) * app.latency_ms
    binding = block or ("margin" if tight else otherwise)
    return binding, f"{name} at {latency_ms:.1f} ms {BLOCKS[binding]}" if binding else LEAST


def _held_back(problem: ArbiterInput, result: ArbiterResult, index: int, block: str) -> str:
    """A point that is not allowed now and would break less, and what holds it back; "" where none is."""
    app = problem.applications[index]
    if not block or not app.forbidden:
        return ""
    points = np.array(sorted(app.forbidden))
    highest = Question.of(problem).layout.settings.count - 1
    settings = np.repeat([_setting(problem, result.clocks), highest], len(points))
    other = _best(_choices(problem, result, index, np.tile(points, 2), settings))
    if not _broken(other) < _broken(result):
        return ""
    name = _other(app, other.choices[index], result.choices[index])
    return f"{name} at {other.latency_ms[index]:.1f} ms {BLOCKS[block]}"


def _broken(result: ArbiterResult) -> set[tuple[int, str]]:
    """Every constraint that does not hold, with its application; -1: the board's."""
    own = {(i, name) for i, names in enumerate(result.violations) for name in names}
    return own | {(-1, name) for name in result.board_violations}


def _other(app: ArbiterApplication, candidate: int, chosen: int) -> str:
    """What a candidate is called beside the point that runs: where only the placement differs, that."""
    point = app.points[candidate]
    same = point.subnet == app.points[chosen].subnet
    return point.placement if same and point.placement else label(point, app.points)


def _against(problem: ArbiterInput, other: ArbiterResult, index: int, name: str) -> tuple[str, str]:
    """The first constraint that speaks against the candidate `name`: the board's, its own, another's."""
    app, own = problem.applications[index], other.violations[index]
    if other.board_violations:
        violation = other.board_violations[0]
        return violation, f"with {name} {_violated(problem, app, violation)}"
    if own:
        if own[0] == "latency":
            return "latency", f"{name} would need {other.latency_ms[index]:.1f} ms"
        return own[0], _violated(problem, app, own[0], f"{name} is ")
    violation, rival = next(
        (names[0], rival)
        for rival, names in zip(problem.applications, other.violations, strict=True)
        if names
    )
    return (
        f"{rival.name}:{violation}",
        f"with {name} {_violated(problem, rival, violation, f'{rival.name} is ')}",
    )


def _latency_or_power(settings: Choices, need: str) -> tuple[str, str]:
    """A missed latency is the budget's or the heat's doing where it would hold without them."""
    problem, everything = settings.question.problem, settings.everything
    fits = settings.busy_excess(everything)
    for a in settings.apps:
        fits = fits + settings.excess(a, everything) + settings.shortfall(a, everything)
    power_w = settings.power_w(everything)[fits <= TOLERANCE]
    heat = problem.heat
    cool = power_w
    if heat is not None:
        cool = power_w[heat.offset_degc + heat.degc_per_w * power_w <= heat.limit_degc]
    if len(cool) and problem.power is not None and problem.max_power_w < math.inf:
        return "power_budget", f"{need} within {problem.max_power_w:g} W"
    if len(power_w) and not len(cool):
        return "temperature", f"{need} at the clocks that heat allows"
    return "latency", need


def _beside(problem: ArbiterInput, result: ArbiterResult, index: int) -> Choices:
    """One application at each of its points at the chosen clocks, then its chosen point one clock lower."""
    count, chosen = len(problem.applications[index].points), result.choices[index]
    lower = []
    for table in problem.clocks:
        below = [mhz for mhz in table.available_mhz if mhz < result.clocks[table.domain]]
        if below:
            lower.append(_setting(problem, {**result.clocks, table.domain: below[-1]}))
    points = np.array([*range(count), *(chosen for _ in lower)])
    settings = np.array([_setting(problem, result.clocks)] * count + lower)
    return _choices(problem, result, index, points, settings)


def _setting(problem: ArbiterInput, clocks: Mapping[str, float]) -> int:
    settings = Question.of(problem).layout.settings
    return settings.index_of([clocks[table.domain] for table in problem.clocks]) or 0


def _choices(
    problem: ArbiterInput, result: ArbiterResult, index: int, points: IndexArray, settings: IndexArray
) -> Choices:
    """Points of one application at settings, pair by pair, and all others as chosen."""
    question = Question.of(problem)
    layout = question.layout
    rows = [
        layout.first_point[a] + (points if a == index else np.full(len(points), choice))
        for a, choice in enumerate(result.choices)
    ]
    return Choices(question, settings, layout.entries(np.array(rows), settings[None, :]))


def _best(choices: Choices) -> ArbiterResult:
    """The one that gives way least, in the order of the arbiter."""
    reach = Reach.of(choices.question)
    above_w = np.maximum(choices.power_w(choices.everything) - reach.limit_w, 0.0)
    best = first(choices, np.flatnonzero(above_w <= above_w.min() + TOLERANCE))
    return result_of(choices.question, choices.picked(best))
