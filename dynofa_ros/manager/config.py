"""Parameters of the manager."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dynofa_ros.manager.qos import DEFAULT_PERCENTILE, Objective


@dataclass(frozen=True)
class ManagerConfig:
    """One field per ROS parameter of the manager node; all durations and shares are > 0."""

    validity_ms: float = 6000.0
    """Lease of a decision [ms]; renewed after a third of it."""
    dwell_s: float = 1.0
    """Least time between a change and an upward move: a more accurate sub-network or lower clocks [s]."""
    margin: float = 0.01
    """An upward move must leave this share of the target and of the busy limit free, more while the tail is
    uncertain [1]."""
    accuracy_percentile: float = 0.99
    """Least percentile planned for where the objective is accuracy: a late frame is worth nothing [1]."""
    busy_limit: float = 0.95
    """Largest busy share of an element, and of an application's period [1]."""
    stats_timeout_s: float = 2.0
    """Measurements older than this allow no upward move [s]."""
    board_timeout_s: float = 2.0
    """A board state that repeats or stays away for longer allows no upward move [s]."""
    application_timeout_s: float = 10.0
    """An application without any sign of life for longer is forgotten with its target [s]."""
    default_latency_ms: float = math.nan
    """Target of applications without one [ms]; NaN: the most accurate that keeps up with the camera."""
    default_percentile: float = DEFAULT_PERCENTILE
    """Percentile for `default_latency_ms` [1]."""
    default_objective: int = Objective.MAX_ACCURACY
    """Objective of applications without a target."""
    default_period_ms: float = 33.3
    """Period assumed until frames were received [ms]."""
    prior_slowdown: float = 1.15
    """Slow-down assumed until measured, and at least while measurements are stale [1]."""
    prior_overhead_ms: float = 4.0
    """Overhead assumed until measured [ms]."""
    thermal_margin_degc: float = 3.0
    """Distance kept from the first trip point [degC]."""
    thermal_horizon_s: float = 30.0
    """How far ahead the temperature is predicted [s]."""
    sustained_busy: float = 0.5
    """Busy share of its element, as profiled, up to which a point may run where a trip point is known, but
    neither a model nor a reading tells the temperature, and no reading did since the application came [1].
    A profile infers with a camera's pauses: about this load is what the machine was seen to bear."""
    switch_ms: float = 0.05
    """How long a change of sub-network keeps its element busy, decision to ready network [ms]."""
    actuation_ms: float = 5.0
    """Delay until a new clock takes effect, of domains whose board file does not tell it [ms]: as of a GPU;
    1.0 to 1.4 of CPUs, 7.5 to 8.7 of memory (medians on a Jetson Orin Nano, arXiv 2606.16106)."""
    inertia_w: float = 0.05
    """Saving below which nothing is changed for power alone [W]."""
    settle_s: float = 0.1
    """After a change of clocks measured slow-downs are not believed for so long: some frames ran at other
    clocks than were known [s]."""
    dry_run: bool = False
    """Decisions are proposals that nothing obeys: what runs, and at which clocks, says nothing of them."""
    low_battery: float = 0.0
    """Below this charge every application takes the least energy that meets its target; 0: never [1]."""
    trip_degc: float = math.nan
    """Trip point where the board tells none, e.g. of a temperature topic [degC]; NaN: not known."""
