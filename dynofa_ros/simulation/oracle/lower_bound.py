"""A bound that no policy can pass: every frame by itself, knowing the future.

Each frame starts the moment it arrives, with the best operating point at the best clock in force at once, and
the rest of the board idle at its lowest clocks:

    misses      frames that no point at any clock of the whole table would finish in time
    accuracy    per frame the most accurate that would
    energy      integral of the idle power + sum over frames of P[p, c] * T[p, c] + idle power of c during T

so waiting, switching, actuation, heat, budgets and what other applications occupy cost nothing. A frame that
is missed anyway costs no energy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dynofa_ros.simulation.oracle.plan import problem_of
from dynofa_ros.simulation.oracle.problem import Conditions, FloatArray, IntArray, PlanFrame, PlanProblem
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.truth import Truth


class Best(NamedTuple):
    """What one frame gets; `action` -1: it misses whatever one does."""

    action: int
    end_s: float
    energy_j: float


def lower_bound(truth: Truth) -> RunRecord:
    """The bound as a record like that of a run; it has no clock changes and no temperature."""
    streams = [stream for streams in truth.noise.streams.values() for stream in streams]
    problem = problem_of(truth, streams, everything=True)
    points = [truth.points[stream.episode.application.name] for stream in streams]
    names = [stream.episode.application.name for stream in streams]
    targets = {
        (name, stream.first + number): target_ms
        for name, stream in zip(names, streams, strict=True)
        for number, target_ms in enumerate(stream.target_ms.tolist())
    }
    frames: dict[str, list[FrameOutcome]] = {name: [] for name in truth.noise.streams}
    steps: list[tuple[float, float]] = []
    for frame in sorted(problem.frames, key=lambda f: (f.application, f.index)):
        best = _best(problem, frame)
        stay = frame.application
        outcome = FrameOutcome(
            names[stay], frame.index, frame.release_s, targets[names[stay], frame.index], frame.arrival_s
        )
        frames[names[stay]].append(outcome)
        if best.action < 0:
            outcome.drop = "unfinished"
            continue
        point = points[stay][int(problem.actions[stay].point[best.action])]
        outcome.chosen_s = outcome.start_s = frame.arrival_s
        outcome.end_s, outcome.inference_ms = best.end_s, (best.end_s - frame.arrival_s) * 1e3
        outcome.point, outcome.element, outcome.accuracy = point, point.element, point.accuracy
        steps.append((best.end_s, best.energy_j))
    seconds = _energy_by_second(problem, steps)
    return RunRecord(
        scenario=truth.scenario,
        timeline=truth.timeline,
        policy="lower_bound",
        seed=truth.seed,
        voltage=truth.voltage,
        frames=frames,
        energy_j=_base_j(problem.conditions, problem.horizon_s) + math.fsum(joule for _, joule in steps),
        energy_by_second_j=tuple(seconds),
        clock_changes=0,
        peak_degc=truth.board().peak_degc,
        throttled_s=0.0,
    )


def _best(problem: PlanProblem, frame: PlanFrame) -> Best:
    """The best action for a frame alone, under the kindest of the conditions that hold during it."""
    actions = problem.actions[frame.application]
    until = [conditions.until_s for conditions in problem.conditions]
    first = int(np.searchsorted(until, frame.arrival_s, side="right"))
    last = int(np.searchsorted(until, frame.release_s + frame.target_s, side="right"))
    held = problem.conditions[first : min(last, len(until) - 1) + 1]
    time_s = frame.factor * _least(c.time_s[frame.application][actions.point, actions.clock] for c in held)
    power_w = _least(
        c.power_w[frame.application][actions.point, actions.clock] + c.idle_w[actions.element, actions.clock]
        for c in held
    )
    end_s = frame.arrival_s + time_s
    possible = (end_s - frame.release_s <= frame.target_s) & (end_s <= frame.leaves_s)
    if not possible.any():
        return Best(-1, math.nan, 0.0)
    energy_j = time_s * power_w
    below = actions.accuracy < frame.min_accuracy
    merit = -actions.accuracy if frame.wants_accuracy else np.zeros(len(time_s))
    order: IntArray = np.lexsort((energy_j, merit, below, ~possible))
    best = int(order[0])
    return Best(best, float(end_s[best]), float(energy_j[best]))


def _least(tables: Iterator[FloatArray]) -> FloatArray:
    return np.asarray(np.minimum.reduce(list(tables)))


def _base_j(conditions: Sequence[Conditions], until_s: float) -> float:
    """Energy of the board idle at its lowest clocks until a time."""
    total_j, since_s = 0.0, 0.0
    for held in conditions:
        end_s = min(held.until_s, until_s)
        total_j += held.base_w * max(end_s - since_s, 0.0)
        since_s = end_s
    return total_j


def _energy_by_second(problem: PlanProblem, steps: list[tuple[float, float]]) -> Iterator[float]:
    ends = np.array([end_s for end_s, _ in steps])
    order = np.argsort(ends)
    sums = np.concatenate([[0.0], np.cumsum(np.array([joule for _, joule in steps])[order])])
    for second in range(1, int(problem.horizon_s) + 1):
        done = int(np.searchsorted(ends[order], float(second), side="right"))
        yield _base_j(problem.conditions, float(second)) + float(sums[done])
