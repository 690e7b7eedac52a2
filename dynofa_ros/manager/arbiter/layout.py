"""Where the figures of every operating point at every clock lie: what does not change between decisions.

A point's figures depend on few clock domains (its own, its memory's, those that feed its element), so
each is evaluated at the settings of these domains only. An *entry* is one point at one such local
setting. Entries are numbered through: application, group of points that see the same domains, local
setting, point. The entries of one group at one local setting are a *segment*.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.arbiter.point_table import Alike, Group, PointTable
from dynofa_ros.manager.arbiter.problem import ArbiterInput
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.arbiter.settings import IndexArray, LocalSettings, Settings, clocks_of
from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.models.power_model import FloatArray


@dataclass(frozen=True)
class Layout:
    """Figures per entry, segment, point and setting, and how to find one from the other."""

    settings: Settings
    elements: tuple[str, ...]
    domains: tuple[str, ...]
    # per entry
    time_ms: FloatArray
    """Inference time without slow-down."""
    active_w: FloatArray
    """Power that it adds meanwhile; the share itself without a power model."""
    mhz: FloatArray
    """Clock of the point's domain, infinite where it is not chosen."""
    point: IndexArray
    # per segment
    start: IndexArray
    segment_app: IndexArray
    # per (application, group, setting)
    segment_of: IndexArray
    # per point, numbered through all applications
    app_of: IndexArray
    element_of: IndexArray
    domain_of: IndexArray
    """Its own clock domain, len(domains) where it is not chosen."""
    share_of: FloatArray
    """Share of the element that is occupied during an inference."""
    merit: FloatArray
    accuracy: FloatArray
    """0 where it is not known."""
    base: IndexArray
    stride: IndexArray
    local: IndexArray
    """Row of `local_index`."""
    first_point: tuple[int, ...]
    """Of each application, and behind the last."""
    apps_on: tuple[tuple[int, ...], ...]
    """Applications that have a point there, per element."""
    # per setting
    local_index: IndexArray
    """Local setting of each setting, one row for each distinct set of domains."""

    @classmethod
    def of(cls, problem: ArbiterInput) -> Layout:
        """The layout of this problem; kept while points, active power, clocks and cores stay the same."""
        points = [app.points for app in problem.applications]
        asked = [problem.clocks, problem.elements, problem.other_clocks, problem.power, *points]
        return _ASKED.get(asked, (), lambda: cls._of(problem))

    @classmethod
    def _of(cls, problem: ArbiterInput) -> Layout:
        tables = [PointTable.of(app, problem.power) for app in problem.applications]
        chosen = [table.domain for table in problem.clocks]
        others = sorted({name for table in tables for name in table.domains}.difference(chosen))
        key = (
            tuple([(table.domain, table.available_mhz, table.full_mhz) for table in problem.clocks]),
            tuple([(element.name, element.cores) for element in problem.elements]),
            tuple([(name, problem.other_clocks.get(name)) for name in others]),
        )
        powers = problem.power.elements if problem.power else None
        return _LAYOUTS.get([*tables, powers], key, lambda: _Builder(problem, tables).build())

    def entries(self, points: IndexArray, settings: IndexArray) -> IndexArray:
        """Entries of points (numbered through) at settings, arrays that broadcast."""
        found: IndexArray = (
            self.base[points] + self.stride[points] * self.local_index[self.local[points], settings]
        )
        return found

    def entries_at(self, choices: Sequence[int], setting: int) -> tuple[int, ...]:
        """The entry of one point of each application (numbered within it) at one setting."""
        points = [first + choice for first, choice in zip(self.first_point, choices, strict=False)]
        return tuple(
            int(self.base[point] + self.stride[point] * self.local_index[self.local[point], setting])
            for point in points
        )

    @lazy
    def least_ms(self) -> tuple[tuple[float, ...], ...]:
        """Inference time without slow-down at the fastest clocks: of every point of each application."""
        least = np.full(len(self.app_of), math.inf)
        np.minimum.at(least, self.point, self.time_ms)
        times_ms = tuple(least.tolist())
        return tuple(times_ms[first:end] for first, end in itertools.pairwise(self.first_point))

    @lazy
    def most_merit(self) -> tuple[float, ...]:
        """Largest merit of each application."""
        return tuple(np.maximum.reduceat(self.merit, self.first_point[:-1]).tolist())

    @lazy
    def only_element(self) -> tuple[int, ...]:
        """Of each application whose points all use one element; -1 for others."""
        places = [
            [n for n, there in enumerate(self.apps_on) if a in there] for a in range(len(self.most_merit))
        ]
        return tuple(place[0] if len(place) == 1 else -1 for place in places)

    # per entry, for numpy

    @lazy
    def element(self) -> IndexArray:
        """Element of its point."""
        return np.asarray(self.element_of[self.point])

    @lazy
    def domain(self) -> IndexArray:
        """Clock domain of its point."""
        return np.asarray(self.domain_of[self.point])

    @lazy
    def share(self) -> FloatArray:
        """Share of its element."""
        return np.asarray(self.share_of[self.point])

    @lazy
    def code(self) -> IndexArray:
        """Number of its pair of application and element."""
        return np.asarray(self.app_of[self.point] * len(self.elements) + self.element)

    @lazy
    def uses_element(self) -> FloatArray:
        """1 where an entry is on an element, shape (elements, entries)."""
        numbers = np.arange(len(self.elements))[:, None]
        return np.asarray(self.element == numbers, dtype=float)

    @lazy
    def segment(self) -> IndexArray:
        """Number of the segment."""
        sizes = np.diff(np.append(self.start, len(self.point)))
        return np.repeat(np.arange(len(self.start)), sizes)

    @lazy
    def by_time(self) -> IndexArray:
        """Entries in the order: segment, element and share, time."""
        return np.lexsort([self.time_ms, self.share, self.element, self.segment])

    @lazy
    def run(self) -> IndexArray:
        """Number of the run of equal segment, element and share, of each in `by_time`."""
        order = self.by_time
        return _runs(self.segment[order], self.element[order], self.share[order])

    @lazy
    def entry_merit(self) -> FloatArray:
        """Merit of its point."""
        return np.asarray(self.merit[self.point])

    @lazy
    def entry_accuracy(self) -> FloatArray:
        """Accuracy of its point, 0 where it is not known."""
        return np.asarray(self.accuracy[self.point])


