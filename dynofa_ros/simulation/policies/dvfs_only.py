"""Policy `dvfs_only`: the clocks are managed, the sub-network is not."""

from __future__ import annotations

from collections.abc import Mapping

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.reflex.slowdown import OverheadEstimator, SlowdownEstimator
from dynofa_ros.simulation.policies.clock_wishes import ClockWishes
from dynofa_ros.simulation.policies.deployed import DeployedPolicy
from dynofa_ros.simulation.policies.roster import writable_tables
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication, World

BUSY_LIMIT = 0.9
"""Largest busy share of an element [1]."""
DWELL_S = 1.0
"""A clock falls only after a lower one has sufficed for this long [s]."""


class _Measured:
    """Slow-down [1] and overhead [ms] of one application."""

    def __init__(self) -> None:
        self.slowdown = SlowdownEstimator()
        self.overhead = OverheadEstimator()
        self.clocks: Mapping[str, float] = {}
        """Clocks read when its last frame was chosen."""

    def typical(self) -> float:
        """Median slow-down; 1 before the first result."""
        median = self.slowdown.median()
        return median if median == median else 1.0


class DvfsOnlyPolicy(DeployedPolicy):
    """The least clock at which every deployed sub-network meets its target with the measured slow-down.

    For each domain the least f of its table, below the caps, with

        d_q + xi_q * L(s, e, f) <= target                     for each application, q its percentile
        sum over the element of share * xi_50 * L(s, e, f) / period <= 0.9

    xi = measured / L(clocks read), waiting included, and d = latency - measured: the same empirical tails as
    the manager's (`manager.slowdown`). Looked at after every frame: up at once, down when
    a lower clock has sufficed for 1 s. Domains that no deployed point computes on stay with the governor.
    An ablation of the manager, not somebody's system.
    """

    name = "dvfs_only"

    def __init__(self) -> None:
        super().__init__()
        self._measured: dict[str, _Measured] = {}
        self._lowest_need: dict[str, tuple[float, float]] = {}
        """Per domain: since when less sufficed, and the most that was needed since."""

    def start(self, world: World) -> None:
        """Nothing is pinned before an application joins."""
        super().start(world)
        self._wishes = ClockWishes(world)
        self._tables = writable_tables(world.spec)

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """Size the sub-network; what was measured of another point's tail stays, it is relative."""
        super().retarget(app, target)
        self._measured.setdefault(app.name, _Measured())
        self._set_clocks(eager=True)

    def forget(self, name: str) -> None:
        """Its clocks are free again."""
        super().forget(name)
        del self._measured[name]
        self._set_clocks(eager=True)

    def recap(self) -> None:
        """A clock that is capped cannot be asked for."""
        self._set_clocks(eager=True)

    def choose(self, name: str) -> OperatingPoint:
        """The deployed one; notes the clocks that it starts with."""
        self._measured[name].clocks = dict(self.world.clocks())
        return super().choose(name)

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """Learn, and look at the clocks again."""
        measured = self._measured.get(name)
        if measured is None or not frame.inferred or frame.point is None:
            return
        measured.slowdown.update(frame.measured_ms / frame.point.time_ms(measured.clocks))
        measured.overhead.update(frame.latency_ms - frame.measured_ms)
        self._set_clocks(eager=False)

    def _set_clocks(self, *, eager: bool) -> None:
        wish: dict[str, float] = {}
        for domain in {point.clock_domain for point in self.chosen()} & self._tables.keys():
            table = self.below_cap(domain, self._tables[domain])
            needed = next((mhz for mhz in table if self._suffices(domain, mhz)), table[-1])
            wish[domain] = needed if eager else self._settled(domain, needed)
        if eager:
            self._lowest_need.clear()
        self._wishes.wish("", wish)

    def _settled(self, domain: str, needed: float) -> float:
        """`needed`, or what is pinned as long as less has not sufficed for the dwell time."""
        now_s, pinned = self.world.now_s, self._wishes.pinned.get(domain, 0.0)
        if needed >= pinned:
            self._lowest_need.pop(domain, None)
            return needed
        since_s, most = self._lowest_need.get(domain, (now_s, needed))
        most = max(most, needed)
        if now_s - since_s < DWELL_S:
            self._lowest_need[domain] = (since_s, most)
            return pinned
        self._lowest_need.pop(domain, None)
        return most

    def _suffices(self, domain: str, mhz: float) -> bool:
        busy: dict[str, float] = {}
        clocks = {**self.world.clocks(), domain: mhz}
        for name, point in self._points.items():
            if point.clock_domain != domain:
                continue
            measured, target = self._measured[name], self.targets[name]
            time_ms = point.time_ms(clocks)
            tail_ms = measured.slowdown.tail(target.percentile) * time_ms
            if measured.overhead.tail(target.percentile) + tail_ms > target.latency_ms:
                return False
            part = measured.typical() * time_ms / self.apps[name].period_ms
            share = self.world.spec.power.share(point)
            busy[point.element] = busy.get(point.element, 0.0) + share * part
        return all(value <= BUSY_LIMIT for value in busy.values())
