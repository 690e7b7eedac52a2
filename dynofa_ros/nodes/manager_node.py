"""The manager: targets, applications and the board in; sub-network and clock decisions out."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import BatteryState, Temperature

import dynofa_ros.msg as messages
from dynofa_ros.board.spec import find_spec, load_spec
from dynofa_ros.board.state import BoardState
from dynofa_ros.errors import ConfigError, RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.decision import ManagerOutput, ManagerStatus
from dynofa_ros.manager.manager import Manager
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.nodes.conversions import build, fill
from dynofa_ros.nodes.diagnostics import OK, WARN, Health
from dynofa_ros.nodes.guard import Refusals
from dynofa_ros.nodes.managed import ManagedNode
from dynofa_ros.nodes.manager_parameters import PARAMETERS, manager_config
from dynofa_ros.nodes.runtime import run

SENSOR_QOS = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
LATCH_PERIOD_S = 0.5
MOST_PENDING = 64
PROPOSED = "proposed/"
"""Before the topics of a manager that only proposes."""
_GOALS = {Objective.MAX_ACCURACY: "most accurate", Objective.MIN_ENERGY: "least energy"}


def board_models(name: str) -> BoardModels:
    """Models of a board file: a shipped name or a path, with or without "simulated:" before it.

    Raises:
        ConfigError: no such file, or it is not valid.
    """
    name = name.removeprefix("simulated:")
    is_file = name.endswith((".yaml", ".yml"))
    return (load_spec(Path(name).expanduser()) if is_file else find_spec(name)).models()


class ManagerNode(ManagedNode):
    """Everything it decides is a lease; it takes effect within one message of a new target."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("manager", PARAMETERS, stopping)
        self._manager: Manager | None = None
        self._entities: list[tuple[Any, Any]] = []
        self._publishers_by_type: dict[type, Any] = {}
        self._timer: Any = None
        self._latch_timer: Any = None
        self._hears_latched = False
        self._board_name = ""
        self._status: ManagerStatus | None = None
        self._refusals = Refusals(self.guard)
        self._heard: dict[str, str] = {}
        """Newest target of each application, as text."""
        self._pending: dict[str, messages.QosTarget] = {}
        """Latched targets of applications that did not present themselves yet."""

    def configure(self) -> None:
        """Open every topic; decisions start with `activate`."""
        manager_id = f"{self.get_name()}-{os.getpid()}-{time.time_ns() & 0xFFFFFF:06x}"
        self._manager = Manager(manager_config(self.parameters), manager_id)
        self._board_name, self._status = "", None
        self._hears_latched = False
        self._heard.clear()
        self._pending.clear()
        if self.parameters["board_model"]:
            self._manager.set_models(board_models(self.parameters["board_model"]))
        types = {
            "subnet_decision": messages.SubnetDecision,
            "dvfs_decision": messages.DvfsDecision,
            "manager_status": messages.ManagerStatus,
        }
        prefix = PROPOSED if self.parameters["dry_run"] else ""
        self._publishers_by_type = {
            kind: self.create_publisher(kind, prefix + topic, 10) for topic, kind in types.items()
        }
        self._entities = [
            (self.destroy_publisher, publisher) for publisher in self._publishers_by_type.values()
        ]
        latched = QoSProfile(depth=32, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self._listen(messages.Application, "application", self._on_application, latched)
        self._listen(messages.QosTarget, "qos_target", self._on_target, 10)
        self._listen(messages.InferenceStats, "inference_stats", self._on_stats, 50)
        self._listen(messages.BoardState, "board_state", self._on_board, 10)
        if self.parameters["battery_topic"]:
            self._listen(BatteryState, self.parameters["battery_topic"], self._on_battery, SENSOR_QOS)
        if self.parameters["temperature_topic"]:
            topic = self.parameters["temperature_topic"]
            self._listen(Temperature, topic, self._on_temperature, SENSOR_QOS)

    def _hear_latched(self) -> None:
        """Hear targets from before this node's start once somebody latches any.

        Not from the beginning: every publisher that latches nothing would be told of an incompatible QoS.
        """
        infos = self.get_publishers_info_by_topic(self.resolve_topic_name("qos_target"))
        latched = QoSDurabilityPolicy.TRANSIENT_LOCAL
        if self._hears_latched or all(info.qos_profile.durability != latched for info in infos):
            return
        self._hears_latched = True
        qos = QoSProfile(depth=32, durability=latched)
        self._listen(messages.QosTarget, "qos_target", self._on_latched_target, qos)

    def _listen(self, kind: type, topic: str, callback: Any, qos: Any) -> None:
        subscription = self.create_subscription(kind, topic, self.guard(callback), qos)
        self._entities.append((self.destroy_subscription, subscription))

    def activate(self) -> None:
        """Decide at a steady rate."""
        self._timer = self.every(1.0 / self.parameters["rate_hz"], self._step)
        self._latch_timer = self.every(LATCH_PERIOD_S, self._hear_latched)

    def deactivate(self) -> None:
        """Decide no more; decisions run out with their leases."""
        for timer in filter(None, (self._timer, self._latch_timer)):
            self.destroy_timer(timer)
        self._timer = self._latch_timer = None

    def cleanup(self) -> None:
        """Close every topic and forget what was learnt."""
        for destroy, entity in self._entities:
            destroy(entity)
        self._entities, self._publishers_by_type, self._manager = [], {}, None

    @property
    def _core(self) -> Manager:
        if self._manager is None:
            raise RefusedMessage(f"{self.get_name()} is not configured")
        return self._manager

    def _step(self) -> None:
        self._publish(self._core.step(time.monotonic()))

    def _publish(self, output: ManagerOutput | None) -> None:
        if output is None:
            return
        self._status = output.status
        if self.state != "active":
            return
        stamp = self.get_clock().now().to_msg()
        for decision in output.decisions:
            self._publishers_by_type[messages.SubnetDecision].publish(
                fill(messages.SubnetDecision(), decision, stamp=stamp)
            )
        if output.dvfs is not None:
            self._publishers_by_type[messages.DvfsDecision].publish(
                fill(messages.DvfsDecision(), output.dvfs, stamp=stamp)
            )
        self._publishers_by_type[messages.ManagerStatus].publish(
            fill(messages.ManagerStatus(), output.status, stamp=stamp)
        )

    def _on_application(self, message: messages.Application) -> None:
        try:
            output = self._core.on_application(build(ApplicationInfo, message), time.monotonic())
        except RefusedMessage as error:
            self._refuse(str(error))
            return
        count = len(message.operating_points)
        self.get_logger().info(
            f"application {message.name}: family {message.family}, {count} operating points"
        )
        self._publish(output)
        pending = self._pending.pop(message.name, None)
        if pending is not None:
            self._on_target(pending)

    def _on_latched_target(self, message: messages.QosTarget) -> None:
        """A target of a latched publisher, perhaps older than this node or than the application it names."""
        if not self._core.knows(message.application):
            if len(self._pending) < MOST_PENDING:
                self._pending[message.application] = message
        elif repr(message) != self._heard.get(message.application):
            self._on_target(message)

    def _on_target(self, message: messages.QosTarget) -> None:
        target = build(QosTarget, message)
        self._heard[target.application] = repr(message)
        try:
            output = self._core.on_target(target, time.monotonic())
        except RefusedMessage as error:
            self._refuse(str(error))
            self._publish(self._core.step(time.monotonic()))
            return
        self.get_logger().info(f"target of {target.application}: {_in_words(target.validated())}")
        self._publish(output)

    def _on_battery(self, message: BatteryState) -> None:
        self._core.on_battery(message.percentage)

    def _on_temperature(self, message: Temperature) -> None:
        self._core.on_temperature(message.temperature, time.monotonic())

    def _on_stats(self, message: messages.InferenceStats) -> None:
        self._publish(self._core.on_stats(message, time.monotonic()))

    def _on_board(self, message: messages.BoardState) -> None:
        if message.board != self._board_name:
            self._learn_board(message.board)
        state = build(BoardState, message)
        self._publish(self._core.on_board_state(state, time.monotonic()))

    def _learn_board(self, name: str) -> None:
        self._board_name = name
        if self.parameters["board_model"]:
            return
        try:
            self._core.set_models(board_models(name))
            self.get_logger().info(f"board {name}: power and thermal models loaded")
        except ConfigError as error:
            self._core.set_models(None)
            self.get_logger().info(
                f"board {name}: decides without a power and thermal model ({error}); parameter board_model "
                "names a board file of yours"
            )

    def _refuse(self, text: str) -> None:
        self._refusals.add(text)
        self.diagnostics.publish()

    def health(self) -> Health:
        """A recent refusal, else whether every constraint is met."""
        status = self._status
        values: dict[str, object] = {"last_refusal": self._refusals.last, "board": self._board_name}
        if status is not None:
            names = (
                "manager_id",
                "feasible",
                "binding_constraint",
                "decisions_total",
                "refused_targets_total",
            )
            values.update({name: getattr(status, name) for name in names})
            values.update({f"subnet of {a.application}": a.subnet for a in status.applications})
        if self._refusals.recent:
            return Health(WARN, self._refusals.recent, values)
        if status is not None and not status.feasible:
            return Health(WARN, f"not every constraint can be met: {status.binding_constraint}", values)
        if status is not None and status.remarks:
            return Health(WARN, status.status, values)
        return Health(OK, status.status if status else "waiting for applications", values)


def _in_words(target: QosTarget) -> str:
    """A valid target for people, e.g. "25 ms at p95, most accurate"."""
    words = [f"{target.latency_ms:g} ms at p{100.0 * target.percentile:g}", _GOALS[target.objective]]
    if target.min_accuracy > 0.0:
        words.append(f"at least {100.0 * target.min_accuracy:g} % accurate")
    if not math.isnan(target.max_power_w):
        words.append(f"the board within {target.max_power_w:g} W")
    if math.isfinite(target.lifetime_s):
        words.append(f"for {target.lifetime_s:g} s")
    return ", ".join(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(ManagerNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
