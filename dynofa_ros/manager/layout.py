"""Where the figures of every operating point at every clock lie: what does not change between decisions.

A point's figures depend on few clock domains (its own, its memory's, those that feed its element), so
each is evaluated at the settings of these domains only. An *entry* is one point at one such local
setting. Entries are numbered through: application, group of points that see the same domains, local
setting, point. The entries of one group at one local setting are a *segment*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.power_model import FloatArray, element_share
from dynofa_ros.manager.problem import ArbiterInput
from dynofa_ros.manager.remembered import Remembered
from dynofa_ros.manager.settings import IndexArray, LocalSettings, Settings, clocks_of


@dataclass(frozen=True)
class Layout:
    """Figures per entry, segment, point and setting, and how to find one from the other."""

    settings: Settings
    elements: tuple[str, ...]
    domains: tuple[str, ...]
    # per entry
    time_ms: FloatArray
    """Inference time without slow-down."""
    share: FloatArray
    """Share of the element that is occupied meanwhile."""
    active_w: FloatArray
    """Power that it adds meanwhile; the share itself without a power model."""
    point: IndexArray
    element: IndexArray
    uses_element: FloatArray
    """1 where an entry is on an element, shape (elements, entries)."""
    code: IndexArray
    """application * len(elements) + element."""
    domain: IndexArray
    """The point's own clock domain, len(domains) where it is not chosen."""
    mhz: FloatArray
    """Clock of that domain, infinite where it is not chosen."""
    segment: IndexArray
    by_time: IndexArray
    """Entries in the order: segment, element and share, time."""
    run: IndexArray
    """Number of the run of equal segment, element and share, of each in `by_time`."""
    entry_merit: FloatArray
    entry_accuracy: FloatArray
    """0 where it is not known."""
    # per segment
    start: IndexArray
    segment_app: IndexArray
    # per (application, group, setting)
    segment_of: IndexArray
    # per point, numbered through all applications
    app_of: IndexArray
    merit: FloatArray
    base: IndexArray
    stride: IndexArray
    local: IndexArray
    """Row of `local_index`."""
    first_point: tuple[int, ...]
    """Of each application, and behind the last."""
    only_element: tuple[int, ...]
    """Of each application whose points all use one element; -1 for others."""
    # per setting
    local_index: IndexArray
    """Local setting of each setting, one row for each distinct set of domains."""
    idle_w: FloatArray
    element_w: dict[str, FloatArray]
    """Power that each element adds when wholly busy."""

    @classmethod
    def of(cls, problem: ArbiterInput) -> Layout:
        """The layout of this problem; kept while points, power model, clocks and cores stay the same."""
        objects = [app.points for app in problem.applications]
        key = (
            tuple((table.domain, table.available_mhz, table.full_mhz) for table in problem.clocks),
            tuple((element.name, element.cores) for element in problem.elements),
            tuple(problem.other_clocks.items()),
        )
        return _LAYOUTS.get([*objects, problem.power], key, lambda: _Builder(problem).build())

    def entries(self, points: IndexArray, settings: IndexArray) -> IndexArray:
        """Entries of points (numbered through) at settings, arrays that broadcast."""
        found: IndexArray = (
            self.base[points] + self.stride[points] * self.local_index[self.local[points], settings]
        )
        return found


_LAYOUTS: Remembered[Layout] = Remembered(64)


