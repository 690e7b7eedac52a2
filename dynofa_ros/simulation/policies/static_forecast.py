"""What a fixed assignment would come to, reckoned, not simulated: it ranks candidates for `static_best`.

With the true time T and active power P of a point at a clock, frame factor x and transport d of every frame:

    latency = d + wait + x T        wait: what the frame before leaves over, and, with probability U,
                                    half an inference of the others on that element; U: their busy share
    energy  = sum over frames of x T P + idle power of the clocks * duration

Actuation, heat and dropped frames are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.manager.operating_point import FloatArray, OperatingPoint
from dynofa_ros.manager.qos import Objective
from dynofa_ros.simulation.oracle.conditions import conditions_of
from dynofa_ros.simulation.oracle.problem import PlanElement
from dynofa_ros.simulation.world.noise import FrameStream
from dynofa_ros.simulation.world.truth import Truth

Merit = tuple[float, ...]
"""Less is better, the first number first; see `merit`."""
EQUAL_ACCURACY = 1e-3


@dataclass(frozen=True)
class Assignment:
    """One point per application, and the pinned clocks [MHz]; other domains are their governors'."""

    points: Mapping[str, OperatingPoint]
    pins: Mapping[str, float]


@dataclass
class Tally:
    """How one application fared, counted over its released frames."""

    released: int
    missed: float
    allowed: float
    """Misses that its percentile allows."""
    below_floor: float
    lost_accuracy: float
    """Sum over the frames whose objective is the accuracy; a miss loses all of it."""


def merit(tallies: Sequence[Tally], over_budget_s: float, energy_j: float) -> Merit:
    """In order: seconds above a power budget, misses beyond the percentiles, frames below the floor,
    accuracy lost (0.1 point is no difference), energy [J].
    """
    released = max(sum(tally.released for tally in tallies), 1)
    excess = sum(max(tally.missed - tally.allowed, 0.0) for tally in tallies)
    lost = sum(tally.lost_accuracy for tally in tallies) / released
    below = sum(tally.below_floor for tally in tallies)
    return (over_budget_s, round(excess, 6), round(below), round(lost / EQUAL_ACCURACY), energy_j)


@dataclass(frozen=True)
class Frames:
    """All frames of an application, over all its stays. Arrays of shape (frames,)."""

    streams: tuple[FrameStream, ...]
    arrival_s: FloatArray
    overhead_ms: FloatArray
    target_ms: FloatArray
    factor: FloatArray
    floor: FloatArray
    wants_accuracy: FloatArray
    """1 where accuracy is the objective, else 0."""
    allowed: float

    @staticmethod
    def of(streams: tuple[FrameStream, ...]) -> Frames:
        """From the streams of one application."""
        targets = [s.episode.target_at(t) for s in streams for t in s.release_s.tolist()]

        def joined(name: str) -> FloatArray:
            return np.concatenate([getattr(stream, name) for stream in streams])

        return Frames(
            streams=streams,
            arrival_s=joined("release_s") + joined("overhead_ms") / 1e3,
            overhead_ms=joined("overhead_ms"),
            target_ms=joined("target_ms"),
            factor=joined("factor"),
            floor=np.nan_to_num(np.array([t.min_accuracy for t in targets], dtype=float)),
            wants_accuracy=np.array([t.objective == Objective.MAX_ACCURACY for t in targets], dtype=float),
            allowed=sum(1.0 - t.percentile for t in targets),
        )

    def tally(self, on_time: FloatArray, accuracy: FloatArray | float) -> Tally:
        """From the share of each frame that is on time, and the accuracy of its result."""
        below = on_time * (np.asarray(accuracy) < self.floor)
        return Tally(
            released=len(on_time),
            missed=float(np.sum(1.0 - on_time)),
            allowed=self.allowed,
            below_floor=float(np.sum(below)),
            lost_accuracy=float(np.sum(self.wants_accuracy * (1.0 - on_time * accuracy))),
        )


@dataclass(frozen=True)
class _Solo:
    """One application with one point at one clock, alone on its element."""

    point: OperatingPoint
    slack_ms: FloatArray
    """Target less latency, per frame."""
    busy: float
    """Busy share of the element over the run."""
    mean_ms: float
    energy_j: FloatArray
    """Per interval of conditions."""


