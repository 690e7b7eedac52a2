"""Lexicographic order of choices, term by term over ever fewer of them; equal within a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.models.power_model import FloatArray


def first(choices: Choices, index: IndexArray) -> IndexArray:
    """Index of the best, as an array of one."""
    question, kinds = choices.question, choices.question.kinds
    flaws = choices.flaws(index)
    flawless = index[flaws <= TOLERANCE]
    if len(flawless):
        index, kinds = flawless, kinds[question.flaws :]
    for kind in kinds:
        if len(index) == 1:
            break
        values = choices.term(kind, index)
        index = index[values <= values.min() + TOLERANCE]
    return index[:1]


def ahead(choices: Choices, limits: FloatArray) -> IndexArray:
    """Indices of the choices that rank before the vector of terms `limits`."""
    question, kinds, index = choices.question, choices.question.kinds, choices.everything
    at = 0
    if (limits[: question.flaws] <= TOLERANCE).all():
        index, at = index[choices.flaws(index) <= TOLERANCE], question.flaws
    found = []
    for kind, limit in zip(kinds[at:], limits[at:], strict=True):
        if not len(index):
            break
        values = choices.term(kind, index)
        found.append(index[values < limit - TOLERANCE])
        index = index[np.abs(values - limit) <= TOLERANCE]
    return np.concatenate(found) if found else index


def first_per_row(choices: Choices, leading: FloatArray, row: IndexArray, flawless: bool) -> IndexArray:
    """Index of the best of each row (`row` does not fall); `leading` comes before all terms.

    With `flawless` the terms in which nothing should have to give way count as one sum.
    """
    index, rows = choices.everything, int(np.count_nonzero(np.diff(row))) + 1
    place = np.cumsum(np.diff(row, prepend=row[:1]) > 0)
    for values in _columns(choices, leading, flawless):
        at = place[index]
        start = np.searchsorted(at, np.arange(rows))
        now = values(index)
        index = index[now <= (np.minimum.reduceat(now, start) + TOLERANCE)[at]]
        if len(index) == rows:
            return index
    return index[np.searchsorted(place[index], np.arange(rows))]


def _columns(
    choices: Choices, leading: FloatArray, flawless: bool
) -> Iterator[Callable[[IndexArray], FloatArray]]:
    yield lambda index: leading[index]
    kinds = choices.question.kinds
    if flawless:
        yield choices.flaws
        kinds = kinds[choices.question.flaws :]
    for kind in kinds:
        yield partial(choices.term, kind)


def sorted_out(values: FloatArray) -> IndexArray:
    """Indices of vectors of terms, shape (terms, n), from the first to the last."""
    return np.lexsort(np.rint(values[::-1] / TOLERANCE))


def before(values: FloatArray, others: FloatArray) -> bool:
    """Whether a vector of terms ranks before another."""
    different = np.flatnonzero(np.abs(values - others) > TOLERANCE)
    return bool(len(different)) and bool(values[different[0]] < others[different[0]])
