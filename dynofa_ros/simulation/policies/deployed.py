"""The sub-network that an engineer would deploy: sized on the idle board, then left alone.

At the highest clocks f that caps and power mode then allow, with the transport's delay d and the profile's
spread r = p95 / median:

    d + r * L(s, e, f) <= target    and    L(s, e, f) <= period       "meets the target"

    min_energy     the least energy per inference among those that meet target and accuracy floor
    else           the most accurate that meets the target
    none meets it  the fastest

Source: the definition of the policy `linux` in the documentation of the scenario files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.simulation.policies.roster import RosterPolicy, writable_tables
from dynofa_ros.simulation.world.policy import SimApplication

TRANSPORT_MS = 1.5
"""Release of a frame to the start of its inference on an idle board: what the engineer measured once."""


def deployed_point(
    points: Sequence[OperatingPoint],
    target: QosTarget,
    power: BoardPowerModel,
    clocks: Mapping[str, float],
    period_ms: float = math.inf,
) -> OperatingPoint:
    """The choice of the module's rule at `clocks` [MHz per domain]."""
    fitting = [p for p in points if _meets(p, target.latency_ms, clocks, period_ms)]
    enough = [p for p in fitting if not p.accuracy < target.min_accuracy]
    if target.objective == Objective.MIN_ENERGY and enough:
        return min(enough, key=lambda p: (power.energy_mj(p, clocks), p.time_ms(clocks)))
    if fitting:
        return max(fitting, key=lambda p: (merit(p), -power.energy_mj(p, clocks)))
    return min(points, key=lambda p: p.time_ms(clocks))


def merit(point: OperatingPoint) -> tuple[float, float]:
    """What makes a point better: accuracy, then multiply-adds; what is not known counts least."""
    accuracy = -1.0 if math.isnan(point.accuracy) else point.accuracy
    return (accuracy, -1.0 if math.isnan(point.macs) else point.macs)


def _meets(point: OperatingPoint, target_ms: float, clocks: Mapping[str, float], period_ms: float) -> bool:
    time_ms = point.time_ms(clocks)
    return TRANSPORT_MS + time_ms * _spread(point) <= target_ms and time_ms <= period_ms


def _spread(point: OperatingPoint) -> float:
    known = point.latency_p95_ms > point.latency_ms
    return point.latency_p95_ms / point.latency_ms if known else 1.0


class DeployedPolicy(RosterPolicy):
    """Runs the deployed sub-network of each application; chosen anew only when its target is set anew."""

    sized_at_full_clock = True
    """Whether the board was at its highest clocks (or at its lowest) when the engineer sized it."""

    def __init__(self) -> None:
        super().__init__()
        self._points: dict[str, OperatingPoint] = {}

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """Size the sub-network for the new target."""
        clocks = self.full_clocks() if self.sized_at_full_clock else self.lowest_clocks()
        self._points[app.name] = deployed_point(
            app.points, target, self.world.spec.power, clocks, app.period_ms
        )

    def resize(self) -> None:
        """Size again with the caps that hold from the start."""
        for name, app in self.apps.items():
            self.retarget(app, self.targets[name])

    def lowest_clocks(self) -> dict[str, float]:
        """Every domain that can be set at its lowest clock, the others as they are [MHz]."""
        lowest = {name: table[0] for name, table in writable_tables(self.world.spec).items()}
        return {**self.world.clocks(), **lowest}

    def forget(self, name: str) -> None:
        """The application is gone."""
        self._points.pop(name, None)

    def choose(self, name: str) -> OperatingPoint:
        """The deployed one."""
        return self._points[name]

    def chosen(self) -> Iterable[OperatingPoint]:
        """The points that are deployed now."""
        return self._points.values()