@dataclass
class Forecast:
    """The tables of a run; `merit_of` looks an assignment up in them."""

    truth: Truth
    frames: dict[str, Frames] = field(init=False)
    clocks: dict[str, tuple[float, ...]] = field(init=False)
    """Clock table of each domain that can be set and that some point computes on [MHz]."""

    def __post_init__(self) -> None:
        truth = self.truth
        streams = truth.noise.streams
        self.frames = {
            name: Frames.of(of_name) for name, of_name in streams.items() if any(map(len, of_name))
        }
        self._elements = tuple(_elements(truth))
        points = [truth.points[name] for name in self.frames]
        self._conditions = conditions_of(truth, self._elements, points)
        ends = [c.until_s for c in self._conditions[:-1]] + [truth.scenario.duration_s]
        self._durations_s = np.diff(np.array([0.0, *ends]))
        self._solos: dict[tuple[str, OperatingPoint, float], _Solo] = {}
        writable = {d.name for d in truth.spec.domains if d.writable}
        self.clocks = {e.domain: e.mhz for e in self._elements if e.domain in writable}
        self._base_w = np.array([c.base_w for c in self._conditions])
        self._budget_w = np.array([c.budget_w for c in self._conditions])

    def merit_of(self, points: Mapping[str, OperatingPoint], clocks: Mapping[str, float]) -> Merit:
        """Merit of running these points with these clocks pinned; `clocks` names every domain of `clocks`."""
        solos = {name: self._solo(name, point, clocks) for name, point in points.items()}
        energy_j = np.sum([solo.energy_j for solo in solos.values()], axis=0)
        power_w = self._base_w + self._idle_w(clocks, points) + energy_j / np.maximum(self._durations_s, 1e-9)
        over_s = float(np.sum(self._durations_s[power_w > self._budget_w]))
        tallies = [self._tally(name, solo, solos) for name, solo in solos.items()]
        return merit(tallies, over_s, float(power_w @ self._durations_s))

    def _tally(self, name: str, solo: _Solo, solos: Mapping[str, _Solo]) -> Tally:
        frames = self.frames[name]
        others = [s for key, s in solos.items() if key != name and self._collide(solo.point, s.point)]
        busy = min(sum(other.busy for other in others), 1.0)
        on_time = (solo.slack_ms >= 0.0).astype(float)
        if busy > 0.0:
            wait_ms = sum(other.busy * other.mean_ms for other in others) / busy / 2.0
            on_time = (1.0 - busy) * on_time + busy * (solo.slack_ms >= wait_ms)
        return frames.tally(on_time, solo.point.accuracy)

    def _collide(self, one: OperatingPoint, other: OperatingPoint) -> bool:
        """Whether both points cannot run at once."""
        if one.element != other.element:
            return False
        cores = next(e.cores for e in self.truth.spec.power.elements if e.element == one.element)
        return not 0 < one.threads + other.threads <= cores

    def _idle_w(self, clocks: Mapping[str, float], points: Mapping[str, OperatingPoint]) -> FloatArray:
        """Per interval; domains that nothing computes on count as lowest."""
        used = {point.clock_domain for point in points.values()}
        total = np.zeros(len(self._conditions))
        for row, element in enumerate(self._elements):
            if element.domain in used and element.domain in clocks:
                column = element.mhz.index(clocks[element.domain])
                total += np.array([c.idle_w[row, column] for c in self._conditions])
        return total

    def _solo(self, name: str, point: OperatingPoint, clocks: Mapping[str, float]) -> _Solo:
        mhz = clocks.get(point.clock_domain, 0.0)
        key = (name, point, mhz)
        if key not in self._solos:
            self._solos[key] = self._reckon(name, point, mhz)
        return self._solos[key]

    def _reckon(self, name: str, point: OperatingPoint, mhz: float) -> _Solo:
        frames = self.frames[name]
        element = next(e for e in self._elements if e.name == point.element)
        column = element.mhz.index(mhz) if mhz in element.mhz else 0
        number, row = list(self.frames).index(name), self.truth.points[name].index(point)

        def over_time(values: Sequence[float]) -> FloatArray:
            return np.asarray(values, dtype=float)[interval]

        interval = np.searchsorted([c.until_s for c in self._conditions], frames.arrival_s, side="right")
        times_ms = 1e3 * frames.factor * over_time([c.time_s[number][row, column] for c in self._conditions])
        powers_w = over_time([c.power_w[number][row, column] for c in self._conditions])
        left_ms = times_ms[:-1] - 1e3 * np.diff(frames.arrival_s)
        wait_ms = np.concatenate(([0.0], np.maximum(left_ms, 0.0)))[: len(times_ms)]
        energy_j = np.zeros(len(self._conditions))
        np.add.at(energy_j, interval, times_ms * powers_w / 1e3)
        return _Solo(
            point=point,
            slack_ms=frames.target_ms - frames.overhead_ms - wait_ms - times_ms,
            busy=float(np.sum(times_ms)) / 1e3 / self.truth.scenario.duration_s,
            mean_ms=float(np.mean(times_ms)),
            energy_j=energy_j,
        )


def _elements(truth: Truth) -> list[PlanElement]:
    board = truth.board()
    found = []
    for element in truth.spec.power.elements:
        domain = next(d for d in truth.spec.domains if d.name == element.domain)
        table = domain.available_mhz if domain.writable else (board.mhz(domain.name),)
        found.append(PlanElement(element.element, domain.name, table, ()))
    return found
