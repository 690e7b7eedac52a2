"""The manager: targets, applications and the board in; sub-network and clock decisions out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from rclpy.qos import QoSDurabilityPolicy, QoSProfile

import dynofa_ros.msg as messages
from dynofa_ros.board.spec import find_spec
from dynofa_ros.board.state import BoardState
from dynofa_ros.errors import ConfigError, RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.decision import ManagerOutput, ManagerStatus
from dynofa_ros.manager.manager import Manager
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.nodes.conversions import build, fill
from dynofa_ros.nodes.diagnostics import OK, WARN, Health
from dynofa_ros.nodes.guard import Refusals
from dynofa_ros.nodes.managed import ManagedNode
from dynofa_ros.nodes.manager_parameters import PARAMETERS, manager_config
from dynofa_ros.nodes.runtime import run


class ManagerNode(ManagedNode):
    """Everything it decides is a lease; it takes effect within one message of a new target."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__("manager", PARAMETERS, stopping)
        self._manager: Manager | None = None
        self._entities: list[tuple[Any, Any]] = []
        self._publishers_by_type: dict[type, Any] = {}
        self._timer: Any = None
        self._board_name = ""
        self._status: ManagerStatus | None = None
        self._refusals = Refusals(self.guard)

    def configure(self) -> None:
        """Open every topic; decisions start with `activate`."""
        manager_id = f"{self.get_name()}-{os.getpid()}-{time.time_ns() & 0xFFFFFF:06x}"
        self._manager = Manager(manager_config(self.parameters), manager_id)
        self._board_name, self._status = "", None
        types = {
            "subnet_decision": messages.SubnetDecision,
            "dvfs_decision": messages.DvfsDecision,
            "manager_status": messages.ManagerStatus,
        }
        self._publishers_by_type = {
            kind: self.create_publisher(kind, topic, 10) for topic, kind in types.items()
        }
        self._entities = [
            (self.destroy_publisher, publisher) for publisher in self._publishers_by_type.values()
        ]
        latched = QoSProfile(depth=32, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self._listen(messages.Application, "application", self._on_application, latched)
        self._listen(messages.QosTarget, "qos_target", self._on_target, 10)
        self._listen(messages.InferenceStats, "inference_stats", self._on_stats, 50)
        self._listen(messages.BoardState, "board_state", self._on_board, 10)

    def _listen(self, kind: type, topic: str, callback: Any, qos: Any) -> None:
        subscription = self.create_subscription(kind, topic, self.guard(callback), qos)
        self._entities.append((self.destroy_subscription, subscription))

    def activate(self) -> None:
        """Decide at a steady rate."""
        self._timer = self.every(1.0 / self.parameters["rate_hz"], self._step)

    def deactivate(self) -> None:
        """Decide no more; decisions run out with their leases."""
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None

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

    def _on_target(self, message: messages.QosTarget) -> None:
        target = build(QosTarget, message)
        try:
            output = self._core.on_target(target, time.monotonic())
        except RefusedMessage as error:
            self._refuse(str(error))
            self._publish(self._core.step(time.monotonic()))
            return
        self.get_logger().info(f"target of {target.application}: {target.latency_ms:g} ms")
        self._publish(output)

    def _on_stats(self, message: messages.InferenceStats) -> None:
        self._core.on_stats(message, time.monotonic())

    def _on_board(self, message: messages.BoardState) -> None:
        if message.board != self._board_name:
            self._learn_board(message.board)
        state = build(BoardState, message)
        self._publish(self._core.on_board_state(state, time.monotonic()))

    def _learn_board(self, name: str) -> None:
        self._board_name = name
        try:
            self._core.set_models(find_spec(name).models())
            self.get_logger().info(f"board {name}: power and thermal models loaded")
        except ConfigError as error:
            self._core.set_models(None)
            self.get_logger().info(f"board {name}: decides without a power and thermal model ({error})")

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
            return Health(WARN, f"refused: {self._refusals.recent}", values)
        if status is not None and not status.feasible:
            return Health(WARN, f"not every constraint can be met: {status.binding_constraint}", values)
        return Health(OK, status.status if status else "waiting for applications", values)


def main(argv: Sequence[str] | None = None) -> int:
    """Process entry."""
    return run(ManagerNode, argv)


if __name__ == "__main__":
    raise SystemExit(main())
