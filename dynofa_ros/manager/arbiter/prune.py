"""Which entries cannot be part of a best choice, whatever the other applications run."""

from __future__ import annotations

import numpy as np

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Question
from dynofa_ros.manager.arbiter.settings import IndexArray
from dynofa_ros.manager.arbiter.tables import BoolArray
from dynofa_ros.manager.models.power_model import FloatArray

SCALE = 1e9
BITS = 30


def worthwhile(question: Question, kept: BoolArray) -> BoolArray:
    """Entries of `kept` that no other of the same application, setting, element and threads makes needless.

    q makes p needless where q takes no longer and no more power, and ranks no worse by (accuracy missing
    to the floor, margin used up, wanted accuracy): then q in the place of p leaves more room to the others
    and the terms before power are no worse. At equal power q must also be as accurate. The current point
    stays, because it alone causes no switch.
    """
    layout, tables = question.layout, question.tables
    if tables.allowed is not None:
        kept = kept & tables.allowed
    inside = np.flatnonzero(kept[layout.by_time])
    if not len(inside):
        return kept
    order = layout.by_time[inside]
    best = _best_before(_rank(question, order), _depth(layout.run[inside]))
    rival = order[best]
    power_w, merit = tables.power_w, tables.merit
    saved_w = power_w[order] - power_w[rival]
    needless = (rival != order) & (saved_w >= -TOLERANCE)
    needless &= (saved_w > TOLERANCE) | (merit[rival] >= merit[order])
    if question.coupled:
        needless &= tables.guarded[rival] <= tables.guarded[order]
    currents = [
        first + app.current
        for first, app in zip(layout.first_point, question.problem.applications, strict=False)
        if app.current is not None and app.switch_ms > 0.0
    ]
    if currents:
        needless &= ~np.isin(layout.point[order], currents)
    useful = np.zeros(len(kept), dtype=bool)
    useful[order[~needless]] = True
    return useful


def within(question: Question, values: FloatArray, last: int) -> BoolArray:
    """Entries that alone exceed none of the terms up to `last` in which nothing is negative."""
    tables, layout = question.tables, question.layout
    of = {"busy": tables.overrun, "latency": tables.excess, "min_accuracy": tables.shortfall}
    of["margin"] = tables.caution
    if last >= question.flaws and (values[: question.flaws] <= TOLERANCE).all():
        return np.asarray(tables.flaw <= TOLERANCE)
    kept = np.ones(len(layout.point), dtype=bool)
    for kind, value in zip(question.kinds[: last + 1], values, strict=False):
        if kind.name in of:
            concerned = np.zeros(len(question.problem.applications), dtype=bool)
            concerned[list(kind.apps)] = True
            kept &= (of[kind.name] <= value + TOLERANCE) | ~concerned[layout.app_of[layout.point]]
    return kept


def _rank(question: Question, entries: IndexArray) -> IndexArray:
    """(shortfall, caution, -wanted) as one number each."""
    tables = question.tables
    shortfall = np.rint(tables.shortfall[entries] * SCALE).astype(np.int64)
    wanted = np.rint(tables.wanted[entries] * SCALE).astype(np.int64)
    return (shortfall << (BITS + 1)) + (tables.caution[entries].astype(np.int64) << BITS) - wanted


def _depth(run: IndexArray) -> IndexArray:
    """Place of each element in its run of equal numbers."""
    place = np.arange(len(run))
    new = np.diff(run, prepend=run[:1] - 1) != 0
    return np.asarray(place - np.maximum.accumulate(np.where(new, place, 0)))


def _best_before(rank: IndexArray, depth: IndexArray) -> IndexArray:
    """Place of the least rank in the run up to each element, the earliest of equals."""
    least, at = rank, np.arange(len(rank))
    step, deepest = 1, int(depth.max())
    while step <= deepest:
        better = np.zeros(len(rank), dtype=bool)
        better[step:] = (depth[step:] >= step) & (least[:-step] <= least[step:])
        earlier = np.maximum(np.arange(len(rank)) - step, 0)
        least, at = np.where(better, least[earlier], least), np.where(better, at[earlier], at)
        step *= 2
    return at
