"""What every application would take alone at each clock setting: the relaxation that bounds all choices.

Without coupling an application's terms are (busy beyond its limit, late, too inaccurate, margin used up,
-accuracy if wanted, power, -accuracy). The lexicographic order of vectors is kept by addition, so the
sum of the least vectors of all applications is the least of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.arbiter.tables import BoolArray
from dynofa_ros.manager.models.power_model import FloatArray

GRID = 1.0 / TOLERANCE


@dataclass(frozen=True)
class Alone:
    """The best entry of each application at every setting at which each has one."""

    question: Question
    settings: IndexArray
    entry: IndexArray
    """Shape (applications, settings of the board)."""
    flawless: bool
    kept: BoolArray
    """The entries among which it was chosen."""

    @classmethod
    def of(cls, question: Question, flawless: bool) -> Alone:
        """With `flawless` only among entries of which nothing has to give way."""
        tables, layout = question.tables, question.layout
        alive = tables.allowed
        if flawless:
            fine = tables.flaw <= TOLERANCE
            alive = fine if alive is None else fine & alive
        kept = np.ones(len(layout.point), dtype=bool) if alive is None else alive
        terms: tuple[FloatArray, ...] = (-tables.wanted, tables.power_w, -tables.merit)
        if not flawless:
            terms = (tables.overrun, tables.excess, tables.shortfall, tables.caution, *terms)
        best = _best_of_segments(question, terms, alive)
        some = best < len(layout.point)
        found = best if some.all() else np.minimum(best, len(layout.point) - 1)
        keys = np.rint(np.stack([term[found] for term in reversed(terms)]) * GRID)
        by_rank = np.lexsort([*keys, ~some])
        rank = np.empty(len(found), dtype=np.intp)
        rank[by_rank] = np.arange(len(found))
        of_setting = by_rank[rank[layout.segment_of].min(axis=1)]
        settings = np.flatnonzero(some[of_setting].all(axis=0))
        return cls(question, settings, best[of_setting], flawless, kept)

    def open_choices(self, settings: IndexArray) -> Choices:
        """These choices as bounds: every application is open."""
        everybody = frozenset(range(len(self.entry)))
        return Choices(self.question, settings, self.entry[:, settings], everybody, self.flawless)


def _best_of_segments(
    question: Question, terms: tuple[FloatArray, ...], alive: BoolArray | None
) -> IndexArray:
    """First entry of each segment with the least terms among those alive; where none is, their number."""
    layout = question.layout
    for term in terms:
        if alive is None and not term.any():
            continue
        values = term if alive is None else np.where(alive, term, np.inf)
        least = np.minimum.reduceat(values, layout.start)
        # An infinite least stays infinite, so that segments in which nothing is alive keep nothing.
        now = values <= (least + TOLERANCE)[layout.segment]
        alive = now if alive is None else now & alive
    numbers = np.arange(len(layout.point))
    if alive is not None:
        numbers = np.where(alive, numbers, len(numbers))
    return np.minimum.reduceat(numbers, layout.start)
