"""The Viterbi search over (operating point, clock) per frame.

A label is a way to have come this far. Frames are taken by arrival; each label is continued by every
action of the frame's application, and of all continuations that end in the same action the best stays:

    cost = (misses, frames below the accuracy floor, lost accuracy, energy)      lexicographic

together with those that are worse but leave an element free earlier, or the board cooler, while that can
still matter. Every label carries its own clocks, busy elements, drops, energy and heat, so that each path
pays for its own switching, actuation, waiting, warming and throttling:

    start   = max(arrival, application free, element free)
    command = max(element free, start - delay) for a higher clock, element free for a lower one
    end     : the work left falls by dt / (T[p, c(t)] * factor + switch), c(t) the clock in force,
              switch > 0 only if the point changes

An element that has nothing to do when another one is used goes to its lowest clock, or is released where a
co-runner uses it and no application does. Where inferences run side by side, one that joins a running one
takes the clock as it is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dynofa_ros.simulation.oracle.labels import Labels, Outcome, least, padded
from dynofa_ros.simulation.oracle.problem import (
    BoolArray,
    Conditions,
    FloatArray,
    IntArray,
    Plan,
    PlanFrame,
    PlannedClock,
    PlannedFrame,
    PlanProblem,
)

Index = int | np.signedinteger[Any]

MISS = 1 << 44
BELOW_FLOOR = 1 << 30
LOST_ACCURACY = 1e4
"""Units of lost accuracy per 1.0."""
VIOLATION = 16 * MISS
"""A frame above the power budget, or that draws more than the supply allows."""
BUDGET_STEP_W = 0.25
"""An excess weighs one violation more per so much."""
SLACK_S = 1e-9
DONE = 1e-12
"""Share of an inference that counts as none."""
UNKNOWN = 1 << 30
"""Number of the next change of a clock that a governor has had: its delay is the last of the table."""
HEAT_EVERY_S = 1.0
HEAT_HYSTERESIS_DEGC = 3.0
WARM_DEGC = 3.0
"""Closer to the trip point than this, cooler labels are kept beside cheaper ones."""
COOLER_DEGC = 0.05


class OracleSearch:
    """Searches one problem.

    `keep` bounds how many labels stay per action (0: three, or two with several applications).
    `heat_price` is the lost accuracy that a joule counts as; it spreads heat over time where the board would
    get too hot. `budget_share` is the share of a power budget that is planned with.
    """

    def __init__(
        self,
        problem: PlanProblem,
        keep: int = 0,
        heat_price: float = 0.0,
        budget_share: float = 1.0,
    ) -> None:
        self.problem = problem
        self.keep = keep or (3 if len(problem.actions) == 1 else 2)
        self.heat_price = heat_price
        self.budget_share = budget_share
        self.exact = len(problem.actions) == 1
        self._until = [c.until_s for c in problem.conditions]
        self._best_accuracy = [float(a.accuracy.max()) for a in problem.actions]
        self._delay_s = padded([element.actuation_s for element in problem.elements])
        self._shortest_s = self._delay_s.min(axis=1)
        self._elements = np.arange(len(problem.elements))
        self._tables = np.array([len(element.mhz) for element in problem.elements])
        self._released = problem.conditions[0].idle_w.shape[1] - 1
        self._throttles = np.array([element.throttles for element in problem.elements])
        self._leaves_s = np.array(problem.leaves_s or [math.inf] * len(problem.actions))
        self._harmless = [_harmless(conditions) for conditions in problem.conditions]
        arrivals = [frame.arrival_s for frame in problem.frames]
        self._next_s = [*arrivals[1:], problem.horizon_s]
        self._restart()

    def plan(self) -> Plan:
        """The best plan."""
        return self.follow(self.search())

    def search(self) -> list[int]:
        """The actions of the best plan, one per frame."""
        labels = self._restart()
        history: list[tuple[IntArray, IntArray]] = []
        for number, frame in enumerate(self.problem.frames):
            labels, parents, actions = self._continue(labels, number, frame)
            history.append((parents, actions))
        best = int(np.lexsort((self._energy_j(labels, self.problem.horizon_s), labels.cost))[0])
        chosen = [0] * len(history)
        for step in range(len(history) - 1, -1, -1):
            parents, actions = history[step]
            chosen[step] = int(actions[best])
            best = int(parents[best])
        return chosen

    def follow(self, actions: list[int]) -> Plan:
        """The plan that takes these actions, one per frame (of no importance where the frame is dropped)."""
        labels = self._restart()
        frames: list[PlannedFrame] = []
        clocks: list[PlannedClock] = []
        for frame, action in zip(self.problem.frames, actions, strict=True):
            clock_before = labels.clock.copy()
            self._look(labels, frame)
            clocks += self._asked(labels, clock_before)
            if labels.worker_s[0, frame.application] >= frame.next_arrival_s:
                labels.cost = labels.cost + self._cost_of_drop(frame)
                frames.append(PlannedFrame(frame, -1, math.nan, math.nan, math.nan))
                continue
            outcome = self._outcome(labels, frame)
            if not self._harmless[self._number]:
                self._violations += int(self._violation(labels, frame, outcome)[0, action] > 0)
            clock_before = labels.clock.copy()
            labels = self._applied(labels, frame, outcome, np.zeros(1, dtype=np.int64), np.array([action]))
            clocks += self._asked(labels, clock_before)
            times = (outcome.chosen_s[0], outcome.start_s[0, action], outcome.end_s[0, action])
            frames.append(PlannedFrame(frame, action, *(float(time_s) for time_s in times)))
        return self._summary(frames, clocks, labels)

    # One frame

    def _continue(self, labels: Labels, number: int, frame: PlanFrame) -> tuple[Labels, IntArray, IntArray]:
        self._look(labels, frame)
        dropped = labels.worker_s[:, frame.application] >= frame.next_arrival_s
        names = np.arange(len(dropped))
        if not dropped.any():
            return self._grown(labels, number, frame, names)
        skipped = labels.take(names[dropped])
        skipped.cost = skipped.cost + self._cost_of_drop(frame)
        none = np.full(int(dropped.sum()), -1)
        if dropped.all():
            return skipped, names, none
        labels, parents, actions = self._grown(labels.take(names[~dropped]), number, frame, names[~dropped])
        parents = np.concatenate([names[dropped], parents])
        return skipped.joined(labels), parents, np.concatenate([none, actions])

    def _grown(
        self, labels: Labels, number: int, frame: PlanFrame, names: IntArray
    ) -> tuple[Labels, IntArray, IntArray]:
        outcome = self._outcome(labels, frame)
        parents, actions = self._kept(labels, self._next_s[number], frame, outcome)
        return self._applied(labels, frame, outcome, parents, actions), names[parents], actions

    def _outcome(self, labels: Labels, frame: PlanFrame) -> Outcome:
        actions = self.problem.actions[frame.application]
        element = actions.element
        clock = labels.clock[:, element]
        wanted = np.minimum(actions.clock, self._highest(labels)[:, element])
        same = clock == wanted
        chosen_s = np.maximum(frame.arrival_s, labels.worker_s[:, frame.application])
        before = labels.point[:, frame.application][:, None]
        switched = (before != actions.point) & (before >= 0)
        free_s = self._free(labels, frame, chosen_s, same)
        start_s = np.maximum(chosen_s[:, None], free_s)
        higher = wanted > np.where(clock == self._released, self._now.released[element], clock)
        vague = ~higher & (labels.changes[:, element] >= UNKNOWN)
        delay_s = np.where(vague, self._shortest_s[element], self._delays(labels)[:, element])
        command_s = np.where(higher, np.maximum(free_s, start_s - delay_s), free_s)
        command_s = np.maximum(command_s, labels.changed_s[:, element])
        effect_s = np.where(same, 0.0, command_s + delay_s)
        switch_s = switched * self.problem.switch_s
        phases = (
            (labels.before[:, element], labels.changed_s[:, element]),
            (clock, effect_s),
            (wanted, np.full(effect_s.shape, np.inf)),
        )
        end_s, active_j = self._inferred(frame, phases, start_s, switch_s)
        idle_step_w = self._now.idle_w[element, wanted] - self._now.idle_w[element, clock]
        paid_j = labels.paid_j[:, None] + active_j - idle_step_w * effect_s
        mean_w = active_j / frame.period_s
        outcome = Outcome(
            chosen_s=chosen_s,
            start_s=start_s,
            end_s=end_s,
            wanted=wanted,
            effect_s=effect_s,
            same=same,
            cost=self._cost(labels, frame, end_s),
            paid_j=paid_j,
            mean_w=mean_w,
            idle_step_w=idle_step_w,
        )
        if not self._harmless[self._number]:
            outcome.cost = outcome.cost + self._violation(labels, frame, outcome)
        return outcome

    def _free(self, labels: Labels, frame: PlanFrame, chosen_s: FloatArray, same: BoolArray) -> FloatArray:
        """When each action's element can begin with this frame: (labels, actions)."""
        actions = self.problem.actions[frame.application]
        free_s = labels.free_s[:, actions.element]
        if len(self.problem.actions) == 1:
            return free_s
        for e, element in enumerate(self.problem.elements):
            if element.cores:
                running = (labels.server == e) & (labels.worker_s > chosen_s[:, None])
                running[:, frame.application] = False
                room = element.cores - (running * labels.threads).sum(axis=1)
                beside = same & (actions.element == e) & (actions.threads <= room[:, None])
                free_s = np.where(beside, 0.0, free_s)
        return free_s

    def _inferred(
        self,
        frame: PlanFrame,
        phases: tuple[tuple[IntArray, FloatArray], ...],
        start_s: FloatArray,
        switch_s: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """End [s] and energy [J] of the inference; `phases`: clocks, and until when each is in force."""
        actions = self.problem.actions[frame.application]
        now_s, left, energy_j = start_s, np.ones(start_s.shape), np.zeros(start_s.shape)
        number = self._number
        while True:
            conditions = self.problem.conditions[number]
            last = number + 1 == len(self._until)
            until_s = math.inf if last else conditions.until_s
            times = conditions.time_s[frame.application] * frame.factor
            powers = conditions.power_w[frame.application]
            for clock, phase_s in phases:
                bound_s = np.minimum(phase_s, until_s)
                if (bound_s <= now_s).all():
                    continue
                needs_s = times[actions.point, clock] + switch_s
                used_s = np.minimum(np.maximum(bound_s - now_s, 0.0), left * needs_s)
                now_s, left = now_s + used_s, left - used_s / needs_s
                energy_j = energy_j + used_s * powers[actions.point, clock]
            if last or not (left > DONE).any():
                return now_s, energy_j
            number += 1

    def _cost(self, labels: Labels, frame: PlanFrame, end_s: FloatArray) -> IntArray:
        actions = self.problem.actions[frame.application]
        late = (end_s - frame.release_s > frame.target_s) | (end_s > frame.leaves_s)
        on_time = np.where(actions.accuracy < frame.min_accuracy, BELOW_FLOOR, 0)
        missed = MISS
        if frame.wants_accuracy:
            best = self._best_accuracy[frame.application]
            on_time = on_time + np.rint((best - actions.accuracy) * LOST_ACCURACY).astype(np.int64)
            missed += round(best * LOST_ACCURACY)
        return np.asarray(labels.cost[:, None] + np.where(late, missed, on_time))

    def _cost_of_drop(self, frame: PlanFrame) -> int:
        lost = self._best_accuracy[frame.application] * LOST_ACCURACY if frame.wants_accuracy else 0.0
        return MISS + round(lost)

    def _violation(self, labels: Labels, frame: PlanFrame, outcome: Outcome) -> IntArray:
        """Cost per continuation of drawing more than budget or supply allow."""
        now, actions = self._now, self.problem.actions[frame.application]
        rate_w = now.base_w + now.idle_w[self._elements, labels.clock].sum(axis=1)
        resting_w = rate_w[:, None] + outcome.idle_step_w
        peak_w = resting_w + now.power_w[frame.application][actions.point, outcome.wanted]
        others_w = labels.mean_w.sum(axis=1) - labels.mean_w[:, frame.application]
        mean_w = resting_w + others_w[:, None] + outcome.mean_w
        excess_w = mean_w - self.budget_share * now.budget_w
        count = np.where(excess_w > 0.0, 1 + np.maximum(excess_w, 0.0) // BUDGET_STEP_W, 0.0)
        return np.asarray((count + (peak_w > now.highest_w)).astype(np.int64) * VIOLATION)

    def _kept(
        self, labels: Labels, next_s: float, frame: PlanFrame, outcome: Outcome
    ) -> tuple[IntArray, IntArray]:
        """Parents and actions of the continuations that stay."""
        energy_j = self._energy_until(labels, next_s, outcome)
        cost = outcome.cost
        if self.heat_price > 0.0:
            cost = cost + np.rint(self.heat_price * LOST_ACCURACY * energy_j).astype(np.int64)
        backlog_s = self._backlog(labels, next_s, frame, outcome)
        degc = self._degc(labels) if self._hot else None
        possible = np.ones(cost.shape, dtype=bool)
        everything = np.arange(cost.shape[1])
        parents, kept = [], []
        for _ in range(self.keep):
            best = least(cost, energy_j, possible)
            there = possible[best, everything]
            parents.append(best[there])
            kept.append(everything[there])
            better = backlog_s < backlog_s[best, everything] - SLACK_S
            if degc is not None:
                better |= degc[:, None] < degc[best] - COOLER_DEGC
            possible &= better
            if not possible.any():
                break
        self.exact &= not possible.any()
        return np.concatenate(parents), np.concatenate(kept)

    def _energy_until(self, labels: Labels, t_s: float, outcome: Outcome) -> FloatArray:
        rate_w = self._now.idle_w[self._elements, labels.clock].sum(axis=1)[:, None]
        return np.asarray(outcome.paid_j + (rate_w + outcome.idle_step_w) * t_s)

    def _backlog(self, labels: Labels, next_s: float, frame: PlanFrame, outcome: Outcome) -> FloatArray:
        """By how long the elements are busy beyond the next frame, per continuation."""
        beyond = np.maximum(outcome.end_s - next_s, 0.0)
        if len(self.problem.elements) == 1:
            return beyond
        others = np.maximum(labels.free_s - next_s, 0.0)
        element = self.problem.actions[frame.application].element
        return np.asarray(beyond + others.sum(axis=1)[:, None] - others[:, element])

    def _applied(
        self, labels: Labels, frame: PlanFrame, outcome: Outcome, parents: IntArray, kept: IntArray
    ) -> Labels:
        """The labels after these continuations."""
        actions, application = self.problem.actions[frame.application], frame.application
        after = labels.take(parents)
        row, element = np.arange(len(parents)), actions.element[kept]
        end_s = outcome.end_s[parents, kept]
        changed = ~outcome.same[parents, kept]
        after.cost = outcome.cost[parents, kept]
        after.paid_j = outcome.paid_j[parents, kept]
        self._lower_idle(after, application, element, outcome.start_s[parents, kept])
        effect_s = outcome.effect_s[parents, kept]
        after.changed_s[row, element] = np.where(changed, effect_s, after.changed_s[row, element])
        after.before[row, element] = np.where(changed, after.clock[row, element], after.before[row, element])
        after.changes[row, element] += changed
        after.clock[row, element] = outcome.wanted[parents, kept]
        after.free_s[row, element] = np.maximum(after.free_s[row, element], end_s)
        after.worker_s[:, application] = end_s
        after.point[:, application] = actions.point[kept]
        after.server[:, application] = element
        after.threads[:, application] = actions.threads[kept]
        after.mean_w[:, application] = outcome.mean_w[parents, kept]
        return after

    def _lower_idle(self, labels: Labels, application: int, used: IntArray, start_s: FloatArray) -> None:
        """Elements that nobody uses when another one starts go to rest."""
        others = (labels.point >= 0) & (self._leaves_s > self._seen_s)
        others[:, application] = False
        for e in self._elements:
            needed = (others & (labels.server == e)).any(axis=1)
            rest = np.where(needed, 0, self._now.rest[e])
            idle = (used != e) & (labels.clock[:, e] != rest) & (labels.free_s[:, e] <= start_s)
            if idle.any():
                at_s = np.maximum(labels.free_s[:, e], labels.changed_s[:, e])
                at_s = np.maximum(at_s, self._since_s)
                self._set_clock(labels, e, at_s, np.where(idle, rest, labels.clock[:, e]))

    def _set_clock(
        self, labels: Labels, e: int | np.signedinteger[Any], at_s: FloatArray | float, clock: IntArray
    ) -> None:
        """Another clock that is asked for at `at_s`."""
        changed = clock != labels.clock[:, e]
        effect_s = at_s + self._delays(labels)[:, e]
        gain_w = self._now.idle_w[e, labels.clock[:, e]] - self._now.idle_w[e, clock]
        labels.paid_j = labels.paid_j + np.where(changed, gain_w * effect_s, 0.0)
        labels.changed_s[:, e] = np.where(changed, effect_s, labels.changed_s[:, e])
        labels.before[:, e] = np.where(changed, labels.clock[:, e], labels.before[:, e])
        labels.changes[:, e] += changed
        labels.changes[clock == self._released, e] = UNKNOWN
        labels.clock[:, e] = clock

    # Time, power and heat

    def _restart(self) -> Labels:
        self._number, self._seen_s, self._hot = 0, 0.0, False
        self._violations, self._slowed_s, self._peak_degc = 0, 0.0, -math.inf
        return Labels.start(self.problem)

    def _delays(self, labels: Labels) -> FloatArray:
        """Delay of the next change of each element's clock [s], shape (labels, elements)."""
        number = np.minimum(labels.changes, self._delay_s.shape[1] - 1)
        return np.asarray(self._delay_s[self._elements, number])

    @property
    def _since_s(self) -> float:
        """Since when the present conditions hold."""
        return self._until[self._number - 1] if self._number else 0.0

    @property
    def _now(self) -> Conditions:
        return self.problem.conditions[self._number]

    def _highest(self, labels: Labels) -> IntArray:
        """The highest clock that caps and heat leave: (labels, elements)."""
        return np.asarray(np.minimum(self._now.highest, np.maximum(self._tables - labels.steps, 0)))

    def _energy_j(self, labels: Labels, t_s: float) -> FloatArray:
        return np.asarray(labels.paid_j + self._now.idle_w[self._elements, labels.clock].sum(axis=1) * t_s)

    def _look(self, labels: Labels, frame: PlanFrame) -> None:
        """Go to the frame's arrival: conditions, heat and throttling of each label."""
        until_s = frame.arrival_s
        while self._number + 1 < len(self._until) and self._until[self._number] <= until_s:
            before = self._now
            self._warm(labels, before.until_s)
            self._number += 1
            step_w = (
                before.idle_w[self._elements, labels.clock] - self._now.idle_w[self._elements, labels.clock]
            )
            labels.paid_j = labels.paid_j + step_w.sum(axis=1) * before.until_s
            self._clip(labels, before.until_s)
        self._warm(labels, until_s)
        degc = self._degc(labels)
        self._hot = bool(degc.max() > self.problem.heat.trip_degc - WARM_DEGC)
        for application, leaves_s in enumerate(self.problem.leaves_s):
            if leaves_s <= until_s:
                labels.mean_w[:, application] = 0.0

    def _warm(self, labels: Labels, until_s: float) -> None:
        """Let the time until `until_s` pass, with a check of the heat at every full second."""
        check_s = math.floor(self._seen_s / HEAT_EVERY_S + 1.0) * HEAT_EVERY_S
        while check_s <= until_s:
            self._low_pass(labels, check_s)
            self._throttle(labels, check_s)
            check_s += HEAT_EVERY_S
        self._low_pass(labels, until_s)

    def _low_pass(self, labels: Labels, until_s: float) -> None:
        """The power since the last look, low-passed: exact for a constant power."""
        heat, dt_s = self.problem.heat, until_s - self._seen_s
        if dt_s <= 0.0:
            return
        energy_j = self._energy_j(labels, until_s)
        power_w = self._now.base_w + (energy_j - labels.seen_j) / dt_s
        fast, slow = math.exp(-dt_s / heat.tau_fast_s), math.exp(-dt_s / heat.tau_slow_s)
        labels.fast_w = power_w + (labels.fast_w - power_w) * fast
        labels.slow_w = power_w + (labels.slow_w - power_w) * slow
        labels.seen_j = energy_j
        self._seen_s = until_s
        self._slowed_s += dt_s * bool(labels.steps[0].any())
        self._peak_degc = max(self._peak_degc, float(self._degc(labels)[0]))

    def _throttle(self, labels: Labels, now_s: float) -> None:
        """One table step down above the trip point, one up again below it, as the board does it."""
        degc, trip_degc = self._degc(labels), self.problem.heat.trip_degc
        if not self._hot and degc.max() < trip_degc - WARM_DEGC and not labels.steps.any():
            return
        hot, cool = degc >= trip_degc, degc < trip_degc - HEAT_HYSTERESIS_DEGC
        steps = labels.steps + hot[:, None] - (cool[:, None] & (labels.steps > 0))
        labels.steps = np.minimum(steps, self._tables) * self._throttles
        self._clip(labels, now_s)

    def _clip(self, labels: Labels, now_s: float) -> None:
        """Clocks above what is allowed now come down."""
        highest = self._highest(labels)
        for e in self._elements:
            above = (labels.clock[:, e] > highest[:, e]) & (labels.clock[:, e] != self._released)
            if above.any():
                self._set_clock(labels, e, now_s, np.where(above, highest[:, e], labels.clock[:, e]))

    def _degc(self, labels: Labels) -> FloatArray:
        heat = self.problem.heat
        mixed_w = heat.fast_share * labels.fast_w + (1.0 - heat.fast_share) * labels.slow_w
        return np.asarray(heat.t0_degc + self._now.temperature_shift_degc + heat.r_degc_per_w * mixed_w)

    # The result

    def _asked(self, labels: Labels, before: IntArray) -> list[PlannedClock]:
        """What the first label asks of clocks that were otherwise before."""
        number = np.minimum(labels.changes[0] - 1, self._delay_s.shape[1] - 1)
        at_s = labels.changed_s[0] - self._delay_s[self._elements, number]
        changed = np.flatnonzero(labels.clock[0] != before[0])
        return [PlannedClock(float(at_s[e]), int(e), int(labels.clock[0, e])) for e in changed]

    def _summary(self, frames: list[PlannedFrame], clocks: list[PlannedClock], labels: Labels) -> Plan:
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
            energy_j=float(self._energy_j(labels, self.problem.horizon_s)[0]),
            peak_degc=self._peak_degc,
            violations=self._violations,
            slowed_s=self._slowed_s,
            exact=self.exact,
        )

    def _accuracy(self, planned: PlannedFrame) -> float:
        if planned.missed:
            return 0.0
        return float(self.problem.actions[planned.frame.application].accuracy[planned.action])


def _harmless(conditions: Conditions) -> bool:
    """Whether no action can break a power budget or the supply's limit, whatever runs beside it."""
    most_w = conditions.base_w + conditions.idle_w.max(axis=1).sum()
    most_w += max((power_w.max() for power_w in conditions.power_w), default=0.0)
    return bool(math.isinf(conditions.budget_w) and most_w <= conditions.highest_w)
