"""One node's line in /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from dynofa_ros.nodes.conversions import key_values

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Health:
    """Level, one sentence for people, and values."""

    level: bytes
    text: str
    values: Mapping[str, object] = field(default_factory=dict)


class Diagnostics:
    """Publishes what `health` says once a second, and at once when told to."""

    def __init__(
        self, node: Node, health: Callable[[], Health], guard: Callable[..., Callable[..., object]]
    ) -> None:
        self._node = node
        self._health = health
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(
            1.0, guard(self.publish), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def publish(self) -> None:
        """Publish now."""
        health = self._health()
        name = self._node.get_fully_qualified_name().lstrip("/")
        status = DiagnosticStatus(
            level=health.level, name=name, message=health.text, hardware_id="dynofa_ros"
        )
        status.values = [KeyValue(key=key, value=text) for key, text in key_values(health.values)]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
