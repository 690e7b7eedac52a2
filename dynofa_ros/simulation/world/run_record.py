"""What one simulated run left behind: the input of the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.scenarios.timeline import Timeline
from dynofa_ros.simulation.world.policy import FrameOutcome


@dataclass(frozen=True)
class TracePoint:
    """The board at one moment, as it truly is."""

    t_s: float
    power_w: float
    temperature_degc: float
    clocks_mhz: Mapping[str, float]


class ClockStep(NamedTuple):
    """Clocks in force from `t_s` on, by domain [MHz]."""

    t_s: float
    mhz: Mapping[str, float]


@dataclass(frozen=True)
class RunRecord:
    """One run of one policy."""

    scenario: Scenario
    timeline: Timeline
    policy: str
    seed: int
    voltage: str
    frames: Mapping[str, list[FrameOutcome]]
    """Every released frame of each application, by release."""
    energy_j: float
    """Of the whole board, over the whole duration."""
    energy_by_second_j: tuple[float, ...]
    """Energy up to the end of each second."""
    clock_changes: int
    peak_degc: float
    throttled_s: float
    decision_us: tuple[float, ...] = ()
    """Wall-clock times of decisions; not reproducible."""
    clock_steps: tuple[ClockStep, ...] = ()
    """The clocks at the start and after each change."""
    trace: tuple[TracePoint, ...] = ()
