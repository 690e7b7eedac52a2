"""Figures that judge simulated runs, as the scenario format defines them. Pure functions of run records.

Per application and for all together: latency counts from the release of a frame to its result, waiting
included, against the target valid at release; dropped, late and unfinished frames are misses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynofa_ros.manager.qos import Objective
from dynofa_ros.simulation import metrics
from dynofa_ros.simulation.records import Frame
from dynofa_ros.simulation.scenarios.timeline import Timeline
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord

Scores = dict[str, Any]
"""A JSON object; None where a figure does not exist."""

ORACLE = "oracle"
SMALL_ENERGY_J = 1e-9
TOLERANCE = 1e-9


def score(record: RunRecord, idle: RunRecord) -> Scores:
    """All figures of one run; `idle` is the same board under the same events without applications."""
    applications = {name: _application(record, frames) for name, frames in record.frames.items()}
    above_j = record.energy_j - idle.energy_j
    inferred = sum(scores["inferred"] for scores in applications.values())
    return {
        "objective": objective_of(record),
        **_together(record, applications),
        "recovery_ms": _worst_recoveries(record, applications),
        "energy_j": record.energy_j,
        "idle_energy_j": idle.energy_j,
        "energy_above_idle_j": above_j,
        "energy_mj_per_frame": above_j * 1e3 / inferred if inferred else None,
        "over_budget_s": over_budget_s(record),
        "clock_changes": record.clock_changes,
        "peak_degc": record.peak_degc,
        "throttled_s": record.throttled_s,
        "applications": applications,
    }


def timing(record: RunRecord) -> Scores:
    """Wall-clock figures of one run: how long decisions took [us]. Not reproducible."""
    return {"decision_us": _quantiles(record.decision_us, (50, 95, 99)), "decisions": len(record.decision_us)}


def add_gaps(policies: Mapping[str, Scores]) -> None:
    """Set `gap_to_oracle` of every policy; None where the oracle did not run.

    Differences in energy above idle [J, and share of the oracle's], on-time accuracy and misses [of 1].
    """
    oracle = policies.get(ORACLE)
    for scores in policies.values():
        scores["gap_to_oracle"] = None if oracle is None else _gap(scores, oracle)


def objective_of(record: RunRecord) -> str:
    """What targets ask for: "min_energy", "max_accuracy", or "mixed" where there are both."""
    objectives: set[int] = set()
    for name in record.frames:
        for episode in record.timeline.of(name):
            objectives.update(target.objective for _, target in episode.targets)
    if len(objectives) > 1:
        return "mixed"
    return "min_energy" if Objective.MIN_ENERGY in objectives else "max_accuracy"


def over_budget_s(record: RunRecord) -> float:
    """Whole seconds whose mean power was above the power budget that held throughout them [s]."""
    energies = np.diff(np.concatenate(([0.0], record.energy_by_second_j)))
    return float(
        sum(
            power_w > min(_budget_w(record.timeline, second), _budget_w(record.timeline, second + 1.0 - 1e-9))
            for second, power_w in enumerate(energies.tolist())
            if not math.isnan(_budget_w(record.timeline, float(second)))
        )
    )


def _budget_w(timeline: Timeline, t_s: float) -> float:
    budgets = [
        episode.target_at(t_s).max_power_w
        for episode in timeline.episodes
        if episode.join_s <= t_s < episode.leave_s
    ]
    return min((w for w in budgets if not math.isnan(w)), default=math.nan)


def _application(record: RunRecord, outcomes: list[FrameOutcome]) -> Scores:
    frames = [_frame(outcome) for outcome in outcomes]
    accuracies = [outcome.accuracy for outcome in outcomes if outcome.inferred]
    on_time = [outcome.accuracy for outcome, frame in zip(outcomes, frames, strict=True) if frame.on_time]
    latencies = [(f.latency_ms, f.latency_ms / f.target_ms) for f in frames if f.inferred]
    return {
        "released": len(frames),
        "inferred": len(accuracies),
        "dropped": sum(outcome.drop == "replaced" for outcome in outcomes),
        "unfinished": sum(outcome.drop == "unfinished" for outcome in outcomes),
        "late": len(accuracies) - len(on_time),
        "latency_ms": _quantiles([latency for latency, _ in latencies], (50, 95, 99)),
        "latency_to_target": _quantiles([ratio for _, ratio in latencies], (50, 95, 99)),
        "below_floor": _below_floor(record, outcomes),
        "miss_rate": metrics.miss_rate(frames),
        "longest_miss_burst": metrics.longest_miss_burst(frames),
        "p_miss_given_miss": metrics.miss_given_miss(frames),
        "mean_accuracy": _mean(accuracies, len(accuracies)),
        "on_time_accuracy": _mean(on_time, len(frames)),
        "switches": metrics.switches(frames),
        "recovery_ms": [metrics.recovery_ms(frames, event.t_s) for event in record.scenario.events],
    }


def _below_floor(record: RunRecord, outcomes: Sequence[FrameOutcome]) -> int:
    """Frames on time whose accuracy is below the floor that was valid at release."""
    below = 0
    for episode in record.timeline.of(outcomes[0].application if outcomes else ""):
        below += sum(
            outcome.on_time
            and outcome.accuracy < episode.target_at(outcome.release_s).min_accuracy - TOLERANCE
            for outcome in outcomes
            if episode.join_s <= outcome.release_s < episode.leave_s
        )
    return below


def _frame(outcome: FrameOutcome) -> Frame:
    point = outcome.point if outcome.inferred else None
    return Frame(
        application=outcome.application,
        stamp_ns=round(outcome.release_s * 1e9),
        t_s=outcome.release_s,
        target_ms=outcome.target_ms,
        latency_ms=outcome.latency_ms,
        inference_ms=outcome.inference_ms,
        subnet=f"{point.subnet} {point.placement}" if point else "",
    )


def _together(record: RunRecord, applications: Mapping[str, Scores]) -> Scores:
    """Figures over the frames of all applications; latencies relative to their own targets."""
    outcomes = [outcome for frames in record.frames.values() for outcome in frames]
    ratios = [o.latency_ms / o.target_ms for o in outcomes if o.inferred]
    latencies = [o.latency_ms for o in outcomes if o.inferred]
    sums = {
        key: sum(scores[key] for scores in applications.values())
        for key in ("released", "inferred", "dropped", "unfinished", "late", "below_floor", "switches")
    }
    released = sums["released"]
    misses = released - sum(outcome.on_time for outcome in outcomes)
    bursts = [scores["longest_miss_burst"] for scores in applications.values()]
    return {
        **sums,
        "latency_ms": _quantiles(latencies, (50, 95, 99)),
        "latency_to_target": _quantiles(ratios, (50, 95, 99)),
        "miss_rate": misses / released if released else None,
        "longest_miss_burst": max(bursts, default=0),
        "p_miss_given_miss": _miss_given_miss(record),
        "mean_accuracy": _mean([o.accuracy for o in outcomes if o.inferred], sums["inferred"]),
        "on_time_accuracy": _mean([o.accuracy for o in outcomes if o.on_time], released),
    }


def _miss_given_miss(record: RunRecord) -> float | None:
    """P(miss | the application's frame before missed), over all applications."""
    followers = [
        not after.on_time
        for frames in record.frames.values()
        for before, after in zip(frames, frames[1:], strict=False)
        if not before.on_time
    ]
    return sum(followers) / len(followers) if followers else None


def _worst_recoveries(record: RunRecord, applications: Mapping[str, Scores]) -> list[Scores]:
    """Of each event the longest recovery of any application; None where one never recovered."""
    worst = []
    for index, event in enumerate(record.scenario.events):
        times = [scores["recovery_ms"][index] for scores in applications.values()]
        value = None if None in times else max(times, default=0.0)
        worst.append({"t": event.t_s, "event": event.kind, "recovery_ms": value})
    return worst


def _gap(scores: Scores, oracle: Scores) -> Scores:
    above_j, best_j = scores["energy_above_idle_j"], oracle["energy_above_idle_j"]
    return {
        "energy_above_idle_j": above_j - best_j,
        "energy_above_idle_share": (above_j - best_j) / best_j if best_j > SMALL_ENERGY_J else None,
        "on_time_accuracy": _difference(scores["on_time_accuracy"], oracle["on_time_accuracy"]),
        "miss_rate": _difference(scores["miss_rate"], oracle["miss_rate"]),
    }


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _mean(values: Sequence[float], count: int) -> float | None:
    """Sum / count; None for no frames, or where an accuracy is not known."""
    total = math.fsum(values)
    return None if count == 0 or math.isnan(total) else total / count


def _quantiles(values: Sequence[float], percents: tuple[int, ...]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys([*(f"p{q}" for q in percents), "max"])
    found = np.percentile(np.asarray(values), percents)
    quantiles = {f"p{q}": float(value) for q, value in zip(percents, found, strict=True)}
    return {**quantiles, "max": float(max(values))}
