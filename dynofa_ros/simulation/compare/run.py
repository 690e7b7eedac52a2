"""One job of a comparison: the runs of several policies in the same world, as plain figures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynofa_ros.board.options import Voltage
from dynofa_ros.simulation.compare.steadiness import steadiness
from dynofa_ros.simulation.merit import episode_of, merit_of
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.scenarios.changes import Bandwidth, CoRunner
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.scores import score, timing
from dynofa_ros.simulation.world.simulator import play, simulate_idle
from dynofa_ros.simulation.world.truth import Truth, truth_of

ON_TIME_IN_A_ROW = 10
"""So many frames on time count as recovered."""

Figures = dict[str, Any]
"""A JSON object."""


def run_policies(
    scenario: Scenario, seed: int, voltage: Voltage, policies: Sequence[str]
) -> Iterator[tuple[str, Figures]]:
    """Play each policy in turn. All figures but `timing` are a function of the arguments.

    Raises:
        DynofaError: an unknown policy, or a family without points on the board.

    """
    truth = truth_of(scenario, seed, voltage)
    idle = simulate_idle(truth)
    for name in policies:
        policy, begin_s = make_policy(name), time.process_time()
        record = play(truth, policy)
        cpu_s = time.process_time() - begin_s
        yield name, {**_figures(record, idle, truth), "timing": {**timing(record), "cpu_s": cpu_s}}


def _figures(record: RunRecord, idle: RunRecord, truth: Truth) -> Figures:
    return {
        "scenario": record.scenario.name,
        "duration_s": record.scenario.duration_s,
        "steady": not record.scenario.events,
        "extrapolated": record.scenario.spec().extrapolated,
        "applications": len(record.frames),
        "scores": score(record, idle),
        "merit": merit_of(record)._asdict(),
        "allowed_misses": allowed_misses(record),
        "recovery_frames": list(recovery_frames(record)),
        "steadiness": steadiness(record, truth.noise),
    }


def allowed_misses(record: RunRecord) -> float:
    """Misses that the percentiles in force at the releases allow."""
    return math.fsum(
        1.0 - episode_of(record.timeline.of(name), frame).target_at(frame.release_s).percentile
        for name, frames in record.frames.items()
        for frame in frames
    )


def recovery_frames(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """For each load that arrives: late frames released from then until ten in a row are on time.

    The most of any application; None where one never recovers.
    """
    before: dict[str, float] = {}
    for event in record.scenario.events:
        change = event.change
        if not isinstance(change, CoRunner | Bandwidth):
            continue
        where = change.element if isinstance(change, CoRunner) else "memory"
        load = change.slowdown if isinstance(change, CoRunner) else change.gbps
        arrives = load > before.get(where, 1.0 if isinstance(change, CoRunner) else 0.0)
        before[where] = load
        if arrives:
            counts = [_late_until_recovered(frames, event.t_s) for frames in record.frames.values()]
            most = None if None in counts else max((c for c in counts if c is not None), default=0)
            yield {"t_s": event.t_s, "load": where, "frames": most}


def _late_until_recovered(frames: Sequence[FrameOutcome], t_s: float) -> int | None:
    """Frames before the first of ten in a row that are on time; 0 where none missed within a second."""
    after = [frame for frame in frames if frame.release_s >= t_s]
    if all(frame.on_time for frame in after if frame.release_s < t_s + 1.0):
        return 0
    in_a_row = 0
    for number, frame in enumerate(after):
        in_a_row = in_a_row + 1 if frame.on_time else 0
        if in_a_row == ON_TIME_IN_A_ROW:
            return number + 1 - ON_TIME_IN_A_ROW
    return None
