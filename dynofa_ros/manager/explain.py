"""Says why: what binds an application, and one sentence for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dynofa_ros.manager.arbiter import result_of
from dynofa_ros.manager.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.operating_point import OperatingPoint, label
from dynofa_ros.manager.order import first
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.reach import Reach
from dynofa_ros.manager.settings import IndexArray

WORDS = {
    "latency": "misses its latency target",
    "keep_up": "cannot keep up with the camera",
    "min_accuracy": "is below the accuracy floor",
    "power_budget": "the board exceeds its power budget",
    "temperature": "the board would get too hot",
}


@dataclass(frozen=True)
class Explanation:
    """`binding` names a constraint, "" where none binds; `reason` is one sentence."""

    binding: str
    reason: str


def explain(
    problem: ArbiterInput, result: ArbiterResult, index: int, target: QosTarget, block: str
) -> Explanation:
    """Explain the choice for application `index`. `block`: why upward moves are held back now, or ""."""
    app = problem.applications[index]
    text = f"{app.name}: {_running(app, result, index, target)}"
    violations = (*result.violations[index], *result.board_violations)
    if violations:
        words = ", ".join(WORDS.get(name, f"{name.partition(':')[2]} is too busy") for name in violations)
        return Explanation(violations[0], f"{text}; {words}, and nothing better is possible")
    if target.objective == Objective.MIN_ENERGY:
        return Explanation("", f"{text}; least power that meets every target")
    binding, words = _next_larger(problem, result, index, block)
    return Explanation(binding, f"{text}; {words}")


def at_mhz(result: ArbiterResult, point: OperatingPoint) -> str:
    """The words "at 1190 MHz" after a space; empty where the clock is not chosen."""
    mhz = result.clocks.get(point.clock_domain)
    return f" at {mhz:.0f} MHz" if mhz is not None else ""


def _running(app: ArbiterApplication, result: ArbiterResult, index: int, target: QosTarget) -> str:
    point = app.points[result.choices[index]]
    text = f"{label(point, app.points)}{at_mhz(result, point)}: {result.latency_ms[index]:.1f} ms"
    if not math.isnan(target.latency_ms):
        text += f" of {target.latency_ms:g} ms"
    text += f" at p{100.0 * target.percentile:g}"
    return text if math.isnan(point.accuracy) else f"{text}, {100.0 * point.accuracy:.1f} %"


def _next_larger(problem: ArbiterInput, result: ArbiterResult, index: int, block: str) -> tuple[str, str]:
    app = problem.applications[index]
    merits = app.merits()
    higher = [i for i, merit in enumerate(merits) if merit > merits[result.choices[index]]]
    if not higher:
        return "", "no more accurate sub-network is resident"
    candidate = min(higher, key=lambda i: merits[i])
    settings = _with(problem, result, index, candidate)
    other = result_of(settings.question, settings.picked(_best(settings)))
    name = label(app.points[candidate], app.points)
    need = f"{name} would need {other.latency_ms[index]:.1f} ms"
    if other.feasible:
        tight = other.latency_ms[index] > (1.0 - app.margin) * app.latency_ms
        binding = block or ("margin" if tight else "dwell")
        held = {"telemetry": "telemetry is stale", "margin": f"less than {100 * app.margin:.0f} % margin"}
        return binding, f"{need}: {held.get(binding, 'waits for the minimum dwell')}"
    violations = (*other.board_violations, *(name for names in other.violations for name in names))
    if violations[0] == "keep_up":
        return "keep_up", f"{name} cannot keep up with the camera every {app.period_ms:.1f} ms"
    if violations[0] == "latency":
        return _latency_or_power(settings, need)
    return violations[0], f"with {name} {WORDS.get(violations[0], violations[0] + ' over its limit')}"


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


def _with(problem: ArbiterInput, result: ArbiterResult, index: int, candidate: int) -> Choices:
    """One application at `candidate` and all others as chosen, at every clock setting."""
    question = Question.of(problem)
    layout = question.layout
    points = np.array([candidate if i == index else choice for i, choice in enumerate(result.choices)])
    settings = np.arange(layout.settings.count)
    first_points = np.array(layout.first_point[:-1])
    return Choices(question, settings, layout.entries((first_points + points)[:, None], settings[None, :]))


def _best(settings: Choices) -> IndexArray:
    """The setting that gives way least, in the order of the arbiter."""
    reach = Reach.of(settings.question)
    above_w = np.maximum(settings.power_w(settings.everything) - reach.limit_w, 0.0)
    return first(settings, np.flatnonzero(above_w <= above_w.min() + TOLERANCE))
