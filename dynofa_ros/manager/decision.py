"""What the manager decides and reports: plain forms of the decision and status messages.

Field names and units are those of the messages; `stamp` is added by the node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dynofa_ros.manager.qos import QosTarget


@dataclass(frozen=True)
class SubnetAlternative:
    """One entry of the ranked list that a decision carries for the reflex.

    `placement` "" means the fastest resident one, here and in a decision.
    """

    subnet: str
    placement: str = ""
    element: str = "cpu"
    predicted_latency_ms: float = math.nan
    predicted_energy_mj: float = math.nan
    predicted_accuracy: float = math.nan
    slowdown_tail: float = math.nan


@dataclass(frozen=True)
class SubnetDecision:
    """Which sub-network one application shall run, for `validity_ms` from receipt."""

    application: str
    manager_id: str
    sequence: int
    validity_ms: float
    subnet: str
    placement: str = ""
    element: str = "cpu"
    threads: int = 0
    target_latency_ms: float = math.nan
    percentile: float = 0.95
    min_accuracy: float = math.nan
    predicted_latency_ms: float = math.nan
    predicted_energy_mj: float = math.nan
    predicted_accuracy: float = math.nan
    feasible: bool = True
    alternatives: tuple[SubnetAlternative, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ClockLimit:
    """Allowed range of one clock domain; NaN leaves that end as it is."""

    domain: str
    min_mhz: float = math.nan
    max_mhz: float = math.nan


@dataclass(frozen=True)
class DvfsDecision:
    """Clock setting for the board, for `validity_ms` from receipt."""

    manager_id: str
    sequence: int
    validity_ms: float
    limits: tuple[ClockLimit, ...] = ()
    predicted_power_w: float = math.nan
    reason: str = ""


def pins(limits: Iterable[ClockLimit]) -> dict[str, float]:
    """The clocks of those limits that leave no choice [MHz]."""
    return {limit.domain: limit.max_mhz for limit in limits if limit.min_mhz == limit.max_mhz > 0.0}


def new_pins(limits: Iterable[ClockLimit], before: Mapping[str, float]) -> dict[str, float]:
    """The pins that differ from those `before`: what is only renewed says nothing."""
    return {domain: mhz for domain, mhz in pins(limits).items() if before.get(domain) != mhz}


@dataclass(frozen=True)
class ApplicationStatus:
    """State of one application as the manager sees it."""

    application: str
    subnet: str
    placement: str
    element: str
    target: QosTarget
    feasible: bool
    binding_constraint: str = ""
    slowdown: float = math.nan
    slowdown_tail: float = math.nan
    slowdown_tail_low: float = math.nan
    slowdown_tail_high: float = math.nan
    overhead_ms: float = math.nan
    period_ms: float = math.nan
    predicted_latency_ms: float = math.nan
    predicted_energy_mj: float = math.nan
    predicted_accuracy: float = math.nan
    frontier: tuple[SubnetAlternative, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ManagerStatus:
    """State of the manager; `refused_targets_total` counts since its start."""

    manager_id: str
    dry_run: bool = False
    feasible: bool = True
    binding_constraint: str = ""
    applications: tuple[ApplicationStatus, ...] = ()
    clocks: tuple[ClockLimit, ...] = ()
    predicted_power_w: float = math.nan
    temperature_degc: float = math.nan
    predicted_temperature_degc: float = math.nan
    decisions_total: int = 0
    refused_targets_total: int = 0
    refused_applications_total: int = 0
    last_refusal: str = ""
    remarks: str = ""
    status: str = ""


@dataclass(frozen=True)
class ManagerOutput:
    """What to publish now: new or renewed decisions (a lease each) and the status."""

    decisions: tuple[SubnetDecision, ...]
    dvfs: DvfsDecision | None
    status: ManagerStatus
