"""The Viterbi search over (operating point, clock) per frame.

A label is a way to have come this far. Frames are taken by arrival; each label is continued by every
action of the frame's application, and of all continuations that end in the same action the best stays:

    cost = (misses, frames below the accuracy floor, lost accuracy, energy)      lexicographic

together with those that are worse but leave an element free earlier, or the board cooler, while that can
still matter. Every label carries its own clocks, busy elements, drops, energy and heat, so that each path
pays for its own switching, actuation, waiting, warming and throttling (`outcomes`, `transition`, `moment`).
"""

from __future__ import annotations

import math

import numpy as np

from dynofa_ros.simulation.oracle.labels import Labels, Outcome
from dynofa_ros.simulation.oracle.moment import Moment
from dynofa_ros.simulation.oracle.outcomes import LOST_ACCURACY, Outcomes
from dynofa_ros.simulation.oracle.problem import (
    FloatArray,
    IntArray,
    Plan,
    PlanActions,
    PlanFrame,
    PlannedClock,
    PlannedFrame,
    PlanProblem,
)
from dynofa_ros.simulation.oracle.survivors import Chosen, Continuations, levels, spread, stairs
from dynofa_ros.simulation.oracle.transition import applied

KEEP_ALONE, KEEP_SHARED = 3, 4
"""Labels per action with one application, and with several."""


