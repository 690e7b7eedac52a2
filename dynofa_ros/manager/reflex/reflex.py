"""The reflex: per frame, inside perception, the operating point that still fits the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey
from dynofa_ros.manager.qos import DEFAULT_PERCENTILE
from dynofa_ros.manager.reflex.accuracy_floor import AccuracyFloor
from dynofa_ros.manager.reflex.expected_times import ExpectedTimes
from dynofa_ros.manager.reflex.frame_latency import FrameLatency
from dynofa_ros.manager.reflex.ladder import Ladder
from dynofa_ros.manager.reflex.ladders import Ladders
from dynofa_ros.manager.reflex.lease import Lease, check_numbers
from dynofa_ros.manager.reflex.move import Move, full_name
from dynofa_ros.manager.reflex.pace import Pace
from dynofa_ros.manager.reflex.slowdown import SlowdownEstimator
from dynofa_ros.manager.reflex.strain import Strain

KNOWN_FRAMES = 32
"""Frames after which it is known that nothing waits for other applications."""


@dataclass(frozen=True)
class ReflexConfig:
    """Parameters of the reflex."""

    dwell_s: float = 1.0
    """Least time between two upward moves [s]."""
    calm_s: float = 0.25
    """Least time between a downward and an upward move: after a burst of slow frames it returns [s]."""
    margin: float = 0.01
    """An upward move must leave this share of the target free; less than the manager's margin [1]."""
    default_latency_ms: float = math.nan
    """Target while no decision was ever received [ms]; NaN: keep up with the camera."""
    keep_up: float = 0.9
    """Largest busy share of the period where there is no target [1]."""
    window: int = 128
    """Frames remembered by the estimators."""


