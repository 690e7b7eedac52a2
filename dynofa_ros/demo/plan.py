"""From a scenario to what is done at which second on this machine: relative targets become milliseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dynofa_ros.demo.scenario import QosChange, RelativeLatency, Scenario, ScenarioEvent
from dynofa_ros.errors import ConfigError

OBJECTIVE_WORDS = {0: "most accurate", 1: "least energy"}


@dataclass(frozen=True)
class Measured:
    """What warm-up measured: profiled latency [ms] by sub-network, and the rest of the way [ms]."""

    latency_ms: Mapping[str, float]
    overhead_ms: float


@dataclass(frozen=True)
class Target:
    """A complete target of one application."""

    application: str
    latency_ms: float = math.nan
    percentile: float = 0.95
    min_accuracy: float = math.nan
    objective: int = 0
    priority: int = 0


@dataclass(frozen=True)
class Step:
    """One thing to do at t_s. Fields that are None stay as they are."""

    t_s: float
    kind: str
    label: str
    application: str = ""
    target: Target | None = None
    processes: int | None = None
    cap: tuple[str, float] | None = None  # (domain, MHz); NaN lifts it
    camera: bool | None = None  # the application's camera starts (True) or stops (False)


def latency_ms(latency: RelativeLatency | float, measured: Measured) -> float:
    """Return a target in milliseconds, rounded up to a tenth.

    Raises:
        ConfigError: the scenario names a sub-network that the family does not have.
    """
    if not isinstance(latency, RelativeLatency):
        return latency
    by_latency = sorted(measured.latency_ms, key=lambda name: measured.latency_ms[name])
    if not by_latency:
        raise ConfigError("scenario", "latency", "no sub-network has been profiled")
    name = {"smallest": by_latency[0], "largest": by_latency[-1]}.get(latency.subnet, latency.subnet)
    if name not in measured.latency_ms:
        known = ", ".join(by_latency)
        raise ConfigError("scenario", "latency.subnet", f"{name!r} is unknown; largest, smallest or {known}")
    total = measured.overhead_ms + latency.factor * measured.latency_ms[name]
    return math.ceil(10.0 * total) / 10.0


def co_runner_processes(cores: int | str, machine_cores: int) -> int:
    """Return how many processes a co-runner on `cores` ("half", "all_but_one" or a number) has here."""
    if cores == "half":
        return max(1, machine_cores // 2)
    if cores == "all_but_one":
        return max(1, machine_cores - 1)
    return min(int(cores), machine_cores)


def make_plan(scenario: Scenario, measured: Measured, seconds: float, machine_cores: int) -> list[Step]:
    """Return the steps of a run of `seconds`, in order, with labels for people."""
    measured = replace(measured, overhead_ms=scenario.overhead_factor * measured.overhead_ms)
    targets = {app.name: _merge(Target(app.name), app.qos, measured) for app in scenario.applications}
    scale = seconds / scenario.duration_s
    steps = []
    for event in scenario.events:
        step = _step(event, targets, measured, machine_cores)
        steps.append(replace(step, t_s=event.t_s * scale))
        if step.target is not None:
            targets[step.application] = step.target
    return steps


def _merge(target: Target, change: QosChange, measured: Measured) -> Target:
    new: dict[str, float | int] = {
        name: value
        for name in ("percentile", "min_accuracy", "objective", "priority")
        if (value := getattr(change, name)) is not None
    }
    if change.latency is not None:
        new["latency_ms"] = latency_ms(change.latency, measured)
    return replace(target, **new)  # type: ignore[arg-type]


def _step(event: ScenarioEvent, targets: Mapping[str, Target], measured: Measured, cores: int) -> Step:
    if event.kind == "corunner":
        count = co_runner_processes(event.value, cores)
        label = f"co-runner on {count} of {cores} cores" if count else "co-runner ends"
        return Step(event.t_s, event.kind, label, processes=count)
    if event.kind == "cap":
        domain, mhz = event.value
        label = f"{domain} cap lifted" if math.isnan(mhz) else f"{domain} capped at {mhz:.0f} MHz"
        return Step(event.t_s, event.kind, label, cap=(domain, mhz))
    app = event.application
    if event.kind == "leave":
        return Step(event.t_s, event.kind, f"{app} camera leaves", app, camera=False)
    old = targets[app]
    new = _merge(old, event.value, measured)
    if event.kind == "join":
        return Step(
            event.t_s, event.kind, f"{app} camera joins, {new.latency_ms:.1f} ms", app, new, camera=True
        )
    return Step(event.t_s, event.kind, _qos_label(old, new), app, new)


def _qos_label(old: Target, new: Target) -> str:
    parts = []
    if new.objective != old.objective:
        parts.append(OBJECTIVE_WORDS[new.objective])
    if new.latency_ms != old.latency_ms:
        parts.append(f"{new.latency_ms:.1f} ms")
    if new.min_accuracy != old.min_accuracy and not math.isnan(new.min_accuracy):
        parts.append(f"accuracy >= {100 * new.min_accuracy:.0f} %")
    return f"{new.application}: {', '.join(parts) or 'target repeated'}"