Figures = dict[str, "FloatArray | float"]
_ASKED: Remembered[Layout] = Remembered(8)
_LAYOUTS: Remembered[Layout] = Remembered(64)
_FIGURES: Remembered[Figures] = Remembered(256)


@dataclass(frozen=True)
class _Block:
    """The entries of one group of points: where they begin, and the settings that its domains see."""

    app: int
    group: Group
    seen: LocalSettings
    first_entry: int
    first_segment: int


class _Builder:
    """Lays out one group after the other."""

    def __init__(self, problem: ArbiterInput, tables: Sequence[PointTable]) -> None:
        self.problem, self.tables = problem, tables
        self.settings = Settings.of(problem.clocks)
        self.elements = tuple(dict.fromkeys(name for table in tables for name in table.elements))
        self.domains = tuple(table.domain for table in problem.clocks)
        self.full_mhz = {table.domain: table.full_mhz for table in problem.clocks}
        self.cores = {element.name: element.cores for element in problem.elements}
        powers = problem.power.elements if problem.power else ()
        self.stalled = {power.element: power.stalled_share for power in powers}
        self.element_w: dict[tuple[str, int], FloatArray] = {}
        self.first_point = (0, *itertools.accumulate(len(table.merit) for table in tables))
        self.blocks, self.entries, self.segments = self._blocks()

    def _blocks(self) -> tuple[list[_Block], int, int]:
        blocks, entries, segments = [], 0, 0
        for app, table in enumerate(self.tables):
            for group in table.groups:
                seen = self.settings.seen_by(group.domains)
                blocks.append(_Block(app, group, seen, entries, segments))
                entries += seen.count * len(group.at)
                segments += seen.count
        return blocks, entries, segments

    def build(self) -> Layout:
        """Evaluate everything."""
        seen = {id(block.seen): block.seen for block in self.blocks}
        row = {key: number for number, key in enumerate(seen)}
        points = self.first_point[-1]
        base, stride, local, element, domain = (np.zeros(points, dtype=np.intp) for _ in range(5))
        share = np.zeros(points)
        for block in self.blocks:
            first, width = self.first_point[block.app], len(block.group.at)
            at = first + block.group.at
            base[at], stride[at] = block.first_entry + np.arange(width), width
            local[at] = row[id(block.seen)]
            for _, alike in block.group.parts:
                at = first + alike.at
                element[at], domain[at] = self.elements.index(alike.element), self._domain(alike)
                share[at] = self._shares(alike)
        return Layout(
            settings=self.settings,
            elements=self.elements,
            domains=self.domains,
            start=np.concatenate([_starts(block) for block in self.blocks]),
            segment_app=np.repeat(
                [block.app for block in self.blocks], [block.seen.count for block in self.blocks]
            ),
            segment_of=self._segment_of(),
            app_of=np.repeat(np.arange(len(self.tables)), np.diff(self.first_point)),
            element_of=element,
            domain_of=domain,
            share_of=share,
            merit=np.concatenate([table.merit for table in self.tables]),
            accuracy=np.concatenate([table.accuracy for table in self.tables]),
            base=base,
            stride=stride,
            local=local,
            first_point=self.first_point,
            apps_on=tuple(
                tuple(a for a, table in enumerate(self.tables) if element in table.elements)
                for element in self.elements
            ),
            local_index=np.stack([settings.index for settings in seen.values()]),
            **self._columns(),  # type: ignore[arg-type]
        )

    def _segment_of(self) -> IndexArray:
        """Segments of (application, group, setting); where one has fewer groups its first again."""
        rows: list[list[IndexArray]] = [[] for _ in self.tables]
        for block in self.blocks:
            rows[block.app].append(block.first_segment + block.seen.index)
        groups = max(map(len, rows))
        return np.array([[*row, *[row[0]] * (groups - len(row))] for row in rows], dtype=np.intp)

    def _columns(self) -> dict[str, FloatArray | IndexArray]:
        columns: dict[str, FloatArray | IndexArray] = {
            name: np.empty(self.entries) for name in ("time_ms", "active_w", "mhz")
        }
        columns["point"] = np.empty(self.entries, dtype=np.intp)
        for block in self.blocks:
            shape = (block.seen.count, len(block.group.at))
            entries = slice(block.first_entry, block.first_entry + shape[0] * shape[1])
            own = {name: column[entries].reshape(shape) for name, column in columns.items()}
            own["point"][:] = self.first_point[block.app] + block.group.at
            for places, alike in block.group.parts:
                for name, values in self._figures(alike, block).items():
                    own[name][:, places] = values
        return columns

    def _figures(self, alike: Alike, block: _Block) -> Figures:
        """What broadcasts to shape (local settings, points); kept, since other applications come and go."""
        others = block.group.domains - self.settings.mhz.keys()
        key = (
            self.full_mhz.get(alike.clock_domain),
            self.cores.get(alike.element, 0),
            tuple((name, self.problem.other_clocks.get(name)) for name in sorted(others)),
        )
        objects = [alike, block.seen.mhz, self.problem.power.elements if self.problem.power else None]
        return _FIGURES.get(objects, key, lambda: self._evaluated(alike, block.seen))

    def _evaluated(self, alike: Alike, seen: LocalSettings) -> Figures:
        domain, clocks = alike.clock_domain, clocks_of(self.problem, seen.mhz)
        times, clocked = alike.times_ms(clocks, self.full_mhz.get(domain, math.nan))
        active_w = self._shares(alike) * self._element_w(alike.element, seen)
        stalled = self.stalled.get(alike.element, 1.0)
        if stalled != 1.0:
            active_w = active_w * ((clocked + stalled * (times - clocked)) / times)
        mhz = seen.mhz[domain][:, None] if domain in seen.mhz else math.inf
        return {"time_ms": times, "active_w": active_w, "mhz": mhz}

    def _element_w(self, element: str, seen: LocalSettings) -> FloatArray:
        """Power of the wholly busy element, shape (local settings or 1, 1); 1 without a model."""
        place = (element, id(seen))
        if place not in self.element_w:
            power, clocks = self.problem.power, clocks_of(self.problem, seen.mhz)
            self.element_w[place] = power.active_w(element, clocks)[..., None] if power else np.ones((1, 1))
        return self.element_w[place]

    def _shares(self, alike: Alike) -> FloatArray:
        return alike.shares(self.cores.get(alike.element, 0))

    def _domain(self, alike: Alike) -> int:
        known = alike.clock_domain in self.domains
        return self.domains.index(alike.clock_domain) if known else len(self.domains)


def _starts(block: _Block) -> IndexArray:
    """First entry of each of its segments."""
    width = len(block.group.at)
    return np.asarray(block.first_entry + width * np.arange(block.seen.count))


def _runs(*keys: npt.NDArray[np.number[Any]]) -> IndexArray:
    """Number of the run of equal keys that each element is in."""
    new = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(new)])