class Reflex:
    """Chooses the operating point of the next frame. Not thread safe: call it under a lock.

    A point is a sub-network on a placement; what it will need is predicted by `FrameLatency`. Downward at
    once, but not below the accuracy floor while that holds (`AccuracyFloor`). Upward only with a margin, a
    minimum dwell after the last upward move and a short calm after a downward one (`Pace`). It moves only
    along the alternatives of the last valid decision, up to the decided point, so that it never fights the
    arbiter; alone (no decision, or its lease ran out) it uses the front of all resident points (`Ladders`).
    """

    def __init__(self, config: ReflexConfig | None = None) -> None:
        self.config = config or ReflexConfig()
        self._points: dict[PointKey, OperatingPoint] = {}
        self._ladders = Ladders(())
        self._allowed = self._ladders.front
        self._lease = Lease(self.config.default_latency_ms, self.config.keep_up)
        self._expected = ExpectedTimes()
        self._latency = FrameLatency(self._expected.ms, self.config.window)
        self.overhead, self.waiting = self._latency.overhead, self._latency.waiting
        self._floor = AccuracyFloor(self.config.window)
        self._pace = Pace(self.config.dwell_s, self.config.calm_s, self.config.margin)
        self._strain = Strain()
        self._move: Move | str = ""
        self._current: OperatingPoint | None = None
        self._chose_s = -math.inf
        self._pin: tuple[OperatingPoint, float] | None = None

    # What it learns

    def set_points(self, points: Sequence[OperatingPoint]) -> None:
        """Resident operating points. Forgets decisions, measurements and the choice.

        Raises:
            RefusedMessage: no points, duplicates or a point that contradicts itself; nothing changes.

        """
        by_key = {point.key: point.validated() for point in points}
        if not points or len(by_key) != len(points):
            raise RefusedMessage(
                "operating points refused: need at least one, each sub-network once per placement"
            )
        self._points = by_key
        self._ladders = Ladders(points)
        self._allowed = self._ladders.front
        self._lease.forget()
        self._expected.set_points(by_key)
        self._latency.set_elements(point.element for point in points)
        self._floor.forget()
        self._pace.forget()
        self._current = self._pin = None

    def on_target(
        self, latency_ms: float, percentile: float = DEFAULT_PERCENTILE, min_accuracy: float = math.nan
    ) -> None:
        """A target as published, which decisions of a manager will take up: it counts until the next one.

        NaN: none. Impossible values are ignored.
        """
        if self._lease.hear(latency_ms, percentile):
            self._floor.set(min_accuracy)

    def on_decision(self, decision: SubnetDecision, now_s: float) -> None:
        """Take a decision for `validity_ms` from now.

        Raises:
            RefusedMessage: it names a sub-network, placement or element that is not resident, or has no
                valid lease; the previous decision and the current point stay.

        """
        check_numbers(decision)
        ladder = self._ladders.decided(decision)
        previous, before = self._lease.last, self._allowed
        self._lease.take(decision, now_s)
        self._floor.set(decision.min_accuracy)
        self._latency.expect({a.element: a.slowdown_tail for a in decision.alternatives})
        self._allowed = ladder
        if previous is None:
            self._pace.free()
        relaxed = previous is None or not decision.target_latency_ms <= previous.target_latency_ms
        self._pace.follow(now_s, self._current, before.top, ladder.top, relaxed)

    def set_clock(
        self, domain: str, mhz: float, full_mhz: float = math.nan, *, settable: bool = True
    ) -> None:
        """Clock now in force in `domain` [MHz]; `full_mhz` where points do not know their reference.

        Call it with every reading: the clock changed some time since the last one, so the frames since then,
        and one that runs now, say nothing about the slow-down. Where nobody can set it (`settable`), its
        governor moves it all the time, and all frames count.
        """
        misjudged = self._expected.read(domain, mhz, full_mhz, settable)
        if misjudged:
            self._latency.take_back(misjudged)

    def announce_clock(self, domain: str, mhz: float) -> None:
        """A clock that a manager has just asked for in `domain` [MHz], in force before the next reading.

        The frames so far stay valid, but for one that runs now. Readings that tell otherwise count, except
        the next one where it is still that of before.
        """
        self._expected.announce(domain, mhz)

    def set_period(self, period_ms: float) -> None:
        """Mean time between received frames [ms]; NaN or <= 0: not known."""
        self._lease.set_period(period_ms)

    def update(
        self,
        key: PointKey,
        inference_ms: float,
        overhead_ms: float,
        queued_ms: float = 0.0,
        waited_ms: float = 0.0,
    ) -> None:
        """Take the measurement of one frame; unknown points and absurd values are ignored (and counted).

        `waited_ms` is the part of the overhead in which other applications kept its element from it, known
        only where something queues for elements: told apart, since the arbiter predicts it. `queued_ms` is
        the part in which it waited for the application's frame before: after a surprisingly slow frame it
        does not count, since with a sub-network that fits nothing would have waited.
        """
        point, straddles = self._points.get(key), self._expected.end_frame()
        if point is None:
            return
        lease, latency = self._lease, self._latency
        percentile = lease.percentile
        self._floor.judge(inference_ms + overhead_ms > lease.latency_ms)
        latency.take_overhead(overhead_ms, queued_ms, waited_ms, percentile)
        if straddles:
            return
        if latency.take_inference(point, inference_ms, queued_ms, percentile):
            self._expected.count_frame(point)
        if point is self._current:
            limit_ms, usual = lease.limit_ms(self._chose_s), latency.usual_tail(point.element, percentile)
            need_ms = self._fixed_ms() + usual * self._expected.ms[key]
            self._strain.after_frame(need_ms - limit_ms, limit_ms, usual)

    def pin(self, subnet: str, until_s: float, placement: str = "") -> None:
        """Hold a sub-network until `until_s`, whatever is measured. RefusedMessage: not resident."""
        self._pin = (self._ladders.resident(subnet, placement), until_s)

    def unpin(self) -> None:
        """Return to choosing."""
        self._pin = None

    # What it knows

    @property
    def calls(self) -> int:
        """How often it called for the manager: a rising count is worth telling it at once."""
        return self._strain.calls

    @property
    def current(self) -> OperatingPoint | None:
        """The last choice; None before the first."""
        return self._current

    @property
    def slowdown(self) -> SlowdownEstimator:
        """Slow-down of the element of the last choice; before any, of the element of the fastest point."""
        point = self._current or min(self._points.values(), key=lambda p: p.latency_ms)
        return self._latency.slowdowns[point.element]

    @property
    def percentile(self) -> float:
        """Percentile of the last target known, 0.95 before any."""
        return self._lease.percentile

    def decision(self, now_s: float) -> SubnetDecision | None:
        """The decision whose lease runs, or None."""
        return self._lease.last if now_s <= self._lease.until_s else None

    def target_latency_ms(self, now_s: float) -> float:
        """Target in force [ms]: of the last decision, lease or not, or what was heard since; NaN: none."""
        del now_s
        return self._lease.latency_ms

    def expected_ms(self, key: PointKey) -> float:
        """Profiled inference time at the clocks known [ms]; NaN for an unknown point."""
        return self._expected.ms[key] if key in self._points else math.nan

    def clock(self, domain: str) -> tuple[float, float]:
        """Clock that it believes in force in a domain and the highest one [MHz]; NaN where none was told."""
        return self._expected.clock(domain)

    def waiting_tail(self) -> float:
        """Waiting behind other applications at the percentile [ms]; NaN until enough frames were measured."""
        if len(self.slowdown) < KNOWN_FRAMES:
            return math.nan
        return self.waiting.tail(self.percentile) if len(self.waiting) else 0.0

    def predicted_ms(self, key: PointKey) -> float:
        """L_q of a point [ms], see `FrameLatency`; NaN for an unknown one."""
        point, q = self._points.get(key), self._lease.percentile
        return math.nan if point is None else self._latency.fixed_ms(q) + self._latency.inference_ms(point, q)

    @property
    def last_action(self) -> str:
        """What it did last and why, in words; "" before anything."""
        return str(self._move)

    # What it does

    def choose(self, now_s: float, queued_ms: float = 0.0) -> OperatingPoint:
        """The point for the next frame, which has waited `queued_ms` for the one before.

        Where only a smaller point makes up for an unusual wait, that frame alone runs it: no move.
        Needs `set_points` first (ValueError otherwise).
        """
        if not self._points:
            raise ValueError("Reflex.choose before set_points: there is nothing to choose from")
        self._chose_s = now_s
        pinned = self._pinned(now_s)
        point = pinned or self._chosen(now_s)
        if self._current is not None and point is not self._current:
            self._pace.moved_s = now_s
        self._current, self._latency.element = point, point.element
        if queued_ms > 0.0 and pinned is None:
            point = self._excursion(point, now_s, queued_ms)
        self._expected.start_frame(point)
        return point

    def _excursion(self, point: OperatingPoint, now_s: float, queued_ms: float) -> OperatingPoint:
        """The highest point up to `point` that makes up for the wait; the fastest where none does."""
        target_ms, percentile = self._lease.latency_ms, self._lease.percentile
        ladder = self._ladder(now_s)
        rank = ladder.ranks.get(point.key)
        if rank is None or math.isnan(target_ms) or not len(self.overhead):
            return point
        spent_ms = queued_ms + self.overhead.median() + self.waiting.tail(percentile)
        left_ms = target_ms - max(spent_ms, self._latency.fixed_ms(percentile))
        return ladder.points[min(rank, self._latency.highest(ladder, left_ms, percentile))]

    def _pinned(self, now_s: float) -> OperatingPoint | None:
        if self._pin is None or now_s >= self._pin[1]:
            self._pin = None
            return None
        self._move = f"{full_name(self._pin[0])} pinned by hand"
        return self._pin[0]

    def _chosen(self, now_s: float) -> OperatingPoint:
        ladder, current, percentile = self._ladder(now_s), self._current, self._lease.percentile
        limit_ms, fixed_ms = self._lease.limit_ms(now_s), self._fixed_ms()
        if now_s < self._pace.trusted_until_s and ladder.top is not None and ladder is self._allowed:
            return current if current is ladder.top else self._note("starts with", ladder.top, limit_ms)
        rank = None if current is None else ladder.ranks.get(current.key)
        best = self._latency.keeping_up(
            ladder, self._latency.highest(ladder, limit_ms - fixed_ms, percentile), self._lease.period_ms
        )
        point = ladder.points[best]
        down = rank is not None and best < rank
        usual = self._latency.usual_tail(point.element, percentile)
        need_ms = fixed_ms + usual * self._expected.ms[point.key]
        self._strain.before_frame(need_ms - limit_ms, limit_ms, down)
        if current is None or rank is None:
            return self._note("starts with", point, limit_ms)
        if down:
            return self._note("moves down to", point, limit_ms)
        if best == rank or self._pace.waits(now_s):
            return current
        free_ms = limit_ms * (1.0 - self._pace.margin) - fixed_ms
        best = min(best, self._latency.highest(ladder, free_ms, percentile))
        if best <= rank:
            return current
        self._pace.rose_s = now_s
        return self._note("moves up to", ladder.points[best], limit_ms)

    def _ladder(self, now_s: float) -> Ladder:
        decided = now_s <= self._lease.until_s
        ladder = self._allowed if decided else self._ladders.front
        if self._floor.accuracy > 0.0:
            return self._floor.keep(ladder, self._current, self._lease.percentile, decided)
        return ladder

    def _fixed_ms(self) -> float:
        """What counts beside inference: overhead and waiting, where there is a target [ms]."""
        return self._latency.fixed_ms(self._lease.percentile) if self._lease.aims else 0.0

    def _note(self, verb: str, point: OperatingPoint, limit_ms: float) -> OperatingPoint:
        percentile = self._lease.percentile
        need_ms = self._fixed_ms() + self._latency.inference_ms(point, percentile)
        tail = self._latency.slowdown_tail(point.element, percentile)
        self._move = Move(verb, point, need_ms, limit_ms, tail)
        return point
