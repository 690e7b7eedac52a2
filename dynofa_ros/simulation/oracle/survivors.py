"""Which continuations stay: of all that end in the same action those that may lead to the best run.

A label that is cheaper now may keep an element busy for longer, and a later frame pays for that. So beside
the cheapest of an action there stay some that leave elements free earlier:

    one application   stairs: the cheapest, the cheapest of those with less backlog than that, and so on
    several           an even spread: of those that cost no more misses, floors and accuracy, those of least
                      energy whose backlog is at least 1/3, 2/3 and 3/3 of the way down to the least there is

With one application stairs are exact as long as they are not cut short. Several applications wait for each
other: their stairs are long, and the upper steps are nearly all the same label.

A wider search keeps levels: of all actions at one clock the cheapest on each of many levels of backlog, but
for those that a lower level undercuts. Points share the labels, since switching them costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynofa_ros.simulation.oracle.labels import least
from dynofa_ros.simulation.oracle.problem import BoolArray, FloatArray, IntArray

SLACK_S = 1e-9
COOLER_DEGC = 0.05

Chosen = tuple[IntArray, IntArray]
"""Parents and actions of continuations."""


@dataclass(frozen=True)
class Continuations:
    """What counts when one is chosen: shape (labels, actions), but for `degc`."""

    lost: IntArray
    """Misses, frames below their floor and accuracy, as one number."""
    cost: IntArray
    """The same with the price of heat."""
    energy_j: FloatArray
    backlog_s: FloatArray
    """By how long elements are busy beyond the next frame."""
    degc: FloatArray | None = None
    """Temperature of each label where heat can matter: (labels,)."""

    def cooler(self, best: IntArray) -> BoolArray:
        """Those cooler than the best of their action."""
        if self.degc is None:
            return np.zeros(self.cost.shape, dtype=bool)
        return np.asarray(self.degc[:, None] < self.degc[best] - COOLER_DEGC)

    def least(self, possible: BoolArray) -> tuple[IntArray, IntArray]:
        """Of each action with any possible one the row of the cheapest, and the action."""
        actions = np.flatnonzero(possible.any(axis=0))
        return least(self.cost, self.energy_j, possible)[actions], actions


def stairs(all_: Continuations, keep: int) -> tuple[Chosen, bool]:
    """At most `keep` of each action, and whether these were all that can matter."""
    everything = np.arange(all_.cost.shape[1])
    possible = np.ones(all_.cost.shape, dtype=bool)
    found = []
    for _ in range(keep):
        best = least(all_.cost, all_.energy_j, possible)
        there = possible[best, everything]
        found.append((best[there], everything[there]))
        better = all_.backlog_s < all_.backlog_s[best, everything] - SLACK_S
        possible &= better | all_.cooler(best)
        if not possible.any():
            break
    return _together(found), not possible.any()


def spread(all_: Continuations, keep: int) -> Chosen:
    """The cheapest of each action and up to `keep` - 1 that lose no more and have less backlog."""
    everything = np.arange(all_.cost.shape[1])
    cheapest = least(all_.cost, all_.energy_j, np.ones(all_.cost.shape, dtype=bool))
    found = [(cheapest, everything)]
    equal = all_.lost <= all_.lost[cheapest, everything]
    most_s = all_.backlog_s[cheapest, everything]
    room_s = most_s - np.where(equal, all_.backlog_s, np.inf).min(axis=0)
    last_s = most_s.copy()
    for number in range(1, keep):
        bound_s = most_s - room_s * number / (keep - 1) + SLACK_S
        rows, actions = all_.least(equal & (all_.backlog_s <= np.minimum(bound_s, last_s - 2.0 * SLACK_S)))
        found.append((rows, actions))
        last_s[actions] = all_.backlog_s[rows, actions]
    found.append(all_.least(equal & all_.cooler(cheapest)))
    return _together(found)


def levels(all_: Continuations, groups: IntArray, keep: int) -> Chosen:
    """The cheapest of each group of actions on each of `keep` levels of backlog, but for those that cost no
    less than one of a lower level; `groups`: that of each action, shape (actions,).
    """
    step_s = max(float(all_.backlog_s.max()), SLACK_S) / max(keep - 1, 1)
    level = np.ceil((all_.backlog_s - SLACK_S) / step_s).astype(np.int64).clip(0, keep - 1)
    places = (groups * keep + level).ravel()
    cost, energy_j = all_.cost.ravel(), all_.energy_j.ravel()
    count = (int(groups.max()) + 1) * keep
    least_cost = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least_cost, places, cost)
    tied = np.flatnonzero(cost == least_cost[places])
    least_j = np.full(count, np.inf)
    np.minimum.at(least_j, places[tied], energy_j[tied])
    best = np.zeros(count, dtype=np.int64)
    cheapest = tied[energy_j[tied] == least_j[places[tied]]]
    best[places[cheapest]] = cheapest
    chosen = best[_descending(least_cost.reshape(-1, keep), least_j.reshape(-1, keep)).ravel()]
    rows, actions = np.divmod(chosen, all_.cost.shape[1])
    return rows, actions


def _descending(cost: IntArray, energy_j: FloatArray) -> BoolArray:
    """Which entries are cheaper than all before them in their row, both (rows, entries); inf: no entry."""
    kept = np.zeros(cost.shape, dtype=bool)
    low_cost, low_j = np.full(len(cost), np.iinfo(np.int64).max), np.full(len(cost), np.inf)
    for column in range(cost.shape[1]):
        same = cost[:, column] == low_cost
        kept[:, column] = (cost[:, column] < low_cost) | (same & (energy_j[:, column] < low_j))
        low_cost = np.where(kept[:, column], cost[:, column], low_cost)
        low_j = np.where(kept[:, column], energy_j[:, column], low_j)
    return kept


def _together(found: list[Chosen]) -> Chosen:
    parents, actions = zip(*found, strict=True)
    return np.concatenate(parents), np.concatenate(actions)
