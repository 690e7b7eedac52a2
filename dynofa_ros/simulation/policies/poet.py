"""Policy `poet`: the controller of POET, the Performance with Optimal Energy Toolkit.

C. Imes, D. H. K. Kim, M. Maggio, H. Hoffmann, POET: A Portable Approach to Minimizing Energy Under Soft
Real-time Constraints, RTAS 2015; github.com/libpoet/poet 2.0.1 (src/poet.c, src/poet_constants.h).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.simulation.policies.clock_wishes import ClockWishes
from dynofa_ros.simulation.policies.configurations import Catalogue, Configuration, pareto
from dynofa_ros.simulation.policies.deployed import TRANSPORT_MS
from dynofa_ros.simulation.policies.roster import RosterPolicy
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication, World

PERIOD = 5
"""Frames per control period."""
GOAL_SHARE = 0.75
"""Share of the target that the mean inference shall take: POET controls a mean and knows no percentile."""
ENERGY_WEIGHT = 1e-6
"""Accuracy that one millijoule is worth where accuracy is the objective: it only breaks ties."""


class BaseSpeed:
    """Kalman filter of the application's speed at speed-up 1 [1/s].

        P- = P + Q                      Q = 1e-5, P(0) = 1
        K  = P- h / (h P- h + R)        h = speed-up in force, R = 0.01
        x  = x + K (rate - h x)
        P  = (1 - K h) P-

    Constants as in the toolkit's poet_constants.h.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._variance = 1.0

    def update(self, rate: float, speedup: float) -> None:
        """Take the mean rate of one period [1/s] that was run at `speedup`."""
        prior = self._variance + 1e-5
        gain = prior * speedup / (speedup * prior * speedup + 0.01)
        self.rate += gain * (rate - speedup * self.rate)
        self._variance = (1.0 - gain * speedup) * prior


class Split(NamedTuple):
    """Two configurations that share a period: the slower for its first `low_frames` frames."""

    lower: int
    upper: int
    low_frames: int


def split_period(speedups: Sequence[float], costs: Sequence[float], wanted: float, period: int) -> Split:
    """The cheapest pair that reaches speed-up `wanted` on average over `period` frames.

        1 / wanted = x / s_lower + (1 - x) / s_upper        x: share of frames in the slower one
        cost = n c_lower + (period - n) c_upper             n = floor(x period), c: cost of one frame

    All pairs with s_lower <= wanted <= s_upper are tried. `wanted` must lie within the speed-ups.
    """
    best, least = Split(0, 0, 0), math.inf
    for upper, fast in enumerate(speedups):
        if fast < wanted:
            continue
        for lower, slow in enumerate(speedups):
            if slow > wanted:
                continue
            share = slow * (fast - wanted) / (wanted * (fast - slow)) if fast > slow else 0.0
            low_frames = int(period * share + 1e-9)
            cost = low_frames * costs[lower] + (period - low_frames) * costs[upper]
            if cost < least:
                best, least = Split(lower, upper, low_frames), cost
    return best


class _Job:
    """POET for one application."""

    def __init__(self, app: SimApplication) -> None:
        self.app = app
        self.catalogue = Catalogue(app.points)
        self.table: list[Configuration] = []
        self.overhead_ms = TRANSPORT_MS
        self._reference_ms = math.nan
        self._base = BaseSpeed(math.nan)
        self._speedups: list[float] = []
        self._costs: list[float] = []
        self._wanted = 1.0
        self._split = Split(0, 0, 0)
        self._action = 0
        self._measured: list[float] = []

    def tabulate(self, table: list[Configuration], costs: list[float], target: QosTarget) -> None:
        """Take a new table. The first one sets the reference and, by the profile, the first split."""
        first = not self.table
        self.table, self._costs = table, costs
        if first:
            self._reference_ms = max(c.time_ms for c in table)
            self._base.rate = 1e3 / self._reference_ms
            self._wanted = self._goal(target) / self._base.rate
        self._speedups = [self._reference_ms / c.time_ms for c in table]
        self._plan()

    def next(self) -> Configuration:
        """The configuration of the next frame."""
        low = self._action < self._split.low_frames
        self._action += 1
        return self.table[self._split.lower if low else self._split.upper]

    def learn(self, measured_ms: float, overhead_ms: float, target: QosTarget) -> None:
        """One result; the last of a period closes the loop."""
        self._measured.append(measured_ms)
        self.overhead_ms += 0.1 * (overhead_ms - self.overhead_ms)
        if len(self._measured) >= PERIOD:
            rate = 1e3 * len(self._measured) / sum(self._measured)
            self._measured.clear()
            self._base.update(rate, self._wanted)
            self._wanted += (self._goal(target) - rate) / self._base.rate
            self._plan()

    def _goal(self, target: QosTarget) -> float:
        allowed_ms = GOAL_SHARE * (target.latency_ms - self.overhead_ms)
        return 1e3 / max(allowed_ms, 0.1)

    def _plan(self) -> None:
        self._wanted = min(max(self._wanted, min(self._speedups)), max(self._speedups))
        self._split = split_period(self._speedups, self._costs, self._wanted, PERIOD)
        self._action = 0


