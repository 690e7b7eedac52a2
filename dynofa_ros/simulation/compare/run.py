"""One job of a comparison: the runs of several policies in the same world, as plain figures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dynofa_ros.board.options import Voltage
from dynofa_ros.simulation.compare.recovery import quiet_frames, recovery_frames
from dynofa_ros.simulation.compare.steadiness import steadiness
from dynofa_ros.simulation.merit import episode_of, merit_of
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.scores import score, timing
from dynofa_ros.simulation.world.simulator import play, simulate_idle
from dynofa_ros.simulation.world.truth import Truth, truth_of

Figures = dict[str, Any]
"""A JSON object."""


def run_policies(
    scenario: Scenario, seed: int, voltage: Voltage, policies: Sequence[str]
) -> Iterator[tuple[str, Figures]]:
    """Play each policy in turn. All figures but `timing` are a function of the arguments.

    Raises:
        DynofaError: an unknown policy.

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
        "quiet_frames": quiet_frames(record),
        "steadiness": steadiness(record, truth.noise),
    }


def allowed_misses(record: RunRecord) -> float:
    """Misses that the percentiles in force at the releases allow."""
    return math.fsum(
        1.0 - episode_of(record.timeline.of(name), frame).target_at(frame.release_s).percentile
        for name, frames in record.frames.items()
        for frame in frames
    )
