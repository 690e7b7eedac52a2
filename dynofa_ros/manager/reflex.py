"""The reflex: per frame, inside perception, the operating point that still fits the target.

Predicted latency of point p at the target's percentile q, from what was just measured:

    L_q(p) = overhead_q + slowdown_q * latency_ms(p) * stretch(f)

A point is a sub-network on a placement; slow-downs are kept per element, and forgotten after a window of
frames that ran elsewhere. After a slow frame the tail is that of frames that followed slow ones. Downward
at once, but not below the accuracy floor while the percentile allows the late frames. Upward only with a
margin, a minimum dwell after the last upward move and a short calm after a downward one. It moves only along
the alternatives of the last valid decision, up to the decided point, so that it never fights the arbiter;
alone (no decision, or its lease ran out) it uses the front of all resident points: none of them beaten in
both accuracy (of its precision) and latency.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.ladder import Ladder
from dynofa_ros.manager.operating_point import OperatingPoint, PointKey, pareto_front
from dynofa_ros.manager.qos import DEFAULT_PERCENTILE
from dynofa_ros.manager.slowdown import OverheadEstimator, SlowdownEstimator

LADDERS_KEPT = 256
KNOWN_FRAMES = 32
"""Frames after which it is known that nothing waits for other applications."""
TRUST_S = 0.1
"""A decision for another element is followed for so long at least: clocks there are read only after it."""
PATIENCE = 3.0
"""Late frames of a window over what the percentile allows until the accuracy floor gives way, while a manager
decides: it answers what lasts."""
WORSE = 0.1
"""Share of the limit by which a point that does not fit must get slower to be told of again."""
LATE_FRAMES = 10
"""At most so many frames before a changed clock became known are taken back."""


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
    """Chooses the operating point of the next frame. Not thread safe: call it under a lock."""

    def __init__(self, config: ReflexConfig | None = None) -> None:
        self.config = config or ReflexConfig()
        self.overhead = OverheadEstimator(window=self.config.window)
        self.waiting = OverheadEstimator(prior=0.0, window=self.config.window)
        """Overhead that other applications cause, in no other estimate."""
        self.calls = 0
        """Moves down, and points that ceased to fit with nowhere to go: a rising count is worth telling the
        manager at once."""
        self._told = False
        """Whether it called after the last frame."""
        self._chose_s = -math.inf
        self._strain_ms = 0.0
        """What the best point left needed beyond the limit when the manager last heard of it."""
        self._action: _Action | str = ""
        self._slowdowns: dict[str, SlowdownEstimator] = {}
        self._elsewhere: dict[str, int] = {}
        """Frames since an element last ran one."""
        self._points: dict[PointKey, OperatingPoint] = {}
        self._by_subnet: dict[str, list[OperatingPoint]] = {}
        self._front = self._allowed = Ladder(())
        self._ladders: dict[tuple[object, ...], Ladder] = {}
        self._clocks: dict[str, tuple[float, float]] = {}
        self._outdated_mhz: dict[str, float] = {}
        """Clocks that were in force when others were announced, until the next reading [MHz]."""
        self._expected_ms: dict[PointKey, float] = {}
        self._domains: dict[PointKey, tuple[str, ...]] = {}
        self._since_clock: dict[str, dict[str, int]] = {}
        """Per clock domain: frames of each element since its clock was last told."""
        self._running = self._straddles = self._surprised = False
        self._period_ms = math.nan
        self._decision: SubnetDecision | None = None
        self._decision_until_s = -math.inf
        self._percentile = DEFAULT_PERCENTILE
        self._heard_ms: float | None = None
        self._min_accuracy = 0.0
        self._late: deque[bool] = deque(maxlen=self.config.window)
        self._lates = 0
        self._current: OperatingPoint | None = None
        self._moved_s = self._rose_s = self._trusted_until_s = -math.inf
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
        self._by_subnet = {}
        for point in sorted(points, key=lambda point: point.latency_ms):
            self._by_subnet.setdefault(point.subnet, []).append(point)
        self._front = self._allowed = Ladder(pareto_front(list(points)))
        self._lay_out(points)
        self._expected_ms.clear()
        self._expect()
        self._decision, self._decision_until_s, self._pin = None, -math.inf, None
        self._percentile = DEFAULT_PERCENTILE
        self._current, self._moved_s, self._rose_s = None, -math.inf, -math.inf
        self._trusted_until_s = -math.inf
        self._slowdowns = {p.element: SlowdownEstimator(window=self.config.window) for p in points}
        self._domains = {point.key: point.domains for point in points}
        self._elsewhere.clear()
        self._since_clock.clear()
        self._running = self._straddles = self._surprised = False
        self.overhead.reset()
        self.waiting.reset()
        self._late.clear()
        self._lates = 0

    def on_target(
        self, latency_ms: float, percentile: float = DEFAULT_PERCENTILE, min_accuracy: float = math.nan
    ) -> None:
        """A target as published, which decisions of a manager will take up: it counts until the next one.

        So a manager that is down delays no target. NaN: none. Impossible values are ignored. The accuracy
        floor holds until the next target.
        """
        if (math.isnan(latency_ms) or 0.0 < latency_ms < math.inf) and 0.0 < percentile < 1.0:
            self._heard_ms, self._percentile = latency_ms, max(percentile, self._percentile)
            self._min_accuracy = min_accuracy if 0.0 < min_accuracy <= 1.0 else 0.0

    def on_decision(self, decision: SubnetDecision, now_s: float) -> None:
        """Take a decision for `validity_ms` from now.

        Raises:
            RefusedMessage: it names a sub-network, placement or element that is not resident, or has no
                valid lease; the previous decision and the current point stay.

        """
        _check_numbers(decision)
        ladder = self._decided_ladder(decision)
        previous, self._decision = self._decision, decision
        self._heard_ms = None
        self._percentile = decision.percentile
        before, self._allowed = self._allowed, ladder
        if self._current is None or (before.top is not ladder.top and self._goes_elsewhere(ladder)):
            self._trusted_until_s = now_s + TRUST_S
        self._decision_until_s = now_s + decision.validity_ms / 1e3
        if self._may_follow_up(previous, before):
            self._moved_s = self._rose_s = -math.inf

    def _goes_elsewhere(self, ladder: Ladder) -> bool:
        top, current = ladder.top, self._current
        return top is not None and current is not None and top.element != current.element

    def set_clock(self, domain: str, mhz: float, full_mhz: float = math.nan) -> None:
        """Clock now in force in `domain` [MHz]; `full_mhz` where points do not know their reference.

        Call it with every reading: the clock changed some time since the last one, so the frames since then,
        and one that runs now, say nothing about the slow-down.
        """
        if self._outdated_mhz.pop(domain, math.nan) == mhz:
            return
        since = self._since_clock.pop(domain, {})
        if self._clocks.get(domain) == (mhz, full_mhz):
            return
        known = domain in self._clocks
        self._clocks[domain] = (mhz, full_mhz)
        self._expect()
        if known:
            for element, frames in since.items():
                self._slowdowns[element].drop_newest(min(frames, LATE_FRAMES))
            self._straddles = self._running

    def announce_clock(self, domain: str, mhz: float) -> None:
        """A clock that a manager has just asked for in `domain` [MHz], in force before the next reading.

        The frames so far stay valid, but for one that runs now. Readings that tell otherwise count, except
        the next one where it is still that of before.
        """
        before_mhz, full_mhz = self.clock(domain)
        if before_mhz == mhz:
            return
        self._clocks[domain] = (mhz, full_mhz)
        self._outdated_mhz[domain] = before_mhz
        self._since_clock.pop(domain, None)
        self._straddles = self._running
        self._expect()

    def set_period(self, period_ms: float) -> None:
        """Mean time between received frames [ms]; NaN or <= 0: not known."""
        self._period_ms = period_ms if 0.0 < period_ms < math.inf else math.nan

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
        point = self._points.get(key)
        self._running, straddles, self._straddles = False, self._straddles, False
        if point is None:
            return
        self._judge(inference_ms + overhead_ms)
        percentile = self.percentile
        excused_ms = queued_ms if self._surprised and 0.0 < queued_ms <= overhead_ms else 0.0
        self.overhead.update(overhead_ms - excused_ms - waited_ms)
        self.overhead.tail(percentile)  # looked up now, so that the next choice finds all ready
        if waited_ms > 0.0 or len(self.waiting):
            self.waiting.update(waited_ms)
        if straddles:
            return
        slowdown = self._slowdowns[point.element]
        self._forget_elsewhere(point.element)
        ratio = inference_ms / self._expected_ms[key]
        self._surprised = ratio > slowdown.tail(percentile) or (self._surprised and queued_ms > 0.0)
        if slowdown.update(ratio):
            self._count_since_clock(point)
        if point is self._current:
            fixed_ms = self._fixed_ms(self._chose_s)
            self._told = self._note_strain(point, self._limit_ms(self._chose_s), fixed_ms)
        slowdown.tail(percentile)

    def _judge(self, latency_ms: float) -> None:
        late = latency_ms > self.target_latency_ms(math.nan)
        if len(self._late) == self._late.maxlen:
            self._lates -= self._late[0]
        self._late.append(late)
        self._lates += late

    def _count_since_clock(self, point: OperatingPoint) -> None:
        for domain in self._domains[point.key]:
            since = self._since_clock.setdefault(domain, {})
            since[point.element] = since.get(point.element, 0) + 1

    def _forget_elsewhere(self, running: str) -> None:
        """What another element suffered a window ago says nothing any more: it may be tried again."""
        if len(self._slowdowns) == 1:
            return
        for element, estimator in self._slowdowns.items():
            frames = 0 if element == running else self._elsewhere.get(element, 0) + 1
            if frames == self.config.window:
                estimator.reset()
            self._elsewhere[element] = frames

    def pin(self, subnet: str, until_s: float, placement: str = "") -> None:
        """Hold a sub-network until `until_s`, whatever is measured. RefusedMessage: not resident."""
        self._pin = (self._resident(subnet, placement), until_s)

    def unpin(self) -> None:
        """Return to choosing."""
        self._pin = None

    # What it knows

    @property
    def current(self) -> OperatingPoint | None:
        """The last choice; None before the first."""
        return self._current

    @property
    def slowdown(self) -> SlowdownEstimator:
        """Slow-down of the element of the last choice; before any, of the element of the fastest point."""
        point = self._current or min(self._points.values(), key=lambda p: p.latency_ms)
        return self._slowdowns[point.element]

    @property
    def percentile(self) -> float:
        """Percentile of the last target known, 0.95 before any."""
        return self._percentile

    def decision(self, now_s: float) -> SubnetDecision | None:
        """The decision whose lease runs, or None."""
        return self._decision if now_s <= self._decision_until_s else None

    def target_latency_ms(self, now_s: float) -> float:
        """Target in force [ms]: of the last decision, lease or not, or what was heard since; NaN: none."""
        del now_s
        if self._heard_ms is not None:
            return self._heard_ms
        return self._decision.target_latency_ms if self._decision else self.config.default_latency_ms

    def expected_ms(self, key: PointKey) -> float:
        """Profiled inference time at the clocks known [ms]; NaN for an unknown point."""
        return self._expected_ms.get(key, math.nan)

    def _expect(self) -> None:
        clocks = {domain: mhz for domain, (mhz, _) in self._clocks.items()}
        for key, point in self._points.items():
            full_mhz = self._clocks.get(point.clock_domain, (math.nan, math.nan))[1]
            self._expected_ms[key] = point.time_ms(clocks, full_mhz)

    def clock(self, domain: str) -> tuple[float, float]:
        """Clock that it believes in force in a domain and the highest one [MHz]; NaN where none was told."""
        return self._clocks.get(domain, (math.nan, math.nan))

    def waiting_tail(self) -> float:
        """Waiting behind other applications at the percentile [ms]; NaN until enough frames were measured."""
        if len(self.slowdown) < KNOWN_FRAMES:
            return math.nan
        return self.waiting.tail(self.percentile) if len(self.waiting) else 0.0

    def predicted_ms(self, key: PointKey) -> float:
        """L_q of a point [ms], see the module's equation; NaN for an unknown one."""
        point = self._points.get(key)
        if point is None:
            return math.nan
        waiting_ms = self.waiting.tail(self.percentile)
        return self.overhead.tail(self.percentile) + waiting_ms + self._inference_ms(point)

    @property
    def last_action(self) -> str:
        """What it did last and why, in words; "" before anything."""
        return str(self._action)

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
            self._moved_s = now_s
        self._current, self._running = point, True
        return self._excursion(point, now_s, queued_ms) if queued_ms > 0.0 and pinned is None else point

    def _excursion(self, point: OperatingPoint, now_s: float, queued_ms: float) -> OperatingPoint:
        """The highest point up to `point` that makes up for the wait; the fastest where none does."""
        target_ms = self.target_latency_ms(now_s)
        ladder = self._ladder(now_s)
        if self._min_accuracy > 0.0:
            ladder = self._above_floor(ladder, now_s)
        rank = ladder.rank(point)
        if rank is None or math.isnan(target_ms) or not len(self.overhead):
            return point
        spent_ms = queued_ms + self.overhead.median() + self.waiting.tail(self._percentile)
        left_ms = target_ms - max(spent_ms, self._fixed_ms(now_s))
        return ladder.points[min(rank, self._highest(ladder, left_ms))]

    def _pinned(self, now_s: float) -> OperatingPoint | None:
        if self._pin is None or now_s >= self._pin[1]:
            self._pin = None
            return None
        self._action = f"{_name(self._pin[0])} pinned by hand"
        return self._pin[0]

    def _chosen(self, now_s: float) -> OperatingPoint:
        ladder = self._ladder(now_s)
        if self._min_accuracy > 0.0:
            ladder = self._above_floor(ladder, now_s)
        limit_ms = self._limit_ms(now_s)
        fixed_ms = self._fixed_ms(now_s)
        current = self._current
        if now_s < self._trusted_until_s and ladder.top is not None and ladder is self._allowed:
            return current if current is ladder.top else self._note("starts", ladder.top, limit_ms, now_s)
        rank = None if current is None else ladder.rank(current)
        best = self._highest(ladder, limit_ms - fixed_ms)
        told, self._told = self._told, False
        self._note_strain(ladder.points[best], limit_ms, fixed_ms)
        if current is None or rank is None:
            return self._note("starts", ladder.points[best], limit_ms, now_s)
        if best < rank:
            self.calls += not told
            return self._note("moves down", ladder.points[best], limit_ms, now_s)
        if best == rank or self._waits(now_s):
            return current
        best = self._highest(ladder, limit_ms * (1.0 - self._margin()) - fixed_ms)
        if best <= rank:
            return current
        self._rose_s = now_s
        return self._note("moves up", ladder.points[best], limit_ms, now_s)

    def _note_strain(self, point: OperatingPoint, limit_ms: float, fixed_ms: float) -> bool:
        """Where a point does not fit any more, of a single slow frame not yet: call for the manager at once,
        and again where it gets worse. Returns whether it did.
        """
        usual = self._slowdowns[point.element].tail(self._percentile)
        strain_ms = fixed_ms + usual * self._expected_ms[point.key] - limit_ms
        known_ms = self._strain_ms
        if not strain_ms > 0.0:
            self._strain_ms = 0.0
        elif strain_ms > known_ms + (WORSE * limit_ms if known_ms > 0.0 else 0.0):
            self._strain_ms = strain_ms
            self.calls += 1
            return True
        return False

    def _waits(self, now_s: float) -> bool:
        calm, dwell = now_s - self._moved_s, now_s - self._rose_s
        return calm < self.config.calm_s or dwell < self.config.dwell_s

    def _above_floor(self, ladder: Ladder, now_s: float) -> Ladder:
        """What keeps the floor, while the late frames that this costs are few enough.

        A frame below the floor is worth no more than a late one.
        """
        above = ladder.above(self._min_accuracy)
        patience = PATIENCE if now_s <= self._decision_until_s else 1.0
        allowed = patience * (1.0 - self._percentile) * self.config.window
        holds = self._lates <= allowed and (self._current is None or above.rank(self._current) is not None)
        return above if holds else ladder

    def _ladder(self, now_s: float) -> Ladder:
        return self._allowed if now_s <= self._decision_until_s else self._front

    def _highest(self, ladder: Ladder, left_ms: float) -> int:
        """Rank of the highest point whose inference fits `left_ms`; of the fastest now where none does."""
        expected_ms = self._expected_ms
        tails = {element: self._tail(element) for element in self._slowdowns}
        for rank in range(len(ladder.points) - 1, -1, -1):
            if tails[ladder.points[rank].element] * expected_ms[ladder.keys[rank]] <= left_ms:
                return rank
        need_ms = [tails[p.element] * expected_ms[k] for p, k in zip(ladder.points, ladder.keys, strict=True)]
        return need_ms.index(min(need_ms))

    def _margin(self) -> float:
        return 0.0 if self._moved_s == -math.inf else self.config.margin

    def _limit_ms(self, now_s: float) -> float:
        target_ms = self.target_latency_ms(now_s)
        if not math.isnan(target_ms):
            return target_ms
        if now_s <= self._decision_until_s:
            return math.inf
        return self.config.keep_up * self._period_ms if self._period_ms > 0.0 else 0.0

    def _fixed_ms(self, now_s: float) -> float:
        """What counts beside inference: the overhead, where there is a target [ms]."""
        if math.isnan(self.target_latency_ms(now_s)):
            return 0.0
        return self.overhead.tail(self._percentile) + self.waiting.tail(self._percentile)

    def _tail(self, element: str) -> float:
        """Slow-down of the next frame; where it ran last, what the newest frame tells counts."""
        estimator = self._slowdowns[element]
        here = self._current is not None and self._current.element == element
        return estimator.next_tail(self._percentile) if here else estimator.tail(self._percentile)

    def _inference_ms(self, point: OperatingPoint) -> float:
        return self._tail(point.element) * self.expected_ms(point.key)

    def _note(self, verb: str, point: OperatingPoint, limit_ms: float, now_s: float) -> OperatingPoint:
        tail = self._tail(point.element)
        self._action = _Action(verb, point, self._fixed_ms(now_s) + self._inference_ms(point), limit_ms, tail)
        return point

    def _may_follow_up(self, previous: SubnetDecision | None, before: Ladder) -> bool:
        """Whether an upward decision needs no dwell: the target relaxed, or nothing was held back."""
        new = self._decision
        if previous is None or new is None or self._current is None:
            return True
        if self._allowed.top is before.top:
            return False
        return not new.target_latency_ms <= previous.target_latency_ms or self._current is before.top

    def _decided_ladder(self, decision: SubnetDecision) -> Ladder:
        """The alternatives below the decided point, and that point; RefusedMessage where one is unknown.

        Decisions are renewed all the time: ladders are remembered by what was named.
        """
        named = (decision.subnet, decision.placement, decision.element, decision.threads)
        others = tuple([(a.subnet, a.placement, a.element) for a in decision.alternatives])
        ladder = self._ladders.get((named, others))
        if ladder is None:
            if len(self._ladders) >= LADDERS_KEPT:
                self._ladders.clear()
            ladder = self._ladders[named, others] = self._new_ladder(named, others)
        return ladder

    def _lay_out(self, points: Sequence[OperatingPoint]) -> None:
        """Make the ladders of decisions that name one point, so that the first of each is ready at once."""
        self._ladders.clear()
        for p in points[: LADDERS_KEPT // 4]:
            for named in ((p.subnet, p.placement, p.element, p.threads), (p.subnet, "", p.element, 0)):
                self._ladders[named, ()] = self._new_ladder(named, ())

    def _new_ladder(
        self, named: tuple[str, str, str, int], others: tuple[tuple[str, str, str], ...]
    ) -> Ladder:
        top = self._resident(*named)
        points = [self._resident(*other) for other in others]
        below = points[: points.index(top)] if top in points else []
        return Ladder([*below, top], top)

    def _resident(self, subnet: str, placement: str, element: str = "", threads: int = 0) -> OperatingPoint:
        for point in self._by_subnet.get(subnet, ()):
            if (
                placement in ("", point.placement)
                and element in ("", point.element)
                and threads in (0, point.threads)
            ):
                return point
        raise RefusedMessage(self._not_resident(subnet, placement, element, threads))

    def _not_resident(self, subnet: str, placement: str, element: str, threads: int) -> str:
        parts = [placement, element, f"{threads} threads" if threads else ""]
        where = ", ".join(part for part in parts if part)
        known = ", ".join(f"{p.subnet} on {p.placement or p.element}" for p in self._points.values())
        return f"sub-network {subnet!r}{f' on {where!r}' if where else ''} is not resident; resident: {known}"


class _Action(NamedTuple):
    """A move, put into words only when somebody asks: there is one before every switch."""

    verb: str
    point: OperatingPoint
    need_ms: float
    limit_ms: float
    slowdown: float

    def __str__(self) -> str:
        if self.limit_ms == 0.0:
            return f"{self.verb} with {_name(self.point)}: camera period not known yet"
        return (
            f"{self.verb} to {_name(self.point)}: {self.need_ms:.1f} of {self.limit_ms:.1f} ms, "
            f"slow-down {self.slowdown:.2f}"
        )


def _name(point: OperatingPoint) -> str:
    return f"{point.subnet} ({point.placement})" if point.placement else point.subnet


def _check_numbers(decision: SubnetDecision) -> None:
    if not 0.0 < decision.validity_ms < math.inf:
        raise RefusedMessage(f"subnet_decision refused: validity_ms = {decision.validity_ms} must be > 0 ms")
    if not 0.0 < decision.percentile < 1.0:
        raise RefusedMessage(f"subnet_decision refused: percentile = {decision.percentile} must be 0..1")
    if decision.target_latency_ms <= 0.0:
        value = decision.target_latency_ms
        raise RefusedMessage(f"subnet_decision refused: target_latency_ms = {value} must be > 0 ms or NaN")
