"""Perception: camera images in, classifications out, with the sub-network that fits the target."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from dynofa_ros.engine.pipeline import FrameDrop
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager import decision, qos
from dynofa_ros.msg import (
    Application,
    BoardState,
    DropCount,
    DvfsDecision,
    InferenceStats,
    QosTarget,
    SubnetDecision,
)
from dynofa_ros.nodes.conversions import age_ms, build, compressed_frame, fill, image_frame
from dynofa_ros.nodes.cores import WakeElsewhere
from dynofa_ros.nodes.cv_bridge_adapter import install as install_cv_bridge
from dynofa_ros.nodes.diagnostics import OK, WARN, Health
from dynofa_ros.nodes.guard import REFUSAL_SHOWN_S, Refusals
from dynofa_ros.nodes.image_input import ImageInput
from dynofa_ros.nodes.managed import ManagedNode
from dynofa_ros.nodes.perception_output import LATCHED, PerceptionOutput
from dynofa_ros.nodes.perception_parameters import PARAMETERS
from dynofa_ros.nodes.perception_setup import Perception, build_perception
from dynofa_ros.nodes.runtime import run
from dynofa_ros.srv import SetSubnet

BOARD_TIMEOUT_S = 3.0
NETWORK_FAILURES = ("non_finite_logits", "inference_failed")
"""Drops that are the network's fault, not the image's."""


class PerceptionNode(ManagedNode):
    """One executor thread takes messages; one worker thread infers; a one-slot mailbox lies between them."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("perception", PARAMETERS, stopping)
        self._perception: Perception | None = None
        self._output: PerceptionOutput | None = None
        self._input: ImageInput | None = None
        self._worker: threading.Thread | None = None
        self._elsewhere: WakeElsewhere | None = None
        self._working = threading.Event()
        self._entities: list[tuple[Any, Any]] = []
        self._timers_active: list[Any] = []
        self._stats: Any = None
        self._called: Any = None
        self._sequences: dict[str, int] = {}
        self._board_seen_s: float | None = None
        self._pins: dict[str, float] = {}
        self._refusals = Refusals(self.guard)
        self._last_stats: Any = None
        self._failed_s, self._last_failure = -math.inf, ""

    @property
    def _core(self) -> Any:
        if self._perception is None:
            raise RefusedMessage(f"{self.get_name()} is not configured")
        return self._perception.core

    def configure(self) -> None:
        """Load, compile and profile the family; open everything but the camera."""
        name = self.parameters["application"] or self.get_name()
        log = self.get_logger().info
        log(install_cv_bridge())
        self._perception = build_perception(self.parameters, name, lambda text: log(text), self.stopping)
        self._output = PerceptionOutput(self, self._perception.family.labels)
        self._stats = self.create_publisher(InferenceStats, "inference_stats", 10)
        application = self.create_publisher(Application, "application", LATCHED)
        decisions = self.create_subscription(
            SubnetDecision, "subnet_decision", self.guard(self._on_decision), 10
        )
        board = self.create_subscription(BoardState, "board_state", self.guard(self._on_board), 10)
        clocks = self.create_subscription(DvfsDecision, "dvfs_decision", self.guard(self._on_clocks), 10)
        targets = self.create_subscription(QosTarget, "qos_target", self.guard(self._on_target), 10)
        pin = self.create_service(SetSubnet, "~/set_subnet", self._on_set_subnet)
        self._called = self.create_guard_condition(self.guard(self._publish_stats))
        self._entities = [
            (self.destroy_publisher, self._stats),
            (self.destroy_publisher, application),
            (self.destroy_subscription, decisions),
            (self.destroy_subscription, board),
            (self.destroy_subscription, clocks),
            (self.destroy_subscription, targets),
            (self.destroy_service, pin),
            (self.destroy_guard_condition, self._called),
        ]
        info = fill(Application(), self._perception.application, node=self.get_fully_qualified_name())
        info.stamp = self.get_clock().now().to_msg()
        application.publish(info)

    def activate(self) -> None:
        """Subscribe to the camera and start the worker."""
        core = self._core
        core.snapshot(time.monotonic())
        self._working.set()
        self._worker = threading.Thread(target=self._work, args=(core,), name="inference", daemon=True)
        self._worker.start()
        self._elsewhere = WakeElsewhere(self._worker)
        stats = self.every(1.0 / self.parameters["stats_rate_hz"], self._publish_stats)
        watch = self.every(0.5, self._open_or_idle)
        self._timers_active = [stats, watch]
        self._open_or_idle()

    def deactivate(self) -> None:
        """Unsubscribe; the frame in work is finished."""
        for timer in self._timers_active:
            self.destroy_timer(timer)
        self._close_input()
        self._working.clear()
        if self._worker is not None:
            self._worker.join(timeout=5.0)
            self._worker = None
        if self._perception is not None:
            self._perception.keeper.store()

    def cleanup(self) -> None:
        """Release the networks and every publisher, subscription and service."""
        if self._perception is not None:
            self._perception.core.close()
        for destroy, entity in self._entities:
            destroy(entity)
        if self._output is not None:
            self._output.close()
        self._entities, self._output, self._perception, self._last_stats = [], None, None, None
        self._sequences.clear()

    def _open_or_idle(self) -> None:
        idle = (
            self.parameters["idle_when_unwatched"] and self._output is not None and not self._output.watched
        )
        if idle and self._input is not None:
            self.get_logger().info("nobody watches: taking no images")
            self._close_input()
        elif not idle and self._input is None:
            self._input = ImageInput(
                self,
                self._on_image,
                transport=self.parameters["image_transport"],
                reliability=self.parameters["image_reliability"],
                warn_after_s=self.parameters["no_frame_warning_s"],
            )

    def _close_input(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    def _on_image(self, message: Any) -> None:
        received_s = time.monotonic()
        age = age_ms(message.header.stamp, self.get_clock().now().nanoseconds)
        frame = image_frame(message) if hasattr(message, "encoding") else compressed_frame(message)
        with self._elsewhere or nullcontext():
            self._core.submit(frame, received_s=received_s, age_ms=age, tag=message)

    def _work(self, core: Any) -> None:
        """The worker thread: everything that takes time, outside the executor."""
        while self._working.is_set():
            try:
                arrival = core.next(timeout_s=0.2)
                if arrival is not None:
                    calls = core.calls
                    self._handle(core.run(arrival, now=time.monotonic))
                    if core.calls > calls:
                        self._called.trigger()  # the manager learns at once why
            except Exception as error:  # noqa: BLE001 - the worker must outlive any single frame
                self.guard.failed("inference", error)

    def _handle(self, outcome: Any) -> None:
        if isinstance(outcome, FrameDrop):
            if outcome.reason in NETWORK_FAILURES:
                self._failed_s, self._last_failure = time.monotonic(), f"{outcome.reason}: {outcome.detail}"
            self.guard.warn(f"drop {outcome.reason}", f"image dropped ({outcome.reason}): {outcome.detail}")
        elif self._output is not None:
            self._output.publish(outcome, outcome.tag)

    def _on_decision(self, message: SubnetDecision) -> None:
        if message.application != self._core.application:
            return
        if message.manager_id and message.sequence <= self._sequences.get(message.manager_id, -1):
            return
        try:
            self._core.on_decision(build(decision.SubnetDecision, message), time.monotonic())
        except RefusedMessage as error:
            self._refuse(f"subnet_decision {message.sequence} of {message.manager_id}: {error}")
            return
        self._sequences = {message.manager_id: message.sequence}

    def _on_target(self, message: QosTarget) -> None:
        """The manager judges targets; a valid one counts here until it has, so that none waits for it."""
        if message.application == self._core.application:
            with suppress(RefusedMessage):
                target = build(qos.QosTarget, message).validated()
                self._core.on_target(target.latency_ms, target.percentile, target.min_accuracy)

    def _refuse(self, text: str) -> None:
        self._refusals.add(text)
        self.diagnostics.publish()

    def _on_board(self, message: BoardState) -> None:
        if message.emulated_clocks:
            self._emulate(message)
            return
        self._forget_clock()
        for domain in message.clock_domains:
            if domain.available_mhz and domain.current_mhz > 0.0:
                full_mhz = max(domain.available_mhz)
                self._core.set_clock(
                    domain.name, domain.current_mhz, full_mhz, emulated=False, settable=domain.writable
                )

    def _emulate(self, message: BoardState) -> None:
        """Stretch inference to the clock of a simulated board, where that is wanted."""
        if self._core.emulation is None:
            return
        wanted = self.parameters["clock_domain"]
        domain = next((d for d in message.clock_domains if d.name == wanted), None)
        if domain is None or not domain.available_mhz:
            self._forget_clock()
            return
        if self._board_seen_s is None:
            self.get_logger().info(
                f"emulated clocks: inference is stretched to {wanted} of board {message.board}"
            )
        self._board_seen_s = time.monotonic()
        self._core.set_clock(wanted, domain.current_mhz, max(domain.available_mhz))

    def _on_clocks(self, message: DvfsDecision) -> None:
        """Pins that are new are expected at once: readings of them come later."""
        for domain, mhz in decision.new_pins(message.limits, self._pins).items():
            self._core.announce_clock(domain, mhz)
        self._pins = decision.pins(message.limits)

    def _forget_clock(self) -> None:
        if self._board_seen_s is not None:
            self._board_seen_s = None
            self._core.set_clock(self.parameters["clock_domain"], math.nan, math.nan)
            self.get_logger().info("clocks are not emulated any more")

    def _on_set_subnet(self, request: SetSubnet.Request, response: SetSubnet.Response) -> SetSubnet.Response:
        now_s = time.monotonic()
        try:
            if request.subnet:
                where = f" on {request.placement}" if request.placement else ""
                self._core.pin(request.subnet, now_s + _positive(request.duration_s), request.placement)
                response.message = f"{request.subnet}{where} runs for {request.duration_s:g} s"
            else:
                self._core.unpin()
                response.message = "released"
            response.success = True
        except RefusedMessage as error:
            response.success, response.message = False, str(error)
        self.get_logger().info(f"set_subnet: {response.message}")
        return response

    def _publish_stats(self) -> None:
        if self._board_seen_s is not None and time.monotonic() - self._board_seen_s > BOARD_TIMEOUT_S:
            self._forget_clock()
        if self._perception is not None:
            self._perception.keeper.tick(time.monotonic())
        self._last_stats = self._core.snapshot(time.monotonic())
        drops = [DropCount(reason=reason, count=count) for reason, count in self._last_stats.drops]
        stamp = self.get_clock().now().to_msg()
        self._stats.publish(fill(InferenceStats(), self._last_stats, stamp=stamp, drops=drops))

    def health(self) -> Health:
        """Trouble with the camera first, then refusals, then the numbers."""
        stats, source = self._last_stats, self._input
        values: dict[str, object] = {
            "application": self._core.application,
            "input": source.summary() if source else "idle, nobody watches",
            "refused_decisions": self._refusals.total,
            "last_refusal": self._refusals.last,
        }
        if stats is not None:
            names = (
                "subnet",
                "placement",
                "latency_p95_ms",
                "received_total",
                "inferred_total",
                "dropped_total",
                "last_drop",
            )
            values.update({name: getattr(stats, name) for name in names})
            values.update({f"dropped_{reason}": count for reason, count in stats.drops})
            values["clocks"] = "emulated clocks" if stats.emulated_clocks else "real clocks"
        values.update(self._residency())
        if source is not None and source.trouble:
            return Health(WARN, source.trouble, values)
        if self._refusals.recent:
            return Health(WARN, self._refusals.recent, values)
        if trouble := self._trouble():
            return Health(WARN, trouble, values)
        return Health(OK, "running", values)

    def _residency(self) -> dict[str, object]:
        """What is resident, and why the rest is not."""
        if self._perception is None:
            return {}
        bank = self._perception.engine.bank
        absent = [f"{name} on {where} ({why})" for (name, where), why in bank.not_resident.items()]
        return {
            "resident": ", ".join(f"{name} on {where}" for name, where in bank.keys),
            "not_resident": "; ".join(absent) or "none",
        }

    def _trouble(self) -> str:
        """A network that failed of late, or one that could not be made resident."""
        if time.monotonic() - self._failed_s < REFUSAL_SHOWN_S:
            return self._last_failure
        quarantined = self._perception.engine.bank.quarantined if self._perception else {}
        names = ", ".join(f"{name} on {where}: {why}" for (name, where), why in quarantined.items())
        return f"quarantined: {names}" if names else ""


def _positive(duration_s: float) -> float:
    if not 0.0 < duration_s < 1e9:
        raise RefusedMessage(f"set_subnet: duration_s = {duration_s} must be > 0 s")
    return duration_s


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(PerceptionNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
