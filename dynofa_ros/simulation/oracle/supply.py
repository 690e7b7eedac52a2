"""Which inferences would make the supply throttle: the board draws more than its limit for 10 ms.

    power(t) = idle power of the clocks in force at t + active powers of the inferences that run at t

counted from the beginning of an inference to its end, those that began before and still run included.
"""

from __future__ import annotations

import numpy as np

from dynofa_ros.board.simulated import OVERCURRENT_AFTER_S
from dynofa_ros.simulation.oracle.labels import Labels, Piece
from dynofa_ros.simulation.oracle.problem import BoolArray, Conditions, FloatArray, PlanFrame, PlanProblem

SPARED_S = 1e-4
"""Kept to spare of the time that the board bears an over-current. With several applications half of that time
counts, because an inference may follow on one of another application that draws too much as well [s]."""


class Supply:
    """The supply of one problem; `share`: of its limit that is planned with."""

    def __init__(self, problem: PlanProblem, share: float = 1.0) -> None:
        self._problem, self._share = problem, share
        self._after_s = (OVERCURRENT_AFTER_S - SPARED_S) / (1 if len(problem.actions) == 1 else 2)

    def matters(self, held: Conditions) -> bool:
        """Whether anything that can run draws too much under these conditions."""
        idle_w = held.base_w + float(held.most_idle_w.max(axis=1).sum())
        active_w = [self._most_active_w(held, e) for e in range(len(self._problem.elements))]
        most_w = idle_w + (max(active_w) if len(self._problem.actions) == 1 else sum(active_w))
        return bool(most_w > held.highest_w * self._share)

    def throttles(
        self, labels: Labels, frame: PlanFrame, start_s: FloatArray, pieces: list[Piece]
    ) -> BoolArray:
        """Whether the inference of a frame that starts then makes it throttle: (labels, actions)."""
        actions = self._problem.actions[frame.application]
        over_s, begin_s = np.zeros(start_s.shape), start_s
        for piece in pieces:
            held = self._problem.conditions[piece.number]
            idle_w = held.most_idle_w[np.arange(len(self._problem.elements)), labels.clock]
            others_w = idle_w.sum(axis=1)[:, None] - idle_w[:, actions.element]
            active_w = held.power_w[frame.application][actions.point, piece.clock]
            power_w = held.base_w + others_w + held.most_idle_w[actions.element, piece.clock] + active_w
            end_s = begin_s + piece.used_s
            room_w = held.highest_w * self._share - power_w
            over_s += _above_s(begin_s, end_s, room_w, _running(labels, frame, held))
            begin_s = end_s
        return np.asarray(over_s >= self._after_s)

    def _most_active_w(self, held: Conditions, element: int) -> float:
        """The most that inferences on one element can draw together."""
        cores, most_w = self._problem.elements[element].cores, 0.0
        for actions, power_w in zip(self._problem.actions, held.power_w, strict=True):
            here = actions.element == element
            share = cores / actions.threads[here] if cores else np.ones(int(here.sum()))
            rows = power_w[actions.point[here]] * np.maximum(share, 1.0)[:, None]
            most_w = max(most_w, float(rows.max(initial=0.0)))
        return most_w


def _running(labels: Labels, frame: PlanFrame, held: Conditions) -> tuple[FloatArray, FloatArray]:
    """What others run beside a frame: ends [s], rising, and active powers [W]; both (labels, others)."""
    own = np.arange(labels.worker_s.shape[1]) == frame.application
    others = np.flatnonzero(~own & (labels.worker_s > frame.arrival_s).any(axis=0))
    rows = np.arange(len(labels.cost))
    drawn_w = np.zeros((len(rows), len(others)))
    for column, other in enumerate(others):
        clock = labels.clock[rows, labels.server[:, other]]
        drawn_w[:, column] = held.power_w[other][labels.point[:, other], clock]
    ends_s = labels.worker_s[:, others]
    order = ends_s.argsort(axis=1)
    return np.take_along_axis(ends_s, order, axis=1), np.take_along_axis(drawn_w, order, axis=1)


def _above_s(
    begin_s: FloatArray, end_s: FloatArray, room_w: FloatArray, beside: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """For how long between two times those beside draw more than there is room for."""
    ends_s, drawn_w = beside
    above_s, since_s = np.zeros(begin_s.shape), begin_s
    for number in range(ends_s.shape[1]):
        until_s = np.clip(ends_s[:, number, None], since_s, end_s)
        above_s += (until_s - since_s) * (drawn_w[:, number:].sum(axis=1)[:, None] > room_w)
        since_s = until_s
    return np.asarray(above_s + (end_s - since_s) * (room_w < 0.0))
