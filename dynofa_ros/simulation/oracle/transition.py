"""From one frame to the next: the labels that a choice of continuations leads to.

An element that has nothing to do when another one is used goes to its lowest clock, or is released where a
co-runner uses it and no application does. Where the problem `holds` clocks, one that an application uses
keeps its clock instead.
"""

from __future__ import annotations

import math

import numpy as np

from dynofa_ros.simulation.oracle.labels import Labels, Outcome
from dynofa_ros.simulation.oracle.moment import Moment
from dynofa_ros.simulation.oracle.problem import FloatArray, IntArray, PlanFrame, PlanProblem


def applied(
    labels: Labels, frame: PlanFrame, outcome: Outcome, chosen: tuple[IntArray, IntArray], moment: Moment
) -> Labels:
    """The labels after these continuations; `chosen`: parents and actions."""
    parents, kept = chosen
    actions, application = moment.problem.actions[frame.application], frame.application
    after = labels.take(parents)
    row, element = np.arange(len(parents)), actions.element[kept]
    end_s = outcome.end_s[chosen]
    changed = ~outcome.same[chosen]
    after.cost = outcome.cost[chosen]
    after.paid_j = outcome.paid_j[chosen]
    _lower_idle(after, application, element, outcome.start_s[chosen], moment)
    effect_s = outcome.effect_s[chosen]
    after.changed_s[row, element] = np.where(changed, effect_s, after.changed_s[row, element])
    after.before[row, element] = np.where(changed, after.clock[row, element], after.before[row, element])
    after.changes[row, element] += changed
    after.clock[row, element] = outcome.wanted[chosen]
    after.free_s[row, element] = np.maximum(after.free_s[row, element], end_s)
    after.worker_s[:, application] = end_s
    after.point[:, application] = actions.point[kept]
    after.server[:, application] = element
    after.threads[:, application] = actions.threads[kept]
    after.mean_w[:, application] = outcome.mean_w[chosen]
    return after


def _lower_idle(
    labels: Labels, application: int, used: IntArray, start_s: FloatArray, moment: Moment
) -> None:
    """Elements that nobody uses when another one starts go to rest."""
    others = (labels.point >= 0) & (_leaves_s(moment.problem) > moment.seen_s)
    others[:, application] = False
    for e in moment.elements:
        needed = (others & (labels.server == e)).any(axis=1)
        rest = np.where(needed, 0, moment.now.rest[e])
        idle = (used != e) & (labels.clock[:, e] != rest) & (labels.free_s[:, e] <= start_s)
        if moment.problem.holds:
            idle &= ~needed
        if idle.any():
            at_s = np.maximum(labels.free_s[:, e], labels.changed_s[:, e])
            at_s = np.maximum(at_s, moment.since_s)
            moment.set_clock(labels, e, at_s, np.where(idle, rest, labels.clock[:, e]))


def _leaves_s(problem: PlanProblem) -> FloatArray:
    return np.array(problem.leaves_s or [math.inf] * len(problem.actions))
