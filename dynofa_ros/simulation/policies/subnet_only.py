"""Policy `subnet_only`: the sub-network is managed, the clocks are the kernel's."""

from __future__ import annotations

import math

from dynofa_ros.manager.decision import SubnetAlternative, SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.manager.reflex.reflex import Reflex
from dynofa_ros.simulation.policies.deployed import deployed_point, merit
from dynofa_ros.simulation.policies.roster import RosterPolicy
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication

FOR_EVER_MS = 1e12


class SubnetOnlyPolicy(RosterPolicy):
    """The reflex of this package alone (equation: `manager.frame_latency`), under the kernel's governors.

    Its top is, for max_accuracy, the most accurate point of the front; for min_energy the deployed point
    (see `deployed`): the least energy that meets floor and target. Below lie the faster points that are no
    more accurate, of the front and of the top's own placement. Times are expected at the clocks read before
    each frame. An ablation of the manager, not somebody's system.
    """

    name = "subnet_only"

    def __init__(self) -> None:
        super().__init__()
        self._reflexes: dict[str, Reflex] = {}
        self._sequence = 0

    def on_join(self, app: SimApplication) -> None:
        """A fresh reflex that knows the profile."""
        reflex = self._reflexes[app.name] = Reflex()
        reflex.set_points(app.points)
        reflex.set_period(app.period_ms)
        super().on_join(app)

    def forget(self, name: str) -> None:
        """Forget what was learnt."""
        self._reflexes.pop(name, None)

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """Tell the reflex where it may go."""
        self._sequence += 1
        top, below = self._ladder(app, target)
        decision = SubnetDecision(
            application=app.name,
            manager_id=self.name,
            sequence=self._sequence,
            validity_ms=FOR_EVER_MS,
            subnet=top.subnet,
            placement=top.placement,
            element=top.element,
            threads=top.threads,
            target_latency_ms=target.latency_ms,
            percentile=target.percentile,
            alternatives=tuple(_alternative(point) for point in (*below, top)),
        )
        self._reflexes[app.name].on_decision(decision, self.world.now_s)

    def resize(self) -> None:
        """Size the top again with the caps that hold from the start."""
        for name, app in self.apps.items():
            self.retarget(app, self.targets[name])

    def choose(self, name: str) -> OperatingPoint:
        """What the reflex says, at the clocks as they are."""
        reflex = self._reflexes[name]
        for domain, mhz in self.world.clocks().items():
            reflex.set_clock(domain, mhz)
        return reflex.choose(self.world.now_s)

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """Let the reflex learn from it."""
        reflex = self._reflexes.get(name)
        if reflex is not None and frame.inferred and frame.point is not None:
            overhead_ms = frame.latency_ms - frame.measured_ms
            reflex.update(frame.point.key, frame.measured_ms, overhead_ms)

    def _ladder(self, app: SimApplication, target: QosTarget) -> tuple[OperatingPoint, list[OperatingPoint]]:
        front = pareto_front(list(app.points))
        if target.objective == Objective.MIN_ENERGY:
            clocks = self.full_clocks()
            top = deployed_point(app.points, target, self.world.spec.power, clocks, app.period_ms)
        else:
            top = max(front, key=merit)
        faster = [p for p in app.points if p.latency_ms < top.latency_ms and not p.accuracy > top.accuracy]
        return top, [p for p in faster if p in front or p.placement == top.placement]


def _alternative(point: OperatingPoint) -> SubnetAlternative:
    return SubnetAlternative(
        subnet=point.subnet,
        placement=point.placement,
        element=point.element,
        predicted_latency_ms=math.nan,
        predicted_accuracy=point.accuracy,
    )
