"""Finds the best choice: bounds for every setting first, then branch and bound where applications couple.

With numpy; src/arbiter does the same compiled.

1. The least power that can be reached decides which excess of budget and temperature is unavoidable; no
   more is allowed from there on (`Reach`).
2. Every application takes its best point alone, at every setting (`alone`): the terms of these choices
   bound each setting from below. Where nothing couples they are reached, and the search is over.
3. Else prices on busy time and power (`prices`) give a stronger bound of the first term that is still
   open, and starting points. From these, one application after the other takes its best point beside the
   others, which soon is close to the best.
4. The settings that may still win are branched in the order of their bounds, a batch at a time:
   application by application, by falling priority, every partial choice bounded and dropped when it
   cannot win. Where applications wait for each other the lowest bounds are out of reach, so a few settings
   from the fastest down come before, and show what is in reach.
5. The search ends when nothing is left, or when the budget of partial choices is spent. What was left out
   then says how far the best can be.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.manager.arbiter.alone import Alone
from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.arbiter.found import Found, bound_of
from dynofa_ros.manager.arbiter.order import ahead, before, first, first_per_row, sorted_out
from dynofa_ros.manager.arbiter.prices import Prices
from dynofa_ros.manager.arbiter.problem import Bound
from dynofa_ros.manager.arbiter.prune import within, worthwhile
from dynofa_ros.manager.arbiter.reach import Reach
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.models.power_model import FloatArray

BATCH = 128
SAMPLES = 48
"""Settings at which it is tried at first whether what the applications take alone fits together."""
STEPS = 6
DIVES = 4
"""Settings that are branched before all others where applications wait for each other."""
FEW = 8
"""So few settings are branched without prices."""
LEAST_ROOM = 256
GLANCES = 16
"""So many combinations that prices alone rule out count as one partial choice."""


@dataclass
class Search:
    """One search."""

    question: Question
    budget: int
    nodes: int = 0
    best: Choices = field(init=False)
    best_values: FloatArray = field(init=False)
    """Its terms; infinite while there is none."""
    left_out: list[FloatArray] = field(default_factory=list)
    """Bounds of what was not examined, one vector of terms each."""
    prices: Prices | None = None
    kept_flawless: bool = False
    open_term: int = -1
    """The term that the prices bound: the first in which something may be better than the best."""

    def __post_init__(self) -> None:
        self.best_values = np.full(len(self.question.kinds), np.inf)

    def run(self) -> Found:
        """Search, first among choices in which nothing has to give way."""
        for flawless in (True, False):
            alone = Alone.of(self.question, flawless)
            settings = alone.settings[self.reach.within[alone.settings]]
            if len(settings):
                self._search(alone.open_choices(settings))
                if (self.best_values[: self.question.flaws] <= TOLERANCE).all():
                    break
        entries = tuple(self.best.entry[:, 0].tolist())
        values = tuple(self.best_values.tolist())
        return Found(int(self.best.setting[0]), entries, values, self._bound(), self.nodes)

    def _bound(self) -> Bound | None:
        better = [values for values in self.left_out if before(values, self.best_values)]
        if not better:
            return None
        least = min(better, key=lambda values: tuple(np.rint(values / TOLERANCE)))
        return bound_of(self.question, self.best_values.tolist(), least.tolist())

    @lazy
    def reach(self) -> Reach:
        """What power allows."""
        return Reach.of(self.question)

    @lazy
    def order_of_apps(self) -> list[int]:
        """By falling priority."""
        return [a for level in self.question.levels for a in level]

    def _offer(self, choices: Choices) -> None:
        """Take the best of complete choices where it is allowed and ranks before what is known."""
        choices = choices.picked(np.flatnonzero(self.reach.allowed(choices)))
        index = ahead(choices, self.best_values)
        if len(index):
            self.best = choices.picked(first(choices, index))
            self.best_values = self.best.values(self.best.everything)[:, 0]

    def _search(self, alone: Choices) -> None:
        """Steps 2 to 5 at the settings of these open choices."""
        lowest = alone.picked(first(alone, alone.everything))
        bound = lowest.values(lowest.everything)[:, 0]
        reached = lowest.closed()
        if self.reach.allowed(reached)[0]:
            self._offer(reached)
            if not before(bound, self.best_values):
                return
        self._offer(alone.picked(np.arange(0, len(alone), 1 + len(alone) // SAMPLES)).closed())
        if np.isinf(self.best_values[0]):
            self._offer(self.reach.thrifty())
        left = self._raise_prices(alone)
        if self.question.coupled:
            self._dive(left)
            left = left.picked(ahead(left, self.best_values))
        while len(left):
            if self.nodes >= self.budget:
                self._leave_out(left)
                return
            batch = np.arange(min(BATCH, len(left)))
            self._branch(left.picked(batch))
            left = left.picked(np.arange(len(batch), len(left)))
            left = self._promising(left.picked(np.sort(ahead(left, self.best_values))))

    def _dive(self, choices: Choices) -> None:
        """Step 4 at a few of these settings, from the fastest down."""
        by_setting = np.argsort(choices.setting, kind="stable")
        for n in range(DIVES):
            if len(choices) and self.nodes < self.budget:
                fast = by_setting[[(len(choices) - 1) * (DIVES - n) // DIVES]]
                one = choices.picked(fast)
                self._branch(one.picked(ahead(one, self.best_values)))

    def _raise_prices(self, alone: Choices) -> Choices:
        """Step 3, again where it settles the term that was open. Returns what is left, best bounds first."""
        self.prices, self.open_term = None, -1
        left = alone.picked(ahead(alone, self.best_values))
        while len(left):
            lowest = left.picked(first(left, left.everything))
            values = lowest.values(lowest.everything)[:, 0]
            open_term = int(np.argmax(np.abs(values - self.best_values) > TOLERANCE))
            if open_term == self.open_term:
                break
            self.open_term = open_term
            flawless = bool((values[: self.question.flaws] <= TOLERANCE).all())
            self.prices = self._priced(left.setting, STEPS if len(left) > FEW else 0)
            self._improve(self.prices, flawless)
            left = self._promising(left.picked(ahead(left, self.best_values)))
        return left.picked(self._by_bound(left)) if len(left) else left

    def _priced(self, settings: IndexArray, steps: int) -> Prices:
        """Prices for the open term."""
        kept = worthwhile(self.question, within(self.question, self.best_values, self.open_term))
        prices = Prices(self.question, self.open_term, kept, self.reach.most_w)
        self.kept_flawless = self.open_term >= self.question.flaws and bool(
            (self.best_values[: self.question.flaws] <= TOLERANCE).all()
        )
        prices.excess = float(self.best_values[0]) if self.open_term else 0.0
        prices.raise_to(float(self.best_values[self.open_term]), settings, steps)
        return prices

    def _promising(self, choices: Choices) -> Choices:
        """Those whose setting may still win by the prices."""
        if self.prices is None or not len(choices):
            return choices
        limit = self.best_values[self.open_term] + TOLERANCE
        return choices.picked(np.flatnonzero(self.prices.bounds[choices.setting] <= limit))

    def _improve(self, prices: Prices, flawless: bool) -> None:
        """From what the prices met, let each application take its best point beside the others."""
        if not prices.met:
            return
        entries = np.stack([entries for _, entries in prices.met], axis=1)
        choices = Choices(self.question, np.array([setting for setting, _ in prices.met]), entries)
        for a in self.order_of_apps:
            options, rows = self._options(choices, a, np.inf)
            excess_w = np.maximum(options.power_w(options.everything) - self.reach.most_w, 0.0)
            choices = options.picked(first_per_row(options, excess_w, rows, flawless))
        self._offer(choices)

    def _branch(self, choices: Choices) -> None:
        """Branch and bound over all applications at the settings of these open choices."""
        limit = float(self.best_values[self.open_term]) + TOLERANCE
        for a in self.order_of_apps:
            choices, _ = self._options(choices, a, limit)
            choices = choices.picked(np.flatnonzero(self.reach.allowed(choices)))
            choices = choices.picked(ahead(choices, self.best_values))
            if not len(choices):
                return
        self._offer(choices)

    def _options(self, choices: Choices, a: int, limit: float) -> tuple[Choices, IndexArray]:
        """Every choice once with each entry of application `a` by which the prices stay within `limit`.

        Returns with them the rows of `choices` that they come from.
        """
        assert self.prices is not None
        points = self.question.points_of(a)
        entries = self.question.layout.entries(points[None, :], choices.setting[:, None])
        bounds = self.prices.priced[entries]
        if limit < np.inf:
            bounds += (self._at_prices(choices) - self.prices.least[a][choices.setting])[:, None]
        rows, columns = np.nonzero(bounds <= min(limit, sys.float_info.max))
        self.nodes += entries.size // GLANCES
        room = max(self.budget - self.nodes, LEAST_ROOM)
        if len(rows) > room:
            order = np.argsort(bounds[rows, columns], kind="stable")
            dropped = rows[order[room:]], columns[order[room:]]
            self._leave_out(choices.picked(np.unique(dropped[0])), float(bounds[dropped].min()))
            rows, columns = rows[np.sort(order[:room])], columns[np.sort(order[:room])]
        self.nodes += len(rows)
        entry = choices.entry[:, rows]
        entry[a] = entries[rows, columns]
        return Choices(
            self.question, choices.setting[rows], entry, choices.open_apps - {a}, self.kept_flawless
        ), rows

    def _at_prices(self, choices: Choices) -> FloatArray:
        """Bound of the open term by the prices."""
        assert self.prices is not None
        total = -self.prices.room[choices.setting]
        for a in choices.apps:
            if a in choices.open_apps:
                total += self.prices.least[a][choices.setting]
            else:
                total += self.prices.priced[choices.entry[a]]
        return total

    def _bounds(self, choices: Choices) -> FloatArray:
        """All terms, the open one as high as the prices prove it; where that is higher, no more than the
        least of all is known of those behind it.
        """
        assert self.prices is not None
        values = choices.values(choices.everything)
        proven = np.maximum(self._at_prices(choices), self.prices.bounds[choices.setting])
        self._prove(values, proven)
        return values

    def _prove(self, values: FloatArray, proven: FloatArray | float) -> None:
        higher = proven > values[self.open_term] + TOLERANCE
        values[self.open_term] = np.maximum(values[self.open_term], proven)
        behind = slice(self.open_term + 1, None)
        values[behind] = np.where(higher, self.question.floor[behind, None], values[behind])

    def _by_bound(self, choices: Choices) -> IndexArray:
        return sorted_out(self._bounds(choices))

    def _leave_out(self, choices: Choices, proven: float = -np.inf) -> None:
        """Note the bound of what is not examined; `proven` bounds the open term of all of it."""
        values = self._bounds(choices)
        self._prove(values, proven)
        self.left_out.append(values[:, sorted_out(values)[0]])
