"""What every action would make of a frame, from every label: times, energy and cost.

    start   = max(arrival, application free, element free)
    command = max(element free, start - delay) for a higher clock, element free for a lower one
    end     : the work left falls by dt / (T[p, c(t)] * factor + switch), c(t) the clock in force,
              switch > 0 only if the point changes

    cost    = (misses, frames below the accuracy floor, lost accuracy)     lexicographic, as one number

Where inferences run side by side, one that joins a running one takes the clock as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dynofa_ros.simulation.oracle.labels import UNKNOWN, Labels, Outcome, Piece
from dynofa_ros.simulation.oracle.moment import Moment
from dynofa_ros.simulation.oracle.problem import (
    BoolArray,
    FloatArray,
    IntArray,
    PlanFrame,
    PlanProblem,
)
from dynofa_ros.simulation.oracle.supply import Supply

MISS = 1 << 44
BELOW_FLOOR = 1 << 30
LOST_ACCURACY = 1e4
"""Units of lost accuracy per 1.0."""
VIOLATION = 16 * MISS
"""A frame above the power budget, or that makes the supply throttle."""
DONE = 1e-12
"""Share of an inference that counts as none."""


class Outcomes:
    """Works out the outcomes of one problem.

    `budget_share`, `supply_share`: shares of a power budget and of the supply's limit that are planned with.
    """

    def __init__(self, problem: PlanProblem, budget_share: float, supply_share: float) -> None:
        self._problem, self._budget_share = problem, budget_share
        self._supply = Supply(problem, supply_share)
        self._until = [c.until_s for c in problem.conditions]
        self._best_accuracy = [float(a.accuracy.max()) for a in problem.actions]
        self._harmless = [
            math.isinf(held.kept_w) and not self._supply.matters(held) for held in problem.conditions
        ]

    def of(self, labels: Labels, frame: PlanFrame, moment: Moment) -> Outcome:
        """All outcomes of a frame that arrives at this moment."""
        now, actions = moment.now, self._problem.actions[frame.application]
        element = actions.element
        clock = labels.clock[:, element]
        wanted = np.minimum(actions.clock, moment.highest(labels)[:, element])
        same = clock == wanted
        chosen_s = np.maximum(frame.arrival_s, labels.worker_s[:, frame.application])
        before = labels.point[:, frame.application][:, None]
        switched = (before != actions.point) & (before >= 0)
        free_s = self._free(labels, frame, chosen_s, same)
        start_s = np.maximum(chosen_s[:, None], free_s)
        higher = wanted > np.where(clock == moment.released, now.released[element], clock)
        vague = ~higher & (labels.changes[:, element] >= UNKNOWN)
        delay_s = np.where(vague, moment.shortest_s[element], moment.delays(labels)[:, element])
        command_s = np.where(higher, np.maximum(free_s, start_s - delay_s), free_s)
        command_s = np.maximum(command_s, labels.changed_s[:, element])
        effect_s = np.where(same, 0.0, command_s + delay_s)
        phases = (
            (labels.before[:, element], labels.changed_s[:, element]),
            (clock, effect_s),
            (wanted, np.full(effect_s.shape, np.inf)),
        )
        switch_s = switched * self._problem.switch_s
        pieces = list(self._pieces(frame, phases, start_s, switch_s, moment.number))
        end_s, active_j = self._totals(frame, start_s, pieces)
        idle_step_w = now.idle_w[element, wanted] - now.idle_w[element, clock]
        outcome = Outcome(
            chosen_s=chosen_s,
            start_s=start_s,
            end_s=end_s,
            wanted=wanted,
            effect_s=effect_s,
            same=same,
            cost=self._cost(labels, frame, end_s),
            paid_j=labels.paid_j[:, None] + active_j - idle_step_w * effect_s,
            mean_w=active_j / frame.period_s,
            idle_step_w=idle_step_w,
        )
        if not all(self._harmless[number] for number in (moment.number, *(piece.number for piece in pieces))):
            outcome.violations = self._over_budget(labels, frame, outcome, moment)
            outcome.violations += self._supply.throttles(labels, frame, start_s, pieces)
            outcome.cost = outcome.cost + outcome.violations * VIOLATION
        return outcome

    def cost_of_drop(self, frame: PlanFrame) -> int:
        """Cost of a frame that is never inferred."""
        lost = self._best_accuracy[frame.application] * LOST_ACCURACY if frame.wants_accuracy else 0.0
        return MISS + round(lost)

    def _over_budget(self, labels: Labels, frame: PlanFrame, outcome: Outcome, moment: Moment) -> IntArray:
        """Which continuations are above the power budget: 1, else 0, shape (labels, actions)."""
        now = moment.now
        rate_w = now.base_w + moment.idle_w(labels)
        resting_w = rate_w[:, None] + outcome.idle_step_w
        others_w = labels.mean_w.sum(axis=1) - labels.mean_w[:, frame.application]
        mean_w = resting_w + others_w[:, None] + outcome.mean_w
        return np.asarray((mean_w > self._budget_share * now.kept_w).astype(np.int64))

    def _free(self, labels: Labels, frame: PlanFrame, chosen_s: FloatArray, same: BoolArray) -> FloatArray:
        """When each action's element can begin with this frame: (labels, actions)."""
        actions = self._problem.actions[frame.application]
        free_s = labels.free_s[:, actions.element]
        if len(self._problem.actions) == 1:
            return free_s
        for e, element in enumerate(self._problem.elements):
            if element.cores:
                running = (labels.server == e) & (labels.worker_s > chosen_s[:, None])
                running[:, frame.application] = False
                room = element.cores - (running * labels.threads).sum(axis=1)
                beside = same & (actions.element == e) & (actions.threads <= room[:, None])
                free_s = np.where(beside, 0.0, free_s)
        return free_s

    def _pieces(
        self,
        frame: PlanFrame,
        phases: tuple[tuple[IntArray, FloatArray], ...],
        start_s: FloatArray,
        switch_s: FloatArray,
        number: int,
    ) -> Iterator[Piece]:
        """The inference in pieces of one clock and one set of conditions each.

        `phases`: clocks, and until when each is in force; `number`: of the conditions at its beginning.
        """
        actions = self._problem.actions[frame.application]
        now_s, left = start_s, np.ones(start_s.shape)
        while True:
            conditions = self._problem.conditions[number]
            last = number + 1 == len(self._until)
            until_s = math.inf if last else conditions.until_s
            times = conditions.time_s[frame.application] * frame.factor
            for clock, phase_s in phases:
                bound_s = np.minimum(phase_s, until_s)
                if (bound_s <= now_s).all():
                    continue
                needs_s = times[actions.point, clock] + switch_s
                used_s = np.minimum(np.maximum(bound_s - now_s, 0.0), left * needs_s)
                now_s, left = now_s + used_s, left - used_s / needs_s
                yield Piece(used_s, clock, number)
            if last or not (left > DONE).any():
                return
            number += 1

    def _totals(
        self, frame: PlanFrame, start_s: FloatArray, pieces: list[Piece]
    ) -> tuple[FloatArray, FloatArray]:
        """End [s] and energy [J] of the inference."""
        actions = self._problem.actions[frame.application]
        end_s, energy_j = start_s, np.zeros(start_s.shape)
        for used_s, clock, number in pieces:
            powers = self._problem.conditions[number].power_w[frame.application]
            end_s = end_s + used_s
            energy_j = energy_j + used_s * powers[actions.point, clock]
        return end_s, energy_j

    def _cost(self, labels: Labels, frame: PlanFrame, end_s: FloatArray) -> IntArray:
        actions = self._problem.actions[frame.application]
        late = (end_s - frame.release_s > frame.target_s) | (end_s > frame.leaves_s)
        on_time = np.where(actions.accuracy < frame.min_accuracy, BELOW_FLOOR, 0)
        missed = MISS
        if frame.wants_accuracy:
            best = self._best_accuracy[frame.application]
            on_time = on_time + np.rint((best - actions.accuracy) * LOST_ACCURACY).astype(np.int64)
            missed += round(best * LOST_ACCURACY)
        return np.asarray(labels.cost[:, None] + np.where(late, missed, on_time))
