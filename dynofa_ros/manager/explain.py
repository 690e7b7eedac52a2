"""Says why: what binds an application, and one sentence for people."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dynofa_ros.manager.arbiter import arbitrate
from dynofa_ros.manager.operating_point import OperatingPoint, label
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import Objective, QosTarget

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
    other = arbitrate(_only(problem, result, index, candidate))
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
        return _latency_or_power(problem, result, index, candidate, need)
    return violations[0], f"with {name} {WORDS.get(violations[0], violations[0] + ' over its limit')}"


def _latency_or_power(
    problem: ArbiterInput, result: ArbiterResult, index: int, candidate: int, need: str
) -> tuple[str, str]:
    """A missed latency is the budget's or the heat's doing where it would hold without them."""
    variant = _only(problem, result, index, candidate)
    apps = tuple(replace(app, max_power_w=math.nan) for app in variant.applications)
    if arbitrate(replace(variant, applications=apps)).feasible:
        return "power_budget", f"{need} within {problem.max_power_w:g} W"
    if arbitrate(replace(variant, applications=apps, heat=None)).feasible:
        return "temperature", f"{need} at the clocks that heat allows"
    return "latency", need


def _only(problem: ArbiterInput, result: ArbiterResult, index: int, candidate: int) -> ArbiterInput:
    """The problem with one application at `candidate` and all others as chosen; only clocks are left open."""
    picked = [candidate if i == index else choice for i, choice in enumerate(result.choices)]
    apps = tuple(
        replace(app, current=None, forbidden=frozenset(range(len(app.points))) - {i})
        for app, i in zip(problem.applications, picked, strict=True)
    )
    return replace(problem, applications=apps, incumbent=None)
