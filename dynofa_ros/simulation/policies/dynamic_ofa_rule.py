"""Policy `dynamic_ofa_rule`: the run-time manager that was published with Dynamic-OFA."""

from __future__ import annotations

from collections import deque

from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.policies.deployed import deployed_point
from dynofa_ros.simulation.policies.roster import RosterPolicy
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication

WINDOW = 20
UP_AFTER = 71


class _Levels:
    """The rule for one application. Level 0 is the smallest sub-network."""

    def __init__(self, points: tuple[OperatingPoint, ...], level: int, unseen: int) -> None:
        self.points = points
        self.level = level
        self._unseen = unseen
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._images = 0

    @property
    def point(self) -> OperatingPoint:
        return self.points[self.level]

    def take(self, latency_ms: float, constraint_ms: float, floor: float) -> None:
        """One image: go down or up by the rule, at the ends of the range stay."""
        self._images += 1
        if self._images > self._unseen:
            self._recent.append(latency_ms)
        if sum(self._recent) / WINDOW > constraint_ms:
            self._move(-1)
        elif self._images >= UP_AFTER and self.point.accuracy < floor:
            self._move(+1)

    def _move(self, step: int) -> None:
        level = self.level + step
        if 0 <= level < len(self.points):
            self.level = level
        self._recent.clear()
        self._images = 0


class DynamicOfaRulePolicy(RosterPolicy):
    """One level at a time, by the mean latency of the last 20 images; clocks by the kernel.

        sum of the last (at most) 20 latencies since the last switch / 20 > constraint    level - 1
        else, 71 images after the last switch, accuracy(level) < accuracy floor           level + 1

    There is no energy term, no clock, no way up without a violated floor. Levels: the front of one placement,
    the deployed point's: the published system ran on either GPU or CPU. Constraint, floor and initial level
    are parameters of the published script; when one of the first two is set, it starts at the deployed level
    (see `deployed`).
    Source: github.com/UoS-EEC/DynamicOFA, runtime_demo/runtime_adjustment; arXiv 2105.03596.

    Kinder than the original: a switch costs what it costs the others, whereas the original starts a new
    process (`restart_s` = 0.5 without output, its first 21 images `unseen`); the latency is the whole
    one, with waiting; latencies above 90 ms are not discarded; leaving the range of levels does not end it.
    """

    name = "dynamic_ofa_rule"

    def __init__(self, restart_s: float = 0.0, unseen: int = 0) -> None:
        """After each switch `restart_s` [s] without output and `unseen` images; published: 0.5 and 21."""
        super().__init__()
        self._restart_s = restart_s
        self._unseen = unseen
        self._levels: dict[str, _Levels] = {}
        self._terms: dict[str, tuple[float, float, int]] = {}

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """Start at the level deployed for it; changes of the other fields of a target mean nothing."""
        terms = (target.latency_ms, target.min_accuracy, target.objective)
        if self._terms.get(app.name) != terms:
            self._terms[app.name] = terms
            self._levels[app.name] = self._initial(app, target)

    def resize(self) -> None:
        """Start anew with the caps that hold from the start."""
        self._terms.clear()
        for name, app in self.apps.items():
            self.retarget(app, self.targets[name])

    def forget(self, name: str) -> None:
        """The application is gone."""
        self._levels.pop(name, None)
        self._terms.pop(name, None)

    def choose(self, name: str) -> OperatingPoint:
        """The point of the level."""
        return self._levels[name].point

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """Apply the rule."""
        levels = self._levels.get(name)
        if levels is not None and frame.inferred:
            target = self.targets[name]
            before = levels.level
            levels.take(frame.latency_ms, target.latency_ms, target.min_accuracy)
            if levels.level != before and self._restart_s > 0.0:
                self.world.suspend(name, self.world.now_s + self._restart_s)

    def _initial(self, app: SimApplication, target: QosTarget) -> _Levels:
        clocks = self.full_clocks()
        deployed = deployed_point(app.points, target, self.world.spec.power, clocks, app.period_ms)
        front = pareto_front([point for point in app.points if point.placement == deployed.placement])
        level = sum(point.latency_ms <= deployed.latency_ms for point in front) - 1
        return _Levels(tuple(front), level, self._unseen)
