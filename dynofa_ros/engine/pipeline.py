"""The perception core: frames in, results out, every frame accounted for, one place to switch.

    executor thread            worker thread
    submit(frame) -> mailbox -> next() -> run(): choose, prepare, infer, score -> FrameResult | FrameDrop

No ROS in here. Times are seconds of one steady clock, given by the caller.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.counters import FrameCounters, Totals
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.engine.mailbox import Mailbox
from dynofa_ros.engine.preemption import preemptions
from dynofa_ros.engine.preprocess import Frame, prepare
from dynofa_ros.engine.refinement import Refinement
from dynofa_ros.engine.results import (
    Arrival,
    FrameDrop,
    FrameResult,
    NonFiniteLogits,
    Plan,
    StageTimes,
    assemble,
    comparable_age_ms,
    top_scores,
)
from dynofa_ros.engine.stats_window import PeriodMeter, StatsWindow, compose_stats
from dynofa_ros.errors import InvalidImage, RefusedMessage
from dynofa_ros.manager.application import InferenceStats
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.reflex.reflex import Reflex

TOP_K = 5
NowFunction = Callable[[], float]


class _Reading(NamedTuple):
    """A clock as read [MHz]."""

    mhz: float
    full_mhz: float
    emulated: bool
    settable: bool


class PerceptionCore:
    """One application: its resident sub-networks, its reflex and its account of frames.

    `run` belongs to one worker thread; everything else may be called from any thread.
    """

    def __init__(
        self,
        application: str,
        bank: SubnetBank,
        points: Sequence[OperatingPoint],
        reflex: Reflex | None = None,
        emulation: ClockEmulation | None = None,
        top_k: int = TOP_K,
        start_s: float | None = None,
        preemptions: Callable[[], int] = preemptions,
    ) -> None:
        """`points` are those of `bank` (see `operating_points`); `emulation` only beside a simulated board.

        `preemptions` counts how often other programs took a core away from this process.

        Raises:
            RefusedMessage: points that contradict themselves or that are not resident.
        """
        strangers = [f"{p.subnet} on {p.placement}" for p in points if p.key not in bank]
        if strangers:
            raise RefusedMessage(f"operating points name {', '.join(strangers)}: not resident")
        self.application = application
        self.bank = bank
        self.emulation = emulation
        self._reflex = reflex or Reflex()
        self._reflex.set_points(points)
        self._top_k = top_k
        self._lock = threading.Lock()
        self._readings: dict[str, _Reading] = {}
        """The newest reading of each clock domain."""
        self._unread: set[str] = set()
        self._period = PeriodMeter()
        self._window = StatsWindow(start_s)
        self._counters = FrameCounters()
        self._preemptions = preemptions
        self.refinement = Refinement()
        """Undisturbed inference times at the profile's clocks, see `Refinement`."""
        self._mailbox: Mailbox[Arrival] = Mailbox()

    # Frames

    def submit(self, frame: Frame, received_s: float, age_ms: float, tag: object = None) -> FrameDrop | None:
        """Leave a frame for the worker; never waits. The drop of the older frame that it replaced, if any.

        `age_ms` is image stamp to receipt on the stamp's own clock [ms]; NaN where not known.
        """
        arrival = self._accept(frame, received_s, age_ms, tag)
        lost = self._mailbox.put(arrival)
        if lost is None:
            return None
        if lost is arrival:
            return self._drop(arrival, "shutdown", f"frame {arrival.number} came after close")
        return self._drop(lost, "replaced_by_newer", f"frame {lost.number} by frame {arrival.number}")

    def next(self, timeout_s: float | None = None) -> Arrival | None:
        """The newest frame that waits, at most `timeout_s` seconds from now; each must go to `run` once."""
        return self._mailbox.take(timeout_s)

    def process(
        self, frame: Frame, stamp_s: float, received_s: float, now: NowFunction, tag: object = None
    ) -> FrameResult | FrameDrop:
        """Accept and run one frame at once, in lock step. `stamp_s`, `received_s`, `now` share one clock."""
        return self.run(self._accept(frame, received_s, (received_s - stamp_s) * 1e3, tag), now)

    def run(self, arrival: Arrival, now: NowFunction) -> FrameResult | FrameDrop:
        """Take one frame through the network. It never raises for what a frame holds."""
        start_s = now()
        plan = self._plan(start_s, queued_ms=max(start_s - arrival.received_s, 0.0) * 1e3)
        try:
            return self._infer(arrival, plan, now)
        except InvalidImage as error:
            return self._drop(arrival, error.reason, str(error))
        except NonFiniteLogits as error:
            return self._drop(arrival, "non_finite_logits", f"{plan.point.subnet}: {error}")
        except Exception as error:  # noqa: BLE001  whatever a library raises must not lose the frame
            return self._drop(
                arrival, "inference_failed", f"{plan.point.subnet}: {type(error).__name__}: {error}"
            )

    def refuse(self, reason: str, detail: str, received_s: float, tag: object = None) -> FrameDrop:
        """Count a frame that was received but not even kept, e.g. while nobody listens."""
        with self._lock:
            self._period.tick(received_s)
        number = self._counters.receive()
        self._counters.drop(reason, detail)
        return FrameDrop(number, reason, detail, tag)

    def close(self) -> None:
        """Wake the worker and drop what still waits. Frames that come later are dropped too."""
        for waiting in self._mailbox.close():
            self._drop(waiting, "shutdown", f"frame {waiting.number} was waiting")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._mailbox.closed

    # What steers it

    def on_decision(self, decision: SubnetDecision, now_s: float) -> None:
        """Follow a decision from the next frame on.

        Raises:
            RefusedMessage: it is for another application, names what is not resident, or has no valid lease;
                nothing changes.
        """
        if decision.application != self.application:
            raise RefusedMessage(
                f"subnet_decision refused: application = {decision.application!r} is not {self.application!r}"
            )
        with self._lock:
            self._reflex.on_decision(decision, now_s)

    def on_target(self, latency_ms: float, percentile: float, min_accuracy: float = math.nan) -> None:
        """A target on its way to the manager: it counts from the next frame until a decision replaces it."""
        with self._lock:
            self._reflex.on_target(latency_ms, percentile, min_accuracy)

    def pin(self, subnet: str, until_s: float, placement: str = "") -> None:
        """Hold one sub-network until `until_s` [s], on its fastest placement where none is named.

        Raises:
            RefusedMessage: it is not resident, or not there.
        """
        with self._lock:
            self._reflex.pin(subnet, until_s, placement)

    def unpin(self) -> None:
        """Choose freely again."""
        with self._lock:
            self._reflex.unpin()

    def set_clock(
        self, domain: str, f_mhz: float, f_max_mhz: float, *, emulated: bool = True, settable: bool = True
    ) -> None:
        """Clock of `domain` and the clock of the profile [MHz], in force from the next frame on.

        `emulated`: inference is stretched to it; else the machine really runs at it. `settable`: somebody may
        limit it, so it stays where it is in between.
        """
        with self._lock:
            self._readings[domain] = _Reading(f_mhz, f_max_mhz, emulated, settable)
            self._unread.add(domain)

    def announce_clock(self, domain: str, mhz: float) -> None:
        """A clock that a manager has just asked for in `domain` [MHz]: expected before it is read.

        Ignored where no clock of the domain was ever read, as nothing refers to it then.
        """
        with self._lock:
            if domain in self._readings:
                self._take_readings()
                self._reflex.announce_clock(domain, mhz)

    # What it reports

    @property
    def current(self) -> OperatingPoint | None:
        """What the newest frame ran on; None before the first."""
        with self._lock:
            return self._reflex.current

    @property
    def calls(self) -> int:
        """How often the reflex called for the manager so far."""
        return self._reflex.calls

    def totals(self) -> Totals:
        """All counts at one instant."""
        return self._counters.totals()

    def snapshot(self, now_s: float) -> InferenceStats:
        """Everything of `msg/InferenceStats`; starts the next window."""
        window = self._window.summarise(now_s)
        totals = self._counters.totals()
        with self._lock:
            return compose_stats(
                self.application, window, totals, self._reflex, self._period.period_ms, self._emulated
            )

    # Steps of one frame

    def _accept(self, frame: Frame, received_s: float, age_ms: float, tag: object) -> Arrival:
        with self._lock:
            self._period.tick(received_s)
        return Arrival(self._counters.receive(), frame, received_s, comparable_age_ms(age_ms), tag)

    def _plan(self, start_s: float, queued_ms: float = 0.0) -> Plan:
        """Between two frames, the only place where the sub-network and the clocks change."""
        with self._lock:
            reflex = self._reflex
            self._take_readings()
            reflex.set_period(self._period.period_ms)
            point = reflex.choose(start_s, queued_ms)
            self._set_emulated_clock(point)
            return Plan(
                application=self.application,
                family=self.bank.family.name,
                point=point,
                target_latency_ms=reflex.target_latency_ms(start_s),
                emulated_clocks=self._emulated,
                start_s=start_s,
            )

    def _take_readings(self) -> None:
        for domain in self._unread:
            reading = self._readings[domain]
            self._reflex.set_clock(domain, reading.mhz, reading.full_mhz, settable=reading.settable)
        self._unread.clear()

    def _set_emulated_clock(self, point: OperatingPoint) -> None:
        """Stretch time to the clock of the domain that clocks `point`; not where it is unknown."""
        if self.emulation is None:
            return
        reading = self._readings.get(point.clock_domain)
        f_mhz, f_max_mhz = self._reflex.clock(point.clock_domain)
        emulated = reading is not None and reading.emulated
        if emulated and 0.0 < f_mhz < math.inf and 0.0 < f_max_mhz < math.inf:
            self.emulation.set_clock(f_mhz, f_max_mhz)
        else:
            self.emulation.clear()

    @property
    def _emulated(self) -> bool:
        return self.emulation is not None and self.emulation.active

    def _infer(self, arrival: Arrival, plan: Plan, now: NowFunction) -> FrameResult:
        """Prepare, infer, score, and note the time between."""
        network = self.bank.network(plan.point.key)
        prepare(arrival.frame, network.resolution, out=network.input)
        preempted = self._preemptions()
        prepared_s = now()
        logits = network.infer_input()
        measured_s = now() - prepared_s
        undisturbed = self._preemptions() == preempted
        stretch = self.emulation.wait_out(measured_s) if self.emulation else 1.0
        inferred_s = now()
        scores = top_scores(logits, self.bank.family.labels, self._top_k)
        times = StageTimes(arrival.received_s, plan.start_s, prepared_s, inferred_s, now())
        result = assemble(arrival, plan, scores, times, stretch)
        self._learn(plan.point, result, times.end_s)
        if undisturbed and stretch == 1.0:
            self.refinement.take(plan.point.key, measured_s * 1e3)
        return result

    def _learn(self, point: OperatingPoint, result: FrameResult, end_s: float) -> None:
        """Let the reflex, the window and the counters know."""
        overhead_ms = result.latency_ms - result.inference_ms
        with self._lock:
            self._reflex.update(point.key, result.inference_ms, overhead_ms, result.queue_ms)
        self._window.add(result.latency_ms, result.inference_ms, result.deadline_met, end_s)
        self._counters.infer(point.key)

    def _drop(self, arrival: Arrival, reason: str, detail: str) -> FrameDrop:
        self._counters.drop(reason, detail)
        return FrameDrop(arrival.number, reason, detail, arrival.tag)
