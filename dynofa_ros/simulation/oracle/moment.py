"""The moment that a search has reached: the conditions in force, and what clocks and heat make of labels."""

from __future__ import annotations

import math

import numpy as np

from dynofa_ros.simulation.oracle.labels import UNKNOWN, Index, Labels, padded
from dynofa_ros.simulation.oracle.problem import BoolArray, Conditions, FloatArray, IntArray, PlanProblem

HEAT_EVERY_S = 1.0
HEAT_HYSTERESIS_DEGC = 3.0
WARM_DEGC = 3.0
"""Closer to the trip point than this, cooler labels are kept beside cheaper ones."""


class Moment:
    """Goes forward by `look`; all labels of a search are at the same moment."""

    def __init__(self, problem: PlanProblem) -> None:
        self.problem = problem
        self.elements = np.arange(len(problem.elements))
        self.released = problem.conditions[0].idle_w.shape[1] - 1
        """Number of the clock that means released."""
        self.number = 0
        """Of the conditions in force."""
        self.seen_s = 0.0
        self.hot = False
        """Whether some label is close to the trip point."""
        self.slowed_s, self.peak_degc = 0.0, -math.inf
        """Of the first label: time held down by heat, and highest temperature."""
        self._until = [c.until_s for c in problem.conditions]
        self._delay_s = padded([element.actuation_s for element in problem.elements])
        self.shortest_s: FloatArray = self._delay_s.min(axis=1)
        """Least delay of each element's clock."""
        self._tables = np.array([len(element.mhz) for element in problem.elements])
        self._throttles = np.array([element.throttles for element in problem.elements])

    @property
    def now(self) -> Conditions:
        """The conditions in force."""
        return self.problem.conditions[self.number]

    @property
    def since_s(self) -> float:
        """Since when they hold."""
        return self._until[self.number - 1] if self.number else 0.0

    def delays(self, labels: Labels) -> FloatArray:
        """Delay of the next change of each element's clock [s], shape (labels, elements)."""
        number = np.minimum(labels.changes, self._delay_s.shape[1] - 1)
        return np.asarray(self._delay_s[self.elements, number])

    def last_delays(self, labels: Labels) -> FloatArray:
        """Delay of the last change of each element's clock of the first label [s], shape (elements,)."""
        number = np.minimum(labels.changes[0] - 1, self._delay_s.shape[1] - 1)
        return np.asarray(self._delay_s[self.elements, number])

    def highest(self, labels: Labels) -> IntArray:
        """The highest clock that caps and heat leave: (labels, elements)."""
        return np.asarray(np.minimum(self.now.highest, np.maximum(self._tables - labels.steps, 0)))

    def idle_w(self, labels: Labels) -> FloatArray:
        """Idle power of the clocks in force: (labels,)."""
        return np.asarray(self.now.idle_w[self.elements, labels.clock].sum(axis=1))

    def energy_j(self, labels: Labels, t_s: float) -> FloatArray:
        """Energy until `t_s`: (labels,)."""
        return np.asarray(labels.paid_j + self.idle_w(labels) * t_s)

    def degc(self, labels: Labels) -> FloatArray:
        """Junction temperature: (labels,)."""
        heat = self.problem.heat
        mixed_w = heat.fast_share * labels.fast_w + (1.0 - heat.fast_share) * labels.slow_w
        return np.asarray(heat.t0_degc + self.now.temperature_shift_degc + heat.r_degc_per_w * mixed_w)

    def set_clock(self, labels: Labels, e: Index, at_s: FloatArray | float, clock: IntArray) -> None:
        """Another clock of element `e` that is asked for at `at_s`."""
        changed: BoolArray = clock != labels.clock[:, e]
        effect_s = at_s + self.delays(labels)[:, e]
        gain_w = self.now.idle_w[e, labels.clock[:, e]] - self.now.idle_w[e, clock]
        labels.paid_j = labels.paid_j + np.where(changed, gain_w * effect_s, 0.0)
        labels.changed_s[:, e] = np.where(changed, effect_s, labels.changed_s[:, e])
        labels.before[:, e] = np.where(changed, labels.clock[:, e], labels.before[:, e])
        labels.changes[:, e] += changed
        labels.changes[clock == self.released, e] = UNKNOWN
        labels.clock[:, e] = clock

    def look(self, labels: Labels, until_s: float) -> None:
        """Go to `until_s`: conditions, heat and throttling of each label."""
        while self.number + 1 < len(self._until) and self._until[self.number] <= until_s:
            before_s, before_w = self.now.until_s, self.now.idle_w
            self._warm(labels, before_s)
            self.number += 1
            step_w = before_w[self.elements, labels.clock] - self.now.idle_w[self.elements, labels.clock]
            labels.paid_j = labels.paid_j + step_w.sum(axis=1) * before_s
            self._clip(labels, before_s)
        self._warm(labels, until_s)
        self.hot = bool(self.degc(labels).max() > self.problem.heat.trip_degc - WARM_DEGC)
        for application, leaves_s in enumerate(self.problem.leaves_s):
            if leaves_s <= until_s:
                labels.mean_w[:, application] = 0.0

    def _warm(self, labels: Labels, until_s: float) -> None:
        """Let the time until `until_s` pass, with a check of the heat at every full second."""
        check_s = math.floor(self.seen_s / HEAT_EVERY_S + 1.0) * HEAT_EVERY_S
        while check_s <= until_s:
            self._low_pass(labels, check_s)
            self._throttle(labels, check_s)
            check_s += HEAT_EVERY_S
        self._low_pass(labels, until_s)

    def _low_pass(self, labels: Labels, until_s: float) -> None:
        """The power since the last look, low-passed: exact for a constant power."""
        heat, dt_s = self.problem.heat, until_s - self.seen_s
        if dt_s <= 0.0:
            return
        energy_j = self.energy_j(labels, until_s)
        power_w = self.now.base_w + (energy_j - labels.seen_j) / dt_s
        fast, slow = math.exp(-dt_s / heat.tau_fast_s), math.exp(-dt_s / heat.tau_slow_s)
        labels.fast_w = power_w + (labels.fast_w - power_w) * fast
        labels.slow_w = power_w + (labels.slow_w - power_w) * slow
        labels.seen_j = energy_j
        self.seen_s = until_s
        self.slowed_s += dt_s * bool(labels.steps[0].any())
        self.peak_degc = max(self.peak_degc, float(self.degc(labels)[0]))

    def _throttle(self, labels: Labels, now_s: float) -> None:
        """One table step down above the trip point, one up again below it, as the board does it."""
        degc, trip_degc = self.degc(labels), self.problem.heat.trip_degc
        if not self.hot and degc.max() < trip_degc - WARM_DEGC and not labels.steps.any():
            return
        hot, cool = degc >= trip_degc, degc < trip_degc - HEAT_HYSTERESIS_DEGC
        steps = labels.steps + hot[:, None] - (cool[:, None] & (labels.steps > 0))
        labels.steps = np.minimum(steps, self._tables) * self._throttles
        self._clip(labels, now_s)

    def _clip(self, labels: Labels, now_s: float) -> None:
        """Clocks above what is allowed now come down."""
        highest = self.highest(labels)
        for e in self.elements:
            above = (labels.clock[:, e] > highest[:, e]) & (labels.clock[:, e] != self.released)
            if above.any():
                self.set_clock(labels, e, now_s, np.where(above, highest[:, e], labels.clock[:, e]))
