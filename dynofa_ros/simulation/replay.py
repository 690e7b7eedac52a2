"""Engine and manager over recorded frames in lock step: frame after frame, in logical time, without ROS.

Logical time is the bag's. Each frame is processed at its stamp and never waits for an earlier one, so the
order of events depends on the bag alone; only the latencies are measured. On a simulated board the extra time
of a lower clock passes logically: nothing sleeps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dynofa_ros.board.interface import Board
from dynofa_ros.board.state import BoardState
from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.results import FrameDrop, FrameResult
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.decision import ManagerOutput, new_pins, pins
from dynofa_ros.manager.manager import Manager
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.reflex.reflex import Reflex
from dynofa_ros.simulation.extract import board_sample, clock_words
from dynofa_ros.simulation.records import NAN, BoardSample, Decision, Frame
from dynofa_ros.simulation.replay_input import CameraFrame

TICK_S = 0.1  # board and manager
STATS_EVERY = 3  # ticks


@dataclass(frozen=True)
class ReplaySetup:
    """What runs. `board` None: no clocks, no power."""

    application: str
    family: str
    bank: SubnetBank
    points: Sequence[OperatingPoint]
    labels: Sequence[str]
    clocked_fraction: float
    board: Board | None = None
    models: BoardModels | None = None


@dataclass
class Recorded:
    """What the replay left behind, times in seconds since the first frame."""

    frames: list[Frame] = field(default_factory=list)
    board: list[BoardSample] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    targets: list[tuple[float, float]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)  # targets
    switches: int = 0


class LogicalClock:
    """Seconds of the bag; while a frame is in work, the time really spent and the emulated wait count too."""

    def __init__(self) -> None:
        self._base_s = 0.0
        self._started: float | None = None

    def set(self, now_s: float) -> None:
        """Move to a moment of the bag."""
        self._base_s, self._started = now_s, None

    def start(self) -> None:
        """From here on real time counts too."""
        self._started = time.perf_counter()

    def wait(self, seconds: float) -> None:
        """Let time pass without spending it."""
        self._base_s += seconds

    def now(self) -> float:
        """Return the logical time [s]."""
        return self._base_s + (0.0 if self._started is None else time.perf_counter() - self._started)


class Replay:
    """One application, one manager and, if asked for, one board."""

    def __init__(self, setup: ReplaySetup) -> None:
        self._setup = setup
        self._clock = LogicalClock()
        emulated = setup.board is not None and setup.board.simulated
        emulation = ClockEmulation(setup.clocked_fraction, wait=self._clock.wait) if emulated else None
        self._core = PerceptionCore(
            setup.application, setup.bank, setup.points, reflex=Reflex(), emulation=emulation, start_s=0.0
        )
        self._manager = Manager(manager_id="replay")
        self._manager.set_models(setup.models)
        self._ticks = 0
        self._pins: dict[str, float] = {}
        self.recorded = Recorded()

    def run(
        self, frames: Iterable[CameraFrame], labels: dict[int, str], targets: Sequence[tuple[int, QosTarget]]
    ) -> Recorded:
        """Play all frames; `targets` come into force at their bag time [ns], earlier ones at the start."""
        pending = list(targets)
        begin_ns: int | None = None
        for item in frames:
            if begin_ns is None:
                begin_ns = item.stamp_ns
                self._register()
            now_s = (item.stamp_ns - begin_ns) / 1e9
            self._advance(now_s)
            while pending and pending[0][0] <= item.stamp_ns:
                at_ns, target = pending.pop(0)
                self._on_target(target, max(0.0, (at_ns - begin_ns) / 1e9))
            self._process(item, now_s, labels.get(item.stamp_ns, ""))
        self.recorded.switches = self._core.totals().switches
        return self.recorded

    def _register(self) -> None:
        setup = self._setup
        info = ApplicationInfo(
            name=setup.application,
            operating_points=tuple(setup.points),
            family=setup.family,
            labels=tuple(setup.labels),
        )
        self._apply(self._manager.on_application(info, 0.0), 0.0)
        self._tick(0.0)

    def _advance(self, now_s: float) -> None:
        """Run board and manager up to `now_s` at their own rate."""
        while (self._ticks + 1) * TICK_S <= now_s:
            self._ticks += 1
            self._tick(self._ticks * TICK_S)

    def _tick(self, now_s: float) -> None:
        if self._setup.board is not None:
            self._on_board(self._setup.board.read(now_s), now_s)
        if self._ticks % STATS_EVERY == 0:
            self._manager.on_stats(self._core.snapshot(now_s), now_s)
        self._apply(self._manager.step(now_s), now_s)

    def _on_board(self, state: BoardState, now_s: float) -> None:
        self.recorded.board.append(board_sample(now_s, state))
        if state.emulated_clocks:
            for domain in state.clock_domains:
                if domain.available_mhz:
                    self._core.set_clock(domain.name, domain.current_mhz, max(domain.available_mhz))
        self._apply(self._manager.on_board_state(state, now_s), now_s)

    def _on_target(self, target: QosTarget, now_s: float) -> None:
        """Pass a target on; one that the manager refuses changes nothing, as on the robot."""
        try:
            output = self._manager.on_target(target, now_s)
        except RefusedMessage as error:
            self.recorded.refused.append(str(error))
            return
        self.recorded.targets.append((now_s, target.latency_ms))
        self._apply(output, now_s)

    def _apply(self, output: ManagerOutput | None, now_s: float) -> None:
        """Hand decisions to the perception core and to the board, as the nodes would."""
        if output is None:
            return
        for decision in output.decisions:
            self._core.on_decision(decision, now_s)
            self.recorded.decisions.append(
                Decision(
                    t_s=now_s,
                    application=decision.application,
                    choice=decision.subnet,
                    predicted_latency_ms=decision.predicted_latency_ms,
                    target_ms=decision.target_latency_ms,
                    feasible=decision.feasible,
                    reason=decision.reason,
                )
            )
        if output.dvfs is not None and self._setup.board is not None:
            dvfs = output.dvfs
            words = clock_words(dvfs.limits)
            self.recorded.decisions.append(Decision(now_s, "", words, NAN, NAN, True, dvfs.reason))
            self._setup.board.apply(dvfs.limits, now_s, validity_s=dvfs.validity_ms / 1e3)
            for domain, mhz in new_pins(dvfs.limits, self._pins).items():
                self._core.announce_clock(domain, mhz)
            self._pins = pins(dvfs.limits)

    def _process(self, item: CameraFrame, now_s: float, label: str) -> None:
        self._clock.set(now_s)
        self._clock.start()
        outcome = self._core.process(item.frame, now_s, now_s, self._clock.now)
        target_ms = self.recorded.targets[-1][1] if self.recorded.targets else math.nan
        self.recorded.frames.append(self._frame(outcome, item.stamp_ns, now_s, target_ms, label))

    def _frame(
        self, outcome: FrameResult | FrameDrop, stamp_ns: int, t_s: float, target_ms: float, label: str
    ) -> Frame:
        application = self._setup.application
        if isinstance(outcome, FrameDrop):
            self.recorded.dropped[outcome.reason] = self.recorded.dropped.get(outcome.reason, 0) + 1
            return Frame(application, stamp_ns, t_s, target_ms, label=label)
        return Frame(
            application=application,
            stamp_ns=stamp_ns,
            t_s=t_s,
            target_ms=target_ms,
            latency_ms=outcome.latency_ms,
            inference_ms=outcome.inference_ms,
            subnet=outcome.subnet,
            label=label,
            predicted=outcome.results[0].label if outcome.results else "",
            stretch=outcome.stretch,
        )
