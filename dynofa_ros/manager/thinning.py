"""Keeps a joint choice affordable: thins clock tables where there are too many combinations."""

from __future__ import annotations

import math
from dataclasses import replace

from dynofa_ros.manager.problem import ArbiterInput, ClockTable


def thinned(problem: ArbiterInput, max_combinations: int) -> tuple[ClockTable, ...]:
    """The clock tables, every second clock dropped from the longest until few enough are left.

    The lowest, the highest and the current clock of a table always stay.
    """
    tables = list(problem.clocks)
    points = math.prod(len(app.points) for app in problem.applications)
    while points * math.prod(len(table.available_mhz) for table in tables) > max_combinations:
        longest = max(range(len(tables)), key=lambda i: len(tables[i].available_mhz), default=-1)
        if longest < 0 or len(tables[longest].available_mhz) <= 3:
            break
        tables[longest] = _halved(tables[longest])
    return tuple(tables)


def _halved(table: ClockTable) -> ClockTable:
    kept = table.available_mhz[::-2]
    extra = [mhz for mhz in (table.available_mhz[0], table.current_mhz) if mhz in table.available_mhz]
    smaller = tuple(sorted({*kept, *extra}))
    if len(smaller) == len(table.available_mhz):
        smaller = (table.available_mhz[0], table.available_mhz[-1])
    return replace(table, available_mhz=smaller)
