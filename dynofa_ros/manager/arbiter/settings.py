"""Clock settings: the cross product of the clock tables, and the part of it that some domains see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.arbiter.problem import ArbiterInput, ClockTable
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.models.power_model import FloatArray

IndexArray = npt.NDArray[np.intp]
SAME = 1e-5
"""Relative difference of clocks that mean the same."""


@dataclass(frozen=True)
class Settings:
    """All combinations of the clock tables, lower clocks first; arrays have shape (settings,)."""

    count: int
    mhz: dict[str, FloatArray]
    place: dict[str, IndexArray]
    """Index of the clock in its domain's table."""
    available_mhz: dict[str, tuple[float, ...]]
    local: dict[tuple[str, ...], LocalSettings]
    """What was asked of `seen_by`."""

    @classmethod
    def of(cls, tables: tuple[ClockTable, ...]) -> Settings:
        """The settings of these tables; kept from call to call."""
        key = tuple((table.domain, table.available_mhz) for table in tables)
        return _SETTINGS.get((), key, lambda: cls._built(tables))

    @classmethod
    def _built(cls, tables: tuple[ClockTable, ...]) -> Settings:
        shape = tuple(len(table.available_mhz) for table in tables)
        count = math.prod(shape)
        places = np.unravel_index(np.arange(count), shape) if tables else ()
        place = {table.domain: index for table, index in zip(tables, places, strict=True)}
        available = {table.domain: table.available_mhz for table in tables}
        mhz = {name: np.asarray(available[name], dtype=float)[index] for name, index in place.items()}
        return cls(count, mhz, place, available, {})

    def seen_by(self, domains: frozenset[str]) -> LocalSettings:
        """The settings that differ in `domains`."""
        names = tuple(name for name in self.place if name in domains)
        known = self.local.get(names)
        if known is None:
            known = self.local[names] = self._seen_by(names)
        return known

    def _seen_by(self, names: tuple[str, ...]) -> LocalSettings:
        tables = tuple([(name, self.available_mhz[name]) for name in names])
        index = np.zeros(self.count, dtype=np.intp)
        for name, available in tables:
            index = index * len(available) + self.place[name]
        count = math.prod(len(available) for _, available in tables)
        return LocalSettings(count, _LOCAL_MHZ.get((), tables, lambda: _local_mhz(tables)), index)

    def index_of(self, clocks: Sequence[float]) -> int | None:
        """The setting with these clocks [MHz], one per table; None where there is none."""
        index = 0
        for available, wanted in zip(self.available_mhz.values(), clocks, strict=True):
            place = available.index(wanted) if wanted in available else _closest(available, wanted)
            if place is None:
                return None
            index = index * len(available) + place
        return index


@dataclass(frozen=True)
class LocalSettings:
    """The combinations of some domains only: `mhz[domain]` has shape (local settings,)."""

    count: int
    mhz: dict[str, FloatArray]
    """The same object for the same tables of these domains, whatever the others are."""
    index: IndexArray
    """Local setting of each setting, shape (settings,)."""


_SETTINGS: Remembered[Settings] = Remembered(64)
_LOCAL_MHZ: Remembered[dict[str, FloatArray]] = Remembered(256)


def _local_mhz(tables: tuple[tuple[str, tuple[float, ...]], ...]) -> dict[str, FloatArray]:
    """The clocks of every combination, by domain."""
    rows = np.array(list(itertools.product(*(available for _, available in tables))), dtype=float)
    return {name: rows[:, index] for index, (name, _) in enumerate(tables)}


def _closest(available_mhz: Sequence[float], wanted_mhz: float) -> int | None:
    """Where a table has a clock, as drivers round it; None where it has not."""
    slack_mhz = SAME * abs(wanted_mhz)
    return next((i for i, mhz in enumerate(available_mhz) if abs(mhz - wanted_mhz) <= slack_mhz), None)


def clocks_of(problem: ArbiterInput, mhz: Mapping[str, FloatArray]) -> dict[str, FloatArray | float]:
    """All clocks known, chosen or not."""
    return {**problem.other_clocks, **mhz}
