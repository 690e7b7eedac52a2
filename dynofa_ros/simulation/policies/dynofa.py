"""This package's own manager, as the nodes run it: the same Manager, Reflex and StatsWindow.

What the nodes exchange over ROS takes `MESSAGE_S` here; the rates are the nodes' defaults.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from dynofa_ros.board.state import BoardState
from dynofa_ros.engine.counters import FrameCounters
from dynofa_ros.engine.stats_window import PeriodMeter, StatsWindow, compose_stats
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.decision import DvfsDecision, ManagerOutput, SubnetDecision, new_pins, pins
from dynofa_ros.manager.manager import Manager
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.reflex.reflex import Reflex, ReflexConfig
from dynofa_ros.simulation.world.policy import FrameOutcome, Policy, SimApplication, World

MESSAGE_S = 0.001
MANAGER_PERIOD_S = 1.0 / 5.0
STATS_PERIOD_S = 1.0 / 4.0


class Perception:
    """The manager's side of one perception node: reflex, counts and statistics."""

    def __init__(self, app: SimApplication, config: ReflexConfig, now_s: float) -> None:
        self.info = ApplicationInfo(app.name, app.points, app.family)
        self.target = app.target
        self.reflex = Reflex(config)
        self.reflex.set_points(app.points)
        self._window = StatsWindow(now_s)
        self._period = PeriodMeter()
        self._counters = FrameCounters()
        self._received_s = now_s
        self.heard_calls = 0
        """How often its reflex called for the manager when statistics were last sent for that."""

    def hear_target(self, target: QosTarget) -> None:
        """A target as published."""
        self.reflex.on_target(target.latency_ms, target.percentile, target.min_accuracy)

    def received(self, now_s: float) -> None:
        """A frame reached the mailbox."""
        self._period.tick(now_s)
        self._counters.receive()
        self._received_s = now_s

    def choose(self, now_s: float) -> OperatingPoint:
        """The point of the next frame: of the newest one, since a mailbox keeps no older."""
        self.reflex.set_period(self._period.period_ms)
        return self.reflex.choose(now_s, (now_s - self._received_s) * 1e3)

    def finished(self, frame: FrameOutcome) -> None:
        """A frame has its result, or was replaced."""
        if frame.point is None or not frame.inferred:
            self._counters.drop("replaced_by_newer", f"frame {frame.index}")
            return
        key, latency_ms, inference_ms = frame.point.key, frame.latency_ms, frame.inference_ms
        queued_ms = (frame.chosen_s - frame.received_s) * 1e3
        self.reflex.update(key, inference_ms, latency_ms - inference_ms, queued_ms, frame.waited_ms)
        target_ms = self.reflex.target_latency_ms(frame.end_s)
        self._window.add(latency_ms, inference_ms, not latency_ms > target_ms, frame.end_s)
        self._counters.infer(key)

    def snapshot(self, now_s: float) -> InferenceStats:
        """The message of this window."""
        window, totals = self._window.summarise(now_s), self._counters.totals()
        return compose_stats(
            self.info.name, window, totals, self.reflex, self._period.period_ms, emulated_clocks=False
        )


