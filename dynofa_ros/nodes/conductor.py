"""The demonstration's hand in the ROS graph: publishes targets and events, moves caps, watches everything."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions

from dynofa_ros.demo.live_state import BoardView, LiveState, Result
from dynofa_ros.demo.plan import OBJECTIVE_WORDS, Target
from dynofa_ros.errors import DynofaError
from dynofa_ros.msg import (
    Application,
    BoardState,
    Classification,
    GroundTruth,
    InferenceStats,
    ManagerStatus,
    QosTarget,
    SubnetDecision,
)
from dynofa_ros.nodes.conversions import fill, stamp_ns
from dynofa_ros.nodes.guard import Guard
from dynofa_ros.simulation.extract import END, EVENTS_TOPIC, START
from dynofa_ros.srv import SetSubnet

SERVICE_TIMEOUT_S = 5.0
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ConductorNode(Node):
    """Everything the demonstration says to and hears from the other nodes."""

    def __init__(self, context: Context, applications: Sequence[str], live: LiveState) -> None:
        super().__init__("conductor", context=context)
        self.guard = Guard(self)
        self.live = live
        self.points: dict[str, Any] = {}  # application -> operating points
        self.stats: dict[str, Any] = {}  # application -> newest InferenceStats
        self.overheads_ms: list[float] = []
        self.board: Any = None
        self.manager_seen = False
        self.recorder_heard: frozenset[str] = frozenset()  # nodes that the recorder has heard
        self._refusal = ""
        self._caps: dict[str, float] = {}
        self._decided: dict[str, str] = {}
        self._targets = self.create_publisher(QosTarget, "qos_target", 10)
        self._events = self.create_publisher(DiagnosticArray, EVENTS_TOPIC, LATCHED)
        self._service_clients: dict[str, Any] = {}
        self._listen(applications)

    def _listen(self, applications: Sequence[str]) -> None:
        depth = 50
        for name in applications:
            self.create_subscription(
                Classification, f"{name}/classification", self.guard(self._on_result), depth
            )
            self.create_subscription(GroundTruth, f"{name}/labels", self.guard(self._on_label), depth)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.guard(self._on_diagnostics), depth)
        topics: tuple[tuple[Any, str, Callable[[Any], None], Any], ...] = (
            (Application, "application", self._on_application, LATCHED),
            (InferenceStats, "inference_stats", self._on_stats, depth),
            (BoardState, "board_state", self._on_board, 10),
            (ManagerStatus, "manager_status", self._on_status, 10),
            (SubnetDecision, "subnet_decision", self._on_decision, 10),
        )
        for kind, topic, callback, qos in topics:
            self.create_subscription(kind, topic, self.guard(callback), qos)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "recorder":
                values = {pair.key: pair.value for pair in status.values}
                self.recorder_heard = frozenset(values.get("heard", "").split(", "))

    def _on_application(self, message: Application) -> None:
        self.points[message.name] = list(message.operating_points)
        self.live.update(message.name)

    def _on_label(self, message: GroundTruth) -> None:
        self.live.add_label(message.application, stamp_ns(message.header.stamp), message.label)

    def _on_result(self, message: Classification) -> None:
        view = self.live.snapshot().applications.get(message.application)
        target_ms = message.target_latency_ms
        if math.isnan(target_ms) and view is not None:
            target_ms = view.target_ms
        result = Result(message.latency_ms, target_ms, message.subnet, None)
        predicted = message.results[0].label if message.results else ""
        self.overheads_ms.append(message.latency_ms - message.inference_ms)
        self.live.add_result(message.application, stamp_ns(message.header.stamp), result, predicted)

    def _on_stats(self, message: InferenceStats) -> None:
        self.stats[message.application] = message
        self.live.update(
            message.application,
            received=message.received_total,
            inferred=message.inferred_total,
            dropped=message.dropped_total,
            slowdown=message.slowdown,
        )

    def _on_board(self, message: BoardState) -> None:
        self.board = message
        clocked = {element.clock_domain for element in message.elements if element.name == "cpu"}
        chosen = [d for d in message.clock_domains if d.name in clocked] or list(message.clock_domains)[:1]
        temperatures = [z.temperature_degc for z in message.zones if math.isfinite(z.temperature_degc)]
        self.live.set_board(
            BoardView(
                name=message.board,
                emulated_clocks=message.emulated_clocks,
                power_w=message.power_w,
                temperature_degc=max(temperatures, default=math.nan),
                clocks={d.name: (d.current_mhz, _lower(d.max_mhz, d.cap_mhz)) for d in chosen},
                throttling=message.throttling,
            )
        )

    def _on_status(self, message: ManagerStatus) -> None:
        self.manager_seen = True
        if message.last_refusal and message.last_refusal != self._refusal:
            self._refusal = message.last_refusal
            self.live.say(f"refused  {message.last_refusal}")
        for status in message.applications:
            self.live.update(status.application, reason=status.reason.removeprefix(f"{status.application} "))

    def _on_decision(self, message: SubnetDecision) -> None:
        before = self._decided.get(message.application)
        if before == message.subnet:
            return
        self._decided[message.application] = message.subnet
        self.live.say(f"decided  {message.reason or message.subnet}")

    def publish_target(self, target: Target) -> None:
        """Publish one QosTarget, stamped now."""
        self._targets.publish(
            fill(QosTarget(), target, stamp=self.get_clock().now().to_msg(), max_power_w=math.nan)
        )
        words = OBJECTIVE_WORDS.get(target.objective, "")
        self.live.update(target.application, target_ms=target.latency_ms, objective=words)

    def publish_event(self, kind: str, label: str, application: str = "") -> None:
        """Note an outside event, so that it is in the bag."""
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name="scenario", message=label)
        pairs = {"kind": kind, "application": application}
        status.values = [KeyValue(key=key, value=value) for key, value in pairs.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(message)
        if kind not in (START, END):
            self.live.say(f"event    {label}")

    def set_cap(self, domain: str, mhz: float) -> None:
        """Set an outside cap of the simulated board; NaN lifts it."""
        if math.isnan(mhz):
            self._caps.pop(domain, None)
        else:
            self._caps[domain] = mhz
        text = ",".join(f"{name}:{value:g}" for name, value in self._caps.items())
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
        self._set_parameter("board", "cap_mhz", value)

    def set_streaming(self, application: str, streams: bool) -> None:
        """Let an application's camera release frames, or hold them."""
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=streams)
        self._set_parameter(f"{application}_camera", "streaming", value)

    def pin(self, application: str, subnet: str, seconds: float) -> None:
        """Pin a sub-network by hand."""
        request = SetSubnet.Request(subnet=subnet, duration_s=float(seconds))
        response = self._call(SetSubnet, f"{application}/set_subnet", request)
        if not response.success:
            raise DynofaError(f"{application}/set_subnet {subnet}: {response.message}")

    def _set_parameter(self, node: str, name: str, value: ParameterValue) -> None:
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        response = self._call(SetParameters, f"{node}/set_parameters", request)
        for result in response.results:
            if not result.successful:
                raise DynofaError(f"parameter {name} of {node}: {result.reason}")

    def _client(self, kind: Any, name: str) -> Any:
        if name not in self._service_clients:
            self._service_clients[name] = self.create_client(kind, name)
        return self._service_clients[name]

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        client = self._client(kind, name)
        if not client.wait_for_service(timeout_sec=SERVICE_TIMEOUT_S):
            raise DynofaError(f"service {name} is not there after {SERVICE_TIMEOUT_S:.0f} s")
        future = client.call_async(request)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(SERVICE_TIMEOUT_S):
            raise DynofaError(f"service {name} does not answer within {SERVICE_TIMEOUT_S:.0f} s")
        return future.result()


def _lower(limit: float, cap: float) -> float:
    known = [value for value in (limit, cap) if math.isfinite(value)]
    return min(known, default=math.nan)


class Conductor:
    """A ConductorNode in a context of its own (DDS domain), spun by a thread. Use as a context manager."""

    def __init__(self, domain_id: int, applications: Sequence[str], live: LiveState) -> None:
        self._context = Context()
        rclpy.init(
            args=[],
            context=self._context,
            domain_id=domain_id,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = ConductorNode(self._context, applications, live)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="conductor", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop.is_set() and self._context.ok():
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
            except Exception as error:  # noqa: BLE001 - the demonstration must be able to clean up
                self.node.guard.failed("executor", error)

    def __enter__(self) -> ConductorNode:
        return self.node

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=3.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
