"""The board: publishes what the machine measures, applies clock decisions while their lease lasts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile

from dynofa_ros.board.proc_stat import CpuLoad
from dynofa_ros.board.select import open_board
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit
from dynofa_ros.msg import Application, BoardState, DvfsDecision, InferenceStats
from dynofa_ros.nodes.conversions import build, fill
from dynofa_ros.nodes.diagnostics import OK, WARN, Diagnostics, Health
from dynofa_ros.nodes.guard import Guard, Refusals
from dynofa_ros.nodes.host_load import HostLoad
from dynofa_ros.nodes.parameters import Declared, Parameters
from dynofa_ros.nodes.runtime import run

PARAMETERS = (
    Declared(
        "board", "auto", "auto (this machine's own sensors), linux, or simulated:NAME or simulated:FILE."
    ),
    Declared("rate_hz", 10.0, "Rate of board_state [Hz].", 0.5, 100.0),
    Declared(
        "governor",
        "performance",
        "Governors of a simulated board: performance (highest clock allowed), powersave, or file (its own).",
    ),
    Declared(
        "cap_mhz",
        "",
        'Outside clock caps, simulated boards only: "cpu0:729.6,gpu:510"; empty lifts them [MHz].',
        at_run_time=True,
    ),
)


def parse_caps(text: str) -> dict[str, float]:
    """Domain to MHz from "cpu0:729.6,gpu:510".

    Raises:
        RefusedMessage: an entry that is not NAME:MHZ with MHZ above 0.
    """
    caps: dict[str, float] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        domain, colon, number = entry.partition(":")
        try:
            mhz = float(number)
        except ValueError:
            mhz = math.nan
        if not colon or not domain or not 0.0 < mhz < math.inf:
            raise RefusedMessage(f"cap_mhz: {entry!r} is not DOMAIN:MHZ, e.g. cpu0:729.6")
        caps[domain] = mhz
    return caps


class BoardNode(Node):
    """Plain node: reading sensors needs no configuration step."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("board")
        self.guard = Guard(self)
        self.stopping = stopping
        self.parameters = Parameters(self, PARAMETERS)
        self._board = open_board(self.parameters["board"], governors=self.parameters["governor"])
        self._load = self._open_load()
        self._caps: dict[str, float] = {}
        self._set_caps(self.parameters["cap_mhz"])
        self.add_on_set_parameters_callback(self._on_parameters)
        self._sequence: tuple[str, int] = ("", -1)
        self._refusals = Refusals(self.guard)
        self._state: Any = None
        self._publisher = self.create_publisher(BoardState, "board_state", 10)
        self.create_subscription(DvfsDecision, "dvfs_decision", self.guard(self._on_decision), 10)
        self.diagnostics = Diagnostics(self, self._health, self.guard)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / self.parameters["rate_hz"], self.guard(self._read), clock=steady)
        kind = "simulated" if self._board.simulated else "this machine"
        self.get_logger().info(f"board {self._board.name} ({kind})")
        self._read()

    def _open_load(self) -> HostLoad | None:
        """Only a simulated board is told its load: this machine's, and what emulated clocks add to it."""
        if not isinstance(self._board, SimulatedBoard):
            return None
        host = CpuLoad(Path("/"))
        latched = QoSProfile(depth=32, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(Application, "application", self.guard(self._on_application), latched)
        self.create_subscription(InferenceStats, "inference_stats", self.guard(self._on_stats), 50)
        return HostLoad(host.load, host.cores)

    def _on_application(self, message: Application) -> None:
        if self._load is not None and message.operating_points:
            point = message.operating_points[0]
            self._load.on_application(message.name, point.threads, point.clocked_fraction)

    def _on_stats(self, message: InferenceStats) -> None:
        if self._load is not None and message.emulated_clocks:
            self._load.on_stats(message.application, message.busy, time.monotonic())

    def _set_load(self) -> None:
        if self._load is None or self._state is None:
            return
        cpu = next((element for element in self._state.elements if element.name == "cpu"), None)
        domains = self._state.clock_domains
        clock = next((domain for domain in domains if cpu and domain.name == cpu.clock_domain), None)
        if cpu is None or clock is None:
            return
        top_mhz = max(clock.available_mhz, default=math.nan)
        share = self._load.share(cpu.cores, clock.current_mhz, top_mhz, time.monotonic())
        if not math.isnan(share):
            self._board.set_load("cpu", share)  # type: ignore[attr-defined]

    def _read(self) -> None:
        self._set_load()
        first = self._state is None
        self._state = self._board.read(time.monotonic())
        if first:
            self.get_logger().info(f"{self._state.status or 'reading'}")
        self._publisher.publish(fill(BoardState(), self._state, stamp=self.get_clock().now().to_msg()))

    def _on_decision(self, message: DvfsDecision) -> None:
        manager_id, sequence = self._sequence
        if message.manager_id and message.manager_id == manager_id and message.sequence <= sequence:
            return
        limits = [build(ClockLimit, limit) for limit in message.limits]
        try:
            validity_s = message.validity_ms / 1e3
            if not 0.0 < validity_s < math.inf:
                raise RefusedMessage(f"validity_ms = {message.validity_ms} must be > 0 ms")
            self._board.apply(limits, time.monotonic(), validity_s=validity_s)
        except RefusedMessage as error:
            self._refuse(f"dvfs_decision {message.sequence} of {message.manager_id}: {error}")
            return
        self._sequence = (message.manager_id, message.sequence)

    def _refuse(self, text: str) -> None:
        self._refusals.add(text)
        self.diagnostics.publish()

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if change.name == "cap_mhz":
                try:
                    self._set_caps(str(change.value))
                except RefusedMessage as error:
                    return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _set_caps(self, text: str) -> None:
        caps = parse_caps(text)
        if not isinstance(self._board, SimulatedBoard):
            if caps:
                raise RefusedMessage(f"cap_mhz: {self._board.name} is not simulated, its limits are its own")
            return
        known = {domain.name for domain in self._board.clock_domains()}
        unknown = sorted(set(caps) - known)
        if unknown:
            raise RefusedMessage(
                f"cap_mhz: unknown domain {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
        for domain in self._caps.keys() | caps.keys():
            self._board.set_cap(domain, caps.get(domain, math.nan))
        self._caps = caps

    def _health(self) -> Health:
        state = self._state
        values: dict[str, object] = {
            "board": state.board,
            "simulated": state.simulated,
            "clocks": "emulated clocks" if state.emulated_clocks else "real clocks",
            "power_w": state.power_w,
            "clock_changes": state.clock_changes,
            "refused_decisions": self._refusals.total,
            "last_refusal": self._refusals.last,
            "callback_errors": self.guard.errors_total,
        }
        values.update({f"{zone.name}_degc": zone.temperature_degc for zone in state.zones})
        values.update({f"{domain.name}_mhz": domain.current_mhz for domain in state.clock_domains})
        if self._refusals.recent:
            return Health(WARN, self._refusals.recent, values)
        if state.throttling:
            return Health(WARN, "clocks are held down by heat or current", values)
        return Health(OK, state.status or "reading", values)

    def close(self) -> None:
        """Put the original clock limits back."""
        self._board.restore()


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(BoardNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
