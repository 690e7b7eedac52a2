"""An application's operating points as arrays, and their figures at many clocks at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.manager.arbiter.problem import ArbiterApplication
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.models.power_model import BoardPowerModel, FloatArray
from dynofa_ros.manager.operating_point import ABOVE, OperatingPoint

IndexArray = npt.NDArray[np.intp]
Clocks = Mapping[str, "FloatArray | float"]


@dataclass(frozen=True)
class Alike:
    """Points on one element that depend on the same clocks in the same way; arrays have shape (points,)."""

    at: IndexArray
    """Indices within the application."""
    element: str
    clock_domain: str
    memory_domain: str
    threads: FloatArray
    latency_ms: FloatArray
    clocked_fraction: FloatArray
    reference_mhz: FloatArray
    memory_mhz: tuple[float, ...]
    clocked_ms: FloatArray
    """This and the next two: shape (memory clocks, points)."""
    fixed_ms: FloatArray
    floor_ms: FloatArray

    @classmethod
    def of(cls, points: Sequence[OperatingPoint], at: Sequence[int]) -> Alike:
        """Of the points at these indices."""
        chosen = [points[index] for index in at]
        first = chosen[0]
        numbers = [(p.threads, p.latency_ms, p.clocked_fraction, p.reference_mhz) for p in chosen]
        threads, latency_ms, clocked_fraction, reference_mhz = np.array(numbers, dtype=float).T
        rows = (len(first.memory_mhz), len(chosen))
        return cls(
            at=np.array(at, dtype=np.intp),
            element=first.element,
            clock_domain=first.clock_domain,
            memory_domain=first.memory_domain,
            threads=threads,
            latency_ms=latency_ms,
            clocked_fraction=clocked_fraction,
            reference_mhz=reference_mhz,
            memory_mhz=first.memory_mhz,
            clocked_ms=np.array([p.clocked_ms for p in chosen]).T.reshape(rows),
            fixed_ms=np.array([p.fixed_ms for p in chosen]).T.reshape(rows),
            floor_ms=np.array([p.floor_ms for p in chosen]).T.reshape(rows),
        )

    def shares(self, cores: int) -> FloatArray:
        """Share of the element that an inference occupies: `element_share`."""
        if cores <= 0:
            return np.ones(len(self.at))
        return np.where(self.threads > 0, np.minimum(1.0, self.threads / cores), 1.0)

    def times_ms(self, clocks: Clocks, full_mhz: float = math.nan) -> tuple[FloatArray, FloatArray]:
        """Inference time and its clocked part at most: the equations of `OperatingPoint`.

        `clocks` are numbers or have shape (clocks,), the results (clocks or 1, points). `full_mhz` stands in
        for a reference clock that is not known.
        """
        ratio = self._ratio(np.asarray(clocks.get(self.clock_domain, math.nan), dtype=float), full_mhz)
        if self.memory_mhz:
            row = self._row(np.asarray(clocks.get(self.memory_domain, math.nan), dtype=float))
            clocked = self.clocked_ms[row] * ratio
            times = np.maximum(clocked + self.fixed_ms[row], self.floor_ms[row])
        else:
            clocked = self.latency_ms * self.clocked_fraction * ratio
            times = self.latency_ms * (self.clocked_fraction * ratio + 1.0 - self.clocked_fraction)
        return times, np.minimum(clocked, times)

    def _ratio(self, f_mhz: FloatArray, full_mhz: float) -> FloatArray:
        """Reference clock over clock, 1 where either is not known."""
        reference_mhz = np.where(_known(self.reference_mhz), self.reference_mhz, full_mhz)
        known = _known(f_mhz)
        ratio = reference_mhz / np.where(known, f_mhz, 1.0)[..., None]
        return np.where(known[..., None] & _known(reference_mhz), ratio, 1.0)

    def _row(self, memory_mhz: FloatArray) -> IndexArray:
        """Row of the memory table, the highest where the memory's clock is not known."""
        known_mhz = np.where(memory_mhz > 0.0, memory_mhz, math.inf)
        return np.maximum(np.searchsorted(self.memory_mhz, known_mhz * ABOVE, side="right") - 1, 0)


@dataclass(frozen=True)
class Group:
    """Points whose figures depend on the same clock domains."""

    domains: frozenset[str]
    at: IndexArray
    """Indices within the application."""
    parts: tuple[tuple[IndexArray | slice, Alike], ...]
    """Points that are alike, and their places in `at`."""


@dataclass(frozen=True)
class PointTable:
    """What follows from an application's points alone."""

    groups: tuple[Group, ...]
    elements: tuple[str, ...]
    """In the order of the points."""
    merit: FloatArray
    accuracy: FloatArray
    """0 where it is not known."""

    @lazy
    def domains(self) -> frozenset[str]:
        """Clock domains that anything depends on."""
        return frozenset().union(*[group.domains for group in self.groups])

    @classmethod
    def of(cls, app: ArbiterApplication, power: BoardPowerModel | None) -> PointTable:
        """Kept from call to call."""
        feeding = power.elements if power else None
        return _TABLES.get([app.points, feeding], (), lambda: cls._built(app, power))

    @classmethod
    def _built(cls, app: ArbiterApplication, power: BoardPowerModel | None) -> PointTable:
        feeding = {element.element: (element.domain,) for element in power.elements} if power else {}
        alike: dict[tuple[object, ...], list[int]] = {}
        for index, p in enumerate(app.points):
            kind = (p.element, p.clock_domain, p.memory_domain, p.memory_mhz)
            alike.setdefault(kind, []).append(index)
        groups: dict[frozenset[str], list[list[int]]] = {}
        for at in alike.values():
            p = app.points[at[0]]
            groups.setdefault(frozenset((*p.domains, *feeding.get(p.element, ()))), []).append(at)
        accuracies = np.array([point.accuracy for point in app.points])
        return cls(
            tuple(_group(app.points, domains, kinds) for domains, kinds in groups.items()),
            tuple(dict.fromkeys(point.element for point in app.points)),
            np.array(app.merits()),
            np.where(np.isnan(accuracies), 0.0, accuracies),
        )


def _group(
    points: Sequence[OperatingPoint], domains: frozenset[str], kinds: Iterable[Sequence[int]]
) -> Group:
    members = [Alike.of(points, at) for at in kinds]
    if len(members) == 1:
        return Group(domains, members[0].at, ((slice(None), members[0]),))
    at = np.sort(np.concatenate([alike.at for alike in members]))
    return Group(domains, at, tuple((np.searchsorted(at, alike.at), alike) for alike in members))


def _known(mhz: FloatArray) -> npt.NDArray[np.bool_]:
    return (mhz > 0.0) & (mhz < math.inf)


_TABLES: Remembered[PointTable] = Remembered(64)
