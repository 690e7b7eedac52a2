"""The labels of the oracle's search: one way each to have come this far, as arrays over all labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dynofa_ros.simulation.oracle.problem import BoolArray, FloatArray, IntArray, PlanProblem

Index = int | np.signedinteger[Any]

UNKNOWN = 1 << 30
"""Number of the next change of a clock that a governor has had: its delay is the last of the table."""


@dataclass
class Labels:
    """Arrays whose first axis is the label."""

    clock: IntArray
    """(labels, elements)"""
    changes: IntArray
    """(labels, elements): how often the clock has changed."""
    changed_s: FloatArray
    """(labels, elements): when the clock came, or comes, into force."""
    before: IntArray
    """(labels, elements): the clock until then."""
    free_s: FloatArray
    """(labels, elements): when the element has nothing left to do."""
    steps: IntArray
    """(labels, elements): table steps by which heat holds the clock down."""
    worker_s: FloatArray
    """(labels, applications): when the application can take its next frame."""
    point: IntArray
    """(labels, applications): its last point, -1: none."""
    server: IntArray
    """(labels, applications): element of its last frame."""
    threads: IntArray
    """(labels, applications): threads of its last frame."""
    mean_w: FloatArray
    """(labels, applications): energy of its last frame over its period."""
    cost: IntArray
    paid_j: FloatArray
    """Energy at time t is paid_j + rate * t, with rate the idle power of the clocks in force."""
    fast_w: FloatArray
    slow_w: FloatArray
    seen_j: FloatArray
    """Energy at the last look at the heat."""

    @classmethod
    def start(cls, problem: PlanProblem) -> Labels:
        """The one label of the beginning."""
        elements, applications = len(problem.elements), len(problem.actions)
        start_w = np.array([problem.heat.start_w])
        return cls(
            clock=np.array([[element.initial for element in problem.elements]]),
            changes=np.zeros((1, elements), dtype=np.int64),
            changed_s=np.zeros((1, elements)),
            before=np.array([[element.initial for element in problem.elements]]),
            free_s=np.zeros((1, elements)),
            steps=np.zeros((1, elements), dtype=np.int64),
            worker_s=np.zeros((1, applications)),
            point=np.full((1, applications), -1),
            server=np.zeros((1, applications), dtype=np.int64),
            threads=np.zeros((1, applications), dtype=np.int64),
            mean_w=np.zeros((1, applications)),
            cost=np.zeros(1, dtype=np.int64),
            paid_j=np.zeros(1),
            fast_w=start_w,
            slow_w=start_w,
            seen_j=np.zeros(1),
        )

    def take(self, index: IntArray) -> Labels:
        """The labels at `index`."""
        return Labels(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(self)})

    def joined(self, other: Labels) -> Labels:
        """These and others."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self)}
        return Labels(**{name: np.concatenate(pair) for name, pair in pairs.items()})


@dataclass
class Outcome:
    """What every action would make of a frame from every label: shape (labels, actions)."""

    chosen_s: FloatArray
    start_s: FloatArray
    end_s: FloatArray
    wanted: IntArray
    """The clock that the action gets."""
    effect_s: FloatArray
    """When it comes into force."""
    same: BoolArray
    """Whether it already was."""
    cost: IntArray
    paid_j: FloatArray
    mean_w: FloatArray
    idle_step_w: FloatArray
    """By which the idle power of the element rises with its clock."""
    violations: IntArray | None = None
    """How often power budget or supply forbid it; None where neither can."""


class Piece(NamedTuple):
    """Part of an inference at one clock under one set of conditions: shape (labels, actions)."""

    used_s: FloatArray
    clock: IntArray
    number: int
    """Of the conditions."""


def least(cost: IntArray, energy_j: FloatArray, possible: BoolArray) -> IntArray:
    """Per column the row of the least (cost, energy) among the possible ones."""
    bounded = np.where(possible, cost, np.iinfo(np.int64).max)
    tied = bounded == bounded.min(axis=0)
    return np.asarray(np.where(tied & possible, energy_j, np.inf).argmin(axis=0))


def padded(rows: list[tuple[float, ...]]) -> FloatArray:
    """Rows of equal length: the last value goes on."""
    length = max(len(row) for row in rows)
    return np.array([[*row, *[row[-1]] * (length - len(row))] for row in rows])
