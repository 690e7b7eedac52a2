"""Bounds where applications compete for busy time and power: a price on each (Lagrangian relaxation).

With the first term t that is still open, uses u_j of the shared resources and their capacities c_j, any
prices lambda_j >= 0 bound what the term can be at a setting s:

    D(s) = sum_a min over entries (t + sum_j lambda_j u_j) - sum_j lambda_j c_j(s)

Prices are raised where the choices behind the smallest D use too much (Polyak's step towards the best
known value v):  lambda_j <- max(0, lambda_j + (v - D) / |g|^2 * g_j),  g_j = use_j - c_j.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Question
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.arbiter.tables import BoolArray
from dynofa_ros.manager.models.power_model import FloatArray

LOOKED_AT = 48
"""Settings at which the smallest bound is watched."""


@dataclass
class Prices:
    """Bounds of one term, and the choices met on the way."""

    question: Question
    open_term: int
    kept: BoolArray
    """Entries that may be part of a better choice."""
    most_w: float
    excess: float = 0.0
    """Busy time above the limits that is allowed."""
    met: list[tuple[int, IndexArray]] = field(default_factory=list)
    """Setting and entry per application of the smallest D of each step."""
    bounds: FloatArray = field(init=False)
    """D with the last prices, shape (settings of the board,); infinite at settings not asked for."""
    priced: FloatArray = field(init=False)
    """t + sum of prices * uses, shape (entries,); infinite for entries left out."""
    least: FloatArray = field(init=False)
    """The smallest of it per application, shape (applications, settings of the board)."""
    room: FloatArray = field(init=False)
    """sum of prices * capacities, shape (settings of the board,)."""

    def raise_to(self, value: float, settings: IndexArray, steps: int) -> None:
        """Look for prices that lift the smallest bound to `value`, looking at some of these settings."""
        layout = self.question.layout
        kept = self.kept.copy()
        kept[layout.start] = True
        entries = np.flatnonzero(kept)
        start = np.searchsorted(entries, layout.start)
        term = np.where(self.kept[entries], self._term(entries), np.inf)
        uses = self._uses(entries)
        prices = self._ascend(
            value, settings[:: 1 + len(settings) // LOOKED_AT], steps, entries, start, term, uses
        )
        count = layout.settings.count
        priced = term + prices @ uses
        least = np.minimum.reduceat(priced, start)[layout.segment_of[:, :, settings]].min(axis=1)
        self.priced = np.full(len(self.kept), np.inf)
        self.priced[entries] = priced
        self.room = np.zeros(count)
        self.room[settings] = prices @ self._capacities(settings) - self._offset(settings)
        self.least = np.full((len(least), count), np.inf)
        self.least[:, settings] = least
        self.bounds = np.full(count, np.inf)
        self.bounds[settings] = least.sum(axis=0) - self.room[settings]

    def _ascend(
        self,
        value: float,
        settings: IndexArray,
        steps: int,
        entries: IndexArray,
        start: IndexArray,
        term: FloatArray,
        uses: FloatArray,
    ) -> FloatArray:
        """The prices with the largest smallest bound that a few steps lead to."""
        segment_of = self.question.layout.segment_of[:, :, settings]
        capacities, offset, highest = (
            self._capacities(settings),
            self._offset(settings),
            self._highest_prices(),
        )
        ends = np.append(start[1:], len(entries))
        prices = best_prices = np.zeros(len(uses))
        best = -np.inf
        for _ in range(steps):
            priced = term + prices @ uses
            found = np.minimum.reduceat(priced, start)[segment_of]
            bounds = found.min(axis=1).sum(axis=0) - prices @ capacities + offset
            at = int(bounds.argmin())
            if bounds[at] > best:
                best, best_prices = float(bounds[at]), prices
            if bounds[at] > value + TOLERANCE:
                break
            segments = segment_of[np.arange(len(found)), found[:, :, at].argmin(axis=1), at]
            chosen = np.array([start[s] + int(priced[start[s] : ends[s]].argmin()) for s in segments])
            self.met.append((int(settings[at]), entries[chosen]))
            excess = uses[:, chosen].sum(axis=1) - capacities[:, at]
            excess[(excess < 0.0) & (prices <= 0.0)] = 0.0
            norm = float(excess @ excess)
            if norm < TOLERANCE:
                break
            step = max(value - bounds[at], 1e-3 * abs(value)) / norm
            prices = np.clip(prices + step * excess, 0.0, highest)
        return best_prices

    def _uses(self, entries: IndexArray) -> FloatArray:
        """What each entry uses of each element, and of the power, shape (resources, entries)."""
        busy = self.question.busy_of[:, entries]
        if self.most_w == np.inf:
            return busy
        return np.vstack([busy, self.question.tables.power_w[entries] / self.most_w])

    def _capacities(self, settings: IndexArray) -> FloatArray:
        """What there is of each, shape (resources, settings)."""
        question = self.question
        limits = np.broadcast_to(
            (question.limits + self.excess)[:, None], (len(question.limits), len(settings))
        )
        if self.most_w == np.inf:
            return limits
        return np.vstack([limits, 1.0 - question.background_w[settings] / self.most_w])

    def _highest_prices(self) -> FloatArray:
        """Where busy time is the term itself, an element's share above its limit costs no more than it is."""
        elements = len(self.question.layout.elements)
        highest = np.full(elements + (self.most_w < np.inf), np.inf)
        if self.open_term == 0:
            highest[:elements] = 1.0
        return highest

    def _offset(self, settings: IndexArray) -> FloatArray:
        """What the setting itself adds to the term."""
        question = self.question
        name = question.kinds[self.open_term].name
        if name == "clocks":
            return settings.astype(float)
        if name != "cost":
            return np.zeros(len(settings))
        return question.background_w[settings] + question.change_w[settings]

    def _term(self, entries: IndexArray) -> FloatArray:
        """What each entry adds to the term."""
        tables, kind = self.question.tables, self.question.kinds[self.open_term]
        table = {
            "busy": tables.overrun,
            "latency": tables.excess,
            "min_accuracy": tables.shortfall,
            "margin": tables.caution,
            "accuracy": tables.wanted,
            "cost": tables.power_w,
            "accuracy of the others": tables.merit,
        }.get(kind.name.removesuffix(" count"))
        if table is None:
            return np.zeros(len(entries))
        values = -table[entries] if kind.name.startswith("accuracy") else table[entries]
        if kind.name.endswith("count"):
            values = (values > TOLERANCE).astype(float)
        if len(kind.apps) == len(self.question.problem.applications):
            return values
        layout, counts = self.question.layout, np.zeros(len(self.question.problem.applications))
        counts[list(kind.apps)] = 1.0
        return np.asarray(values * counts[layout.app_of[layout.point[entries]]])