class OracleSearch:
    """Searches one problem.

    `keep` bounds how many labels stay per action (0: `KEEP_ALONE` or `KEEP_SHARED`). `backlogs`, where it is
    not 0 and heat does not matter, is how many levels of backlog stay per clock instead.
    `heat_price` is the lost accuracy that a joule counts as; it spreads heat over time where the board would
    get too hot. `shares`: of a power budget and of the supply's limit, that are planned with.
    """

    def __init__(
        self,
        problem: PlanProblem,
        keep: int = 0,
        heat_price: float = 0.0,
        shares: tuple[float, float] = (1.0, 1.0),
        backlogs: int = 0,
    ) -> None:
        self.problem = problem
        self.keep = keep or (KEEP_ALONE if len(problem.actions) == 1 else KEEP_SHARED)
        self.heat_price = heat_price
        self.backlogs = backlogs
        self._groups = [_by_clock(actions) for actions in problem.actions]
        self.exact = len(problem.actions) == 1
        self._outcomes = Outcomes(problem, *shares)
        arrivals = [frame.arrival_s for frame in problem.frames]
        self._next_s = [*arrivals[1:], problem.horizon_s]

    def plan(self) -> Plan:
        """The best plan."""
        return self.follow(self.search())

    def search(self) -> list[int]:
        """The actions of the best plan, one per frame."""
        labels, moment = Labels.start(self.problem), Moment(self.problem)
        history: list[Chosen] = []
        for number, frame in enumerate(self.problem.frames):
            labels, parents, actions = self._continue(labels, number, frame, moment)
            history.append((parents, actions))
        best = int(np.lexsort((moment.energy_j(labels, self.problem.horizon_s), labels.cost))[0])
        chosen = [0] * len(history)
        for step in range(len(history) - 1, -1, -1):
            parents, actions = history[step]
            chosen[step] = int(actions[best])
            best = int(parents[best])
        return chosen

    def follow(self, actions: list[int]) -> Plan:
        """The plan that takes these actions, one per frame (of no importance where the frame is dropped)."""
        labels, moment = Labels.start(self.problem), Moment(self.problem)
        frames: list[PlannedFrame] = []
        clocks: list[PlannedClock] = []
        violations = 0
        for frame, action in zip(self.problem.frames, actions, strict=True):
            clock_before = labels.clock.copy()
            moment.look(labels, frame.arrival_s)
            clocks += _asked(labels, clock_before, moment)
            if labels.worker_s[0, frame.application] >= frame.next_arrival_s:
                labels.cost = labels.cost + self._outcomes.cost_of_drop(frame)
                frames.append(PlannedFrame(frame, -1, math.nan, math.nan, math.nan))
                continue
            outcome = self._outcomes.of(labels, frame, moment)
            broken = outcome.violations
            violations += broken is not None and bool(broken[0, action] > 0)
            clock_before = labels.clock.copy()
            one = (np.zeros(1, dtype=np.int64), np.array([action]))
            labels = applied(labels, frame, outcome, one, moment)
            clocks += _asked(labels, clock_before, moment)
            times = (outcome.chosen_s[0], outcome.start_s[0, action], outcome.end_s[0, action])
            frames.append(PlannedFrame(frame, action, *(float(time_s) for time_s in times)))
        return self._summary(frames, clocks, labels, moment, violations)

    def _continue(
        self, labels: Labels, number: int, frame: PlanFrame, moment: Moment
    ) -> tuple[Labels, IntArray, IntArray]:
        """The labels after one frame, with the numbers of their parents and their actions (-1: dropped)."""
        moment.look(labels, frame.arrival_s)
        dropped = labels.worker_s[:, frame.application] >= frame.next_arrival_s
        names = np.arange(len(dropped))
        if not dropped.any():
            return self._grown(labels, number, frame, names, moment)
        skipped = labels.take(names[dropped])
        skipped.cost = skipped.cost + self._outcomes.cost_of_drop(frame)
        none = np.full(int(dropped.sum()), -1)
        if dropped.all():
            return skipped, names, none
        running = names[~dropped]
        labels, parents, actions = self._grown(labels.take(running), number, frame, running, moment)
        parents = np.concatenate([names[dropped], parents])
        return skipped.joined(labels), parents, np.concatenate([none, actions])

    def _grown(
        self, labels: Labels, number: int, frame: PlanFrame, names: IntArray, moment: Moment
    ) -> tuple[Labels, IntArray, IntArray]:
        outcome = self._outcomes.of(labels, frame, moment)
        parents, actions = self._kept(labels, self._next_s[number], frame, outcome, moment)
        return applied(labels, frame, outcome, (parents, actions), moment), names[parents], actions

    def _kept(
        self, labels: Labels, next_s: float, frame: PlanFrame, outcome: Outcome, moment: Moment
    ) -> Chosen:
        """The continuations that stay."""
        rate_w = moment.idle_w(labels)[:, None]
        energy_j = np.asarray(outcome.paid_j + (rate_w + outcome.idle_step_w) * next_s)
        cost = outcome.cost
        if self.heat_price > 0.0:
            cost = cost + np.rint(self.heat_price * LOST_ACCURACY * energy_j).astype(np.int64)
        backlog_s = self._backlog(labels, next_s, frame, outcome)
        degc = moment.degc(labels) if moment.hot else None
        everything = Continuations(outcome.cost, cost, energy_j, backlog_s, degc)
        if self.backlogs and degc is None:
            self.exact = False
            return levels(everything, self._groups[frame.application], self.backlogs)
        if len(self.problem.actions) > 1:
            return spread(everything, self.keep)
        chosen, complete = stairs(everything, self.keep)
        self.exact &= complete
        return chosen

    def _backlog(self, labels: Labels, next_s: float, frame: PlanFrame, outcome: Outcome) -> FloatArray:
        """By how long the elements are busy beyond the next frame, per continuation."""
        beyond = np.maximum(outcome.end_s - next_s, 0.0)
        if len(self.problem.elements) == 1:
            return beyond
        others = np.maximum(labels.free_s - next_s, 0.0)
        element = self.problem.actions[frame.application].element
        return np.asarray(beyond + others.sum(axis=1)[:, None] - others[:, element])

    def _summary(
        self,
        frames: list[PlannedFrame],
        clocks: list[PlannedClock],
        labels: Labels,
        moment: Moment,
        violations: int,
    ) -> Plan:
        accuracies = [self._accuracy(planned) for planned in frames if planned.frame.wants_accuracy]
        below = [
            planned
            for planned in frames
            if not planned.missed and self._accuracy(planned) < planned.frame.min_accuracy
        ]
        return Plan(
            frames=tuple(frames),
            clocks=tuple(sorted(clocks, key=lambda asked: asked.at_s)),
            misses=sum(planned.missed for planned in frames),
            below_floor=len(below),
            on_time_accuracy=math.fsum(accuracies) / len(accuracies) if accuracies else math.nan,
            energy_j=float(moment.energy_j(labels, self.problem.horizon_s)[0]),
            peak_degc=moment.peak_degc,
            violations=violations,
            slowed_s=moment.slowed_s,
            exact=self.exact,
        )

    def _accuracy(self, planned: PlannedFrame) -> float:
        if planned.missed:
            return 0.0
        return float(self.problem.actions[planned.frame.application].accuracy[planned.action])


def _by_clock(actions: PlanActions) -> IntArray:
    """A number for each action's element and clock, from 0: shape (actions,)."""
    pairs = np.stack([actions.element, actions.clock], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1))


def _asked(labels: Labels, before: IntArray, moment: Moment) -> list[PlannedClock]:
    """What the first label asks of clocks that were otherwise before."""
    at_s = labels.changed_s[0] - moment.last_delays(labels)
    changed = np.flatnonzero(labels.clock[0] != before[0])
    return [PlannedClock(float(at_s[e]), int(e), int(labels.clock[0, e])) for e in changed]
