"""Policy `alert`: the run-time of ALERT.

C. Wan et al., ALERT: Accurate Learning for Energy and Timeliness, USENIX ATC 2020, arXiv 1911.00119.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.simulation.policies.clock_wishes import ClockWishes
from dynofa_ros.simulation.policies.configurations import Catalogue, Configuration, pareto
from dynofa_ros.simulation.policies.deployed import TRANSPORT_MS
from dynofa_ros.simulation.policies.roster import RosterPolicy
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication, World

PUBLISHED_Q0, TUNED_Q0 = 0.1, 0.003
EQUAL_ACCURACY = 1e-4
"""Expected accuracies this close count as equal, and the lesser energy decides."""


class SlowdownFilter:
    """ALERT's adaptive Kalman filter of the global slow-down xi ~ N(mu, s), s its variance.

        Q(n)  = max(Q0, a Q(n-1) + (1 - a) (K(n-1) y(n-1))^2)        a = 0.3, Q0 = 0.1
        s(n)  = (1 - K(n-1)) s(n-1) + Q(n)                             s(0) = 0.1
        K(n)  = s(n) / (s(n) + R)                                      K(0) = 0.5, R = 0.001
        y(n)  = t_observed / t_train - mu(n-1)
        mu(n) = mu(n-1) + K(n) y(n)                                    mu(0) = 1

    t_train is the profiled time at the clocks in force. s never falls below Q0: a deviation of 0.32 at least.
    """

    def __init__(self, *, q0: float = PUBLISHED_Q0, r: float = 0.001, alpha: float = 0.3) -> None:
        self._q0, self._r, self._alpha = q0, r, alpha
        self._q = q0
        self._gain = 0.5
        self._error = 0.0
        self.mean = 1.0
        self.variance = 0.1

    def update(self, ratio: float) -> None:
        """Take t_observed / t_train of one input; values that are no number > 0 are ignored."""
        if not 0.0 < ratio < math.inf:
            return
        step = self._gain * self._error
        self._q = max(self._q0, self._alpha * self._q + (1.0 - self._alpha) * step * step)
        self.variance = (1.0 - self._gain) * self.variance + self._q
        self._gain = self.variance / (self.variance + self._r)
        self._error = ratio - self.mean
        self.mean += self._gain * self._error

    def probabilities(self, ratios: Iterable[float]) -> list[float]:
        """P(xi <= ratio) for each."""
        mean, width, erf = self.mean, math.sqrt(2.0 * self.variance), math.erf
        return [0.5 + 0.5 * erf((ratio - mean) / width) for ratio in ratios]


class _Job:
    """ALERT for one application."""

    def __init__(self, app: SimApplication, q0: float) -> None:
        self.app = app
        self.slowdown = SlowdownFilter(q0=q0)
        self.overhead_ms = TRANSPORT_MS
        self.catalogue = Catalogue(app.points)
        self._candidates: list[Configuration] = []
        self._accuracies: list[float] = []
        self.clocks: Mapping[str, float] = {}
        """Clocks read when its last frame was chosen."""

    def propose(self, candidates: list[Configuration]) -> None:
        """Choose among these from now on, as far as they are not dominated."""
        self._candidates = pareto(candidates, _costs)
        self._accuracies = [accuracy_of(c.point) for c in self._candidates]

    def learn(self, frame: FrameOutcome, point: OperatingPoint) -> None:
        """One result: the slow-down, and what of the latency is not inference (a running mean)."""
        self.slowdown.update(frame.measured_ms / point.time_ms(self.clocks))
        self.overhead_ms += 0.1 * (frame.latency_ms - frame.measured_ms - self.overhead_ms)

    def best(self, target: QosTarget) -> Configuration:
        """The configuration for the next input, by the policy's rule."""
        deadline_ms = target.latency_ms - self.overhead_ms
        rated = self._rate(deadline_ms)
        if target.objective == Objective.MIN_ENERGY:
            goal = self._accuracy_goal(target)
            enough = [entry for entry in rated if entry[0] >= goal]
            if enough:
                return min(enough, key=lambda entry: entry[1])[2]
        else:
            budget_mj = target.max_power_w * self.app.period_ms
            rated = [entry for entry in rated if not entry[1] > budget_mj] or rated
        most = max(entry[0] for entry in rated)
        return min((e for e in rated if e[0] >= most - EQUAL_ACCURACY), key=lambda entry: entry[1])[2]

    def _rate(self, deadline_ms: float) -> list[tuple[float, float, Configuration]]:
        """Expected accuracy and energy of every candidate."""
        mean, period_ms = self.slowdown.mean, self.app.period_ms
        chances = self.slowdown.probabilities([deadline_ms / c.time_ms for c in self._candidates])
        return [
            (accuracy * chance, c.energy_mj(mean * c.time_ms, period_ms), c)
            for c, accuracy, chance in zip(self._candidates, self._accuracies, chances, strict=True)
        ]

    def _accuracy_goal(self, target: QosTarget) -> float:
        if not math.isnan(target.min_accuracy):
            return target.min_accuracy
        return target.percentile * min(self._accuracies)