class DynofaPolicy(Policy):
    """The manager and one reflex per application, joined by messages."""

    name: ClassVar[str] = "dynofa"

    def __init__(
        self, config: ManagerConfig | None = None, reflex_config: ReflexConfig | None = None
    ) -> None:
        self._config, self._reflex_config = config or ManagerConfig(), reflex_config or ReflexConfig()
        self._manager: Manager | None = None
        self._starts = 0
        self._nodes: dict[str, Perception] = {}
        self._asked: dict[str, float] = {}
        """Clocks that the last decision pins [MHz]."""
        self._times_us: list[float] = []
        self.decision_us = self._times_us
        self.refused: list[str] = []
        """Messages that a node refused, in words."""

    def start(self, world: World) -> None:
        """The manager node comes up and decides at its rate."""
        super().start(world)
        self._start_manager()
        self._every(MANAGER_PERIOD_S, 1, self._step)

    def on_restart(self, down_s: float) -> None:
        """The manager forgets everything. Applications and targets are latched: it hears them again."""
        self._manager = None
        self.world.schedule(self.world.now_s + down_s, self._start_manager)

    def on_join(self, app: SimApplication) -> None:
        """A perception node comes up; its targets are published beside it."""
        node = self._nodes[app.name] = Perception(app, self._reflex_config, self.world.now_s)
        self._later(lambda: node.hear_target(app.target))
        self._later(lambda: self._present(node))
        self._every(STATS_PERIOD_S, 1, lambda: self._publish_stats(node), start_s=self.world.now_s)

    def on_leave(self, name: str) -> None:
        """The node is gone without a word."""
        del self._nodes[name]

    def on_target(self, name: str, target: QosTarget) -> None:
        """A target on its way to the manager and to the perception node that it is for."""
        node = self._nodes[name]
        node.target = target
        self._later(lambda: node.hear_target(target))
        self._later(lambda: self._decide(lambda manager, now_s: manager.on_target(target, now_s)))

    def on_board_state(self, state: BoardState) -> None:
        """A reading on its way to the manager and to every perception node."""
        self._later(lambda: self._hear_board(state))

    def on_received(self, name: str, received_s: float) -> None:
        """Count it."""
        self._nodes[name].received(received_s)

    def choose(self, name: str) -> OperatingPoint:
        """The reflex chooses; statistics follow at once where it had to give way."""
        node = self._nodes[name]
        point = node.choose(self.world.now_s)
        if node.reflex.calls > node.heard_calls:
            self._call(node)
        return point

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """The reflex learns, and may call for the manager."""
        node = self._nodes[name]
        node.finished(frame)
        if node.reflex.calls > node.heard_calls:
            self._call(node)

    # Messages

    def _start_manager(self) -> None:
        self._starts += 1
        self._manager = Manager(self._config, f"manager-{self._starts}")
        self._manager.set_models(self.world.spec.models())
        for node in self._nodes.values():
            self._present(node)

    def _present(self, node: Perception) -> None:
        self._decide(lambda manager, now_s: manager.on_application(node.info, now_s))
        target = node.target
        self._decide(lambda manager, now_s: manager.on_target(target, now_s))

    def _call(self, node: Perception) -> None:
        node.heard_calls = node.reflex.calls
        self._publish_stats(node)

    def _publish_stats(self, node: Perception) -> bool:
        if self._nodes.get(node.info.name) is not node:
            return False
        stats = node.snapshot(self.world.now_s)
        self._later(lambda: self._hear_stats(stats))
        return True

    def _hear_stats(self, stats: InferenceStats) -> None:
        self._decide(lambda manager, now_s: manager.on_stats(stats, now_s))

    def _hear_board(self, state: BoardState) -> None:
        for domain in state.clock_domains:
            if domain.available_mhz:
                for node in self._nodes.values():
                    node.reflex.set_clock(domain.name, domain.current_mhz, domain.available_mhz[-1])
        self._decide(lambda manager, now_s: manager.on_board_state(state, now_s))

    def _step(self) -> bool:
        self._decide(lambda manager, now_s: manager.step(now_s))
        return True

    def _decide(self, ask: Callable[[Manager, float], ManagerOutput | None]) -> None:
        if self._manager is None:
            return
        begin = time.perf_counter()
        try:
            output = ask(self._manager, self.world.now_s)
        except RefusedMessage as error:
            self.refused.append(str(error))
            return
        if output is not None:
            self._times_us.append((time.perf_counter() - begin) * 1e6)
            self._later(lambda: self._deliver(output))

    def _deliver(self, output: ManagerOutput) -> None:
        for decision in output.decisions:
            self._follow(decision)
        if output.dvfs is not None:
            self._set_clocks(output.dvfs)

    def _follow(self, decision: SubnetDecision) -> None:
        node = self._nodes.get(decision.application)
        if node is None:
            return
        try:
            node.reflex.on_decision(decision, self.world.now_s)
        except RefusedMessage as error:
            self.refused.append(str(error))

    def _set_clocks(self, dvfs: DvfsDecision) -> None:
        for domain, mhz in new_pins(dvfs.limits, self._asked).items():
            for node in self._nodes.values():
                node.reflex.announce_clock(domain, mhz)
        self._asked = pins(dvfs.limits)
        try:
            self.world.apply(dvfs.limits, dvfs.validity_ms / 1e3)
        except RefusedMessage as error:
            self.refused.append(str(error))

    def _later(self, deliver: Callable[[], None]) -> None:
        self.world.schedule(self.world.now_s + MESSAGE_S, deliver)

    def _every(self, period_s: float, tick: int, call: Callable[[], bool], start_s: float = 0.0) -> None:
        """Call at start_s + tick * period_s and so on, until it returns False."""

        def run() -> None:
            if call():
                self._every(period_s, tick + 1, call, start_s)

        self.world.schedule(start_s + tick * period_s, run)