class _Builder:
    """Lays out one group after the other."""

    def __init__(self, problem: ArbiterInput) -> None:
        self.problem = problem
        self.settings = Settings.of(problem.clocks)
        points = [point for app in problem.applications for point in app.points]
        self.elements = tuple(dict.fromkeys(point.element for point in points))
        self.domains = tuple(table.domain for table in problem.clocks)
        self.full_mhz = {table.domain: table.full_mhz for table in problem.clocks}
        self.cores = {element.name: element.cores for element in problem.elements}
        power = problem.power
        self.stalling = {e.element: power for e in power.elements if e.stalled_share != 1.0} if power else {}
        self.columns: dict[str, list[FloatArray | IndexArray]] = {}
        self.starts: list[IndexArray] = []
        self.locals: dict[tuple[str, ...], int] = {}
        self.seen: list[LocalSettings] = []
        self.base = np.zeros(len(points), dtype=np.intp)
        self.stride = np.zeros(len(points), dtype=np.intp)
        self.local = np.zeros(len(points), dtype=np.intp)
        self.entries = self.segments = 0

    def build(self) -> Layout:
        """Evaluate everything."""
        apps = self.problem.applications
        first = [0]
        segment_of = []
        for number, app in enumerate(apps):
            segment_of.append(self._application(number, first[-1], app.points))
            first.append(first[-1] + len(app.points))
        groups = max((len(rows) for rows in segment_of), default=1)
        padded = [[*rows, *[rows[0]] * (groups - len(rows))] for rows in segment_of]
        columns = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        app_of_entry = np.asarray(columns.pop("app"), dtype=np.intp)
        start = np.concatenate(self.starts)
        segment = np.repeat(np.arange(len(start)), np.diff(np.append(start, self.entries)))
        by_time = np.lexsort([columns["time_ms"], columns["share"], columns["element"], segment])
        accuracies = np.nan_to_num(
            np.array([point.accuracy for app in apps for point in app.points]), nan=0.0
        )
        merit = np.array([merit for app in apps for merit in app.merits()])
        return Layout(
            settings=self.settings,
            elements=self.elements,
            domains=self.domains,
            uses_element=(columns["element"] == np.arange(len(self.elements))[:, None]).astype(float),
            segment=segment,
            by_time=by_time,
            entry_merit=merit[columns["point"]],
            entry_accuracy=accuracies[columns["point"]],
            run=_runs(segment[by_time], columns["element"][by_time], columns["share"][by_time]),
            start=start,
            segment_app=app_of_entry[start],
            segment_of=np.array(padded, dtype=np.intp),
            app_of=np.repeat(np.arange(len(apps)), [len(app.points) for app in apps]),
            merit=merit,
            base=self.base,
            stride=self.stride,
            local=self.local,
            first_point=tuple(first),
            only_element=tuple(self._only_element(app.points) for app in apps),
            local_index=np.stack([seen.index for seen in self.seen]),
            idle_w=self._idle_w(),
            element_w={
                element: self._element_w(element, self.settings.mhz, self.settings.count)
                for element in self._powered()
            },
            **columns,  # type: ignore[arg-type]
        )

    def _application(self, number: int, first: int, points: Sequence[OperatingPoint]) -> list[IndexArray]:
        """Lay out the groups of one application; returns the segments of each at every setting."""
        groups: dict[frozenset[str], list[int]] = {}
        for index, point in enumerate(points):
            groups.setdefault(self._domains(point), []).append(index)
        rows = []
        for domains, members in groups.items():
            seen = self.settings.seen_by(domains)
            rows.append(self.segments + seen.index)
            self._group(number, first, points, members, seen)
        return rows

    def _group(
        self,
        number: int,
        first: int,
        points: Sequence[OperatingPoint],
        members: list[int],
        seen: LocalSettings,
    ) -> None:
        width = len(members)
        shape = (seen.count, width)
        chosen = [points[index] for index in members]
        shares = np.array([element_share(point, self.cores.get(point.element, 0)) for point in chosen])
        names = {point.element for point in chosen}
        element_w = {name: self._element_w(name, seen.mhz, seen.count) for name in names}
        watts = np.stack([element_w[point.element] for point in chosen], axis=1)
        elements = np.array([self.elements.index(point.element) for point in chosen], dtype=np.intp)
        domains = np.array([self._domain(point) for point in chosen], dtype=np.intp)
        per_point = {
            "share": shares,
            "point": first + np.array(members, dtype=np.intp),
            "element": elements,
            "code": number * len(self.elements) + elements,
            "domain": domains,
            "app": np.full(width, number, dtype=np.intp),
        }
        full = {
            "time_ms": np.stack([self._times(point, seen) for point in chosen], axis=1),
            "active_w": shares * watts * np.stack([self._loaded(point, seen) for point in chosen], axis=1),
            "mhz": np.stack([self._own_mhz(point, seen) for point in chosen], axis=1),
            **{name: np.broadcast_to(values, shape) for name, values in per_point.items()},
        }
        for name, values in full.items():
            self.columns.setdefault(name, []).append(values.ravel())
        at = first + np.array(members)
        self.base[at] = self.entries + np.arange(width)
        self.stride[at] = width
        self.local[at] = self._row(seen)
        self.starts.append(self.entries + width * np.arange(seen.count))
        self.entries += seen.count * width
        self.segments += seen.count

    def _row(self, seen: LocalSettings) -> int:
        names = tuple(seen.mhz)
        if names not in self.locals:
            self.locals[names] = len(self.seen)
            self.seen.append(seen)
        return self.locals[names]

    def _domains(self, point: OperatingPoint) -> frozenset[str]:
        power = self.problem.power
        feeding = [e.domain for e in power.elements if e.element == point.element] if power else []
        return frozenset([*point.domains, *feeding])

    def _domain(self, point: OperatingPoint) -> int:
        return (
            self.domains.index(point.clock_domain)
            if point.clock_domain in self.domains
            else len(self.domains)
        )

    def _own_mhz(self, point: OperatingPoint, seen: LocalSettings) -> FloatArray:
        return seen.mhz.get(point.clock_domain, np.full(seen.count, math.inf))

    def _times(self, point: OperatingPoint, seen: LocalSettings) -> FloatArray:
        full_mhz = self.full_mhz.get(point.clock_domain, math.nan)
        times = point.times_ms(clocks_of(self.problem, seen.mhz), full_mhz)
        return np.broadcast_to(times, (seen.count,))

    def _loaded(self, point: OperatingPoint, seen: LocalSettings) -> FloatArray:
        """Mean share of the active power while an inference runs."""
        if point.element not in self.stalling:
            return np.ones(seen.count)
        full_mhz = self.full_mhz.get(point.clock_domain, math.nan)
        loaded_ms = self.stalling[point.element].loaded_ms(point, clocks_of(self.problem, seen.mhz), full_mhz)
        return np.asarray(loaded_ms / self._times(point, seen))

    def _element_w(self, element: str, mhz: dict[str, FloatArray], count: int) -> FloatArray:
        if self.problem.power is None:
            return np.ones(count)
        watts = self.problem.power.active_w(element, clocks_of(self.problem, mhz))
        return np.broadcast_to(watts, (count,))

    def _only_element(self, points: Sequence[OperatingPoint]) -> int:
        names = {point.element for point in points}
        return self.elements.index(names.pop()) if len(names) == 1 else -1

    def _powered(self) -> list[str]:
        return [element.name for element in self.problem.elements] if self.problem.power else []

    def _idle_w(self) -> FloatArray:
        if self.problem.power is None:
            return np.zeros(self.settings.count)
        idle_w = self.problem.power.idle_w(clocks_of(self.problem, self.settings.mhz))
        return np.array(np.broadcast_to(idle_w, (self.settings.count,)))


def _runs(*keys: npt.NDArray[np.number[Any]]) -> IndexArray:
    """Number of the run of equal keys that each element is in."""
    new = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(new)])