class PoetPolicy(RosterPolicy):
    """A mean speed held by a deadbeat controller, two configurations sharing each period of 5 frames.

    With r the mean rate of a period (1 / inference time), b of `BaseSpeed` and the goal
    g = 1 / (0.75 (target - overhead)):

        u = u + (g - r) / b             deadbeat (poles and zero at 0), limited to the table's speed-ups

    and `split_period` for the next one. The table: points x clocks with their speed-up against the slowest
    and the cost of a frame. For min_energy that is the board's energy per period of the camera, among the
    points at or above the floor (all, where none is); for max_accuracy, of which POET knows nothing, the
    accuracy lost.
    Several applications each run their own POET; a shared domain is pinned to the highest wish.

    Period and goal are the user's: 5 frames and 0.75 did best of 5, 10, 20 (the toolkit's examples) and 0.7
    to 1 over the shipped scenarios with seeds 1 and 2. A goal of 1 would let half the frames miss.

    Kinder than the toolkit: it starts where the profile says instead of at the highest speed;
    configurations that are capped or break a power budget on average are left out; costs count the idle
    time between frames.
    """

    name = "poet"

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, _Job] = {}

    def start(self, world: World) -> None:
        """Nothing is pinned before an application joins."""
        super().start(world)
        self._wishes = ClockWishes(world)

    def on_join(self, app: SimApplication) -> None:
        """One more POET."""
        self._jobs[app.name] = _Job(app)
        super().on_join(app)

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """Another objective, floor or budget is another table; another latency only another goal."""
        self._tabulate(self._jobs[app.name], target)

    def forget(self, name: str) -> None:
        """Its clocks are free again."""
        self._jobs.pop(name, None)
        self._wishes.drop(name)

    def recap(self) -> None:
        """Leave out clocks that do not exist now."""
        for name, job in self._jobs.items():
            self._tabulate(job, self.targets[name])

    def choose(self, name: str) -> OperatingPoint:
        """The configuration whose turn it is."""
        configuration = self._jobs[name].next()
        self._wishes.wish(name, configuration.clocks)
        return configuration.point

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """A heartbeat."""
        job = self._jobs.get(name)
        if job is not None and frame.inferred:
            job.learn(frame.measured_ms, frame.latency_ms - frame.measured_ms, self.targets[name])

    def _tabulate(self, job: _Job, target: QosTarget) -> None:
        everything = _good_enough(job.catalogue.below(self.world, self.caps), target)
        period_ms = job.app.period_ms

        def cost(c: Configuration) -> float:
            return _cost(c, target.objective, period_ms)

        affordable = [c for c in everything if not _mean_w(c, period_ms) > target.max_power_w] or everything
        table = pareto(affordable, lambda c: (c.time_ms, cost(c)))
        job.tabulate(table, [cost(c) for c in table], target)


def _good_enough(table: list[Configuration], target: QosTarget) -> list[Configuration]:
    if target.objective != Objective.MIN_ENERGY:
        return table
    return [c for c in table if not c.point.accuracy < target.min_accuracy] or table


def _cost(c: Configuration, objective: int, period_ms: float) -> float:
    energy_mj = c.energy_mj(c.time_ms, period_ms)
    if objective == Objective.MIN_ENERGY:
        return energy_mj
    lost = 0.0 if math.isnan(c.point.accuracy) else 1.0 - c.point.accuracy
    return lost + ENERGY_WEIGHT * energy_mj


def _mean_w(c: Configuration, period_ms: float) -> float:
    return c.energy_mj(c.time_ms, period_ms) / max(period_ms, c.time_ms)