def accuracy_of(point: OperatingPoint) -> float:
    """Accuracy of an on-time result; 1 where the profile does not know it."""
    return 1.0 if math.isnan(point.accuracy) else point.accuracy


class AlertPolicy(RosterPolicy):
    """Before every input the best of points x clock settings, each application by itself.

    With xi of `SlowdownFilter`, deadline T (target less the overhead seen outside inference) and period D:

        expected accuracy  q * P(xi t <= T)                     a late result counts as wrong, q_fail = 0
        expected energy    P_run * mu t + P_idle * (D - mu t)   P_idle = phi P_run of the paper

        max_accuracy   the most expected accuracy with energy <= max_power_w * D
        min_energy     the least energy with expected accuracy >= the floor
        infeasible     the most expected accuracy: latency before accuracy before power

    Clock settings stand for the paper's power caps: the clock of the domain that the point computes on
    is pinned, others are the kernel's. Several applications each run their own ALERT and a shared
    domain is pinned to the highest wish: the paper has one job. Equations as in the project's
    collected facts; the paper's text was not at hand to compare them with.

    Kinder than the paper: P_idle is known per configuration instead of one ratio phi for all; the
    training time is taken at the clocks read when the input starts, so that actuation delay, caps and
    other applications' pins are not taken for a slow-down; capped clocks are not proposed; of nearly equal
    expected accuracies (1e-4) the least energy is chosen. Where a min_energy target has no floor, the goal is
    percentile * accuracy of the least accurate point, which asks no more than to be on time.
    """

    name = "alert"

    def __init__(self, q0: float = PUBLISHED_Q0) -> None:
        """`q0`: least process noise of the filter [1], and so the least variance that it believes in."""
        super().__init__()
        self._q0 = q0
        self._jobs: dict[str, _Job] = {}

    def start(self, world: World) -> None:
        """Nothing is pinned before an application joins."""
        super().start(world)
        self._wishes = ClockWishes(world)

    def on_join(self, app: SimApplication) -> None:
        """One more ALERT."""
        self._jobs[app.name] = _Job(app, self._q0)
        super().on_join(app)
        self._tabulate(self._jobs[app.name])

    def forget(self, name: str) -> None:
        """Its clocks are free again."""
        self._jobs.pop(name, None)
        self._wishes.drop(name)

    def recap(self) -> None:
        """Propose only clocks that exist now."""
        for job in self._jobs.values():
            self._tabulate(job)

    def choose(self, name: str) -> OperatingPoint:
        """Choose the configuration, ask for its clock, and run its point."""
        job = self._jobs[name]
        best = job.best(self.targets[name])
        self._wishes.wish(name, best.clocks)
        job.clocks = dict(self.world.clocks())
        return best.point

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """Update the filter of that application."""
        job = self._jobs.get(name)
        if job is not None and frame.inferred and frame.point is not None:
            job.learn(frame, frame.point)

    def _tabulate(self, job: _Job) -> None:
        job.propose(job.catalogue.below(self.world, self.caps))


class TunedAlertPolicy(AlertPolicy):
    """ALERT with another floor of its process noise, Q0 = 0.003 instead of the published 0.1.

    The best of {0.1, 0.03, 0.01, 0.003, 0.001} over the shipped scenarios with the tuning seeds 1 and 2: it
    fits frame times that vary as little as those of the simulated boards.
    """

    name = "alert_tuned"

    def __init__(self) -> None:
        super().__init__(q0=TUNED_Q0)


def _costs(c: Configuration) -> tuple[float, ...]:
    """Less of all these is better whatever xi, deadline and period are."""
    above_idle = (c.run_w - c.idle_w) * c.time_ms
    return (c.time_ms, -accuracy_of(c.point), c.idle_w, above_idle, c.run_w * c.time_ms)
