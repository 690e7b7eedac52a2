"""One run of camera process -> perception process -> this process over DDS, every frame accounted for."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from dynofa_ros.msg import Classification, InferenceStats
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from dynofa_ros.dds_profile import PROFILE_VARIABLES
from dynofa_ros.demo.commands import environment, private_domain
from dynofa_ros.demo.processes import Supervisor

FloatArray = npt.NDArray[np.float64]

STAGES = ("transport_ms", "queue_ms", "preprocess_ms", "inference_ms", "postprocess_ms", "latency_ms")
PATIENCE_S = 120.0
SETTLE_S = 2.0
PRERENDERED = 20
NS_PER_MS = 1e6


@dataclass(frozen=True)
class Setting:
    """What a run is made with; `profile` False: DDS as it comes."""

    width: int
    height: int
    seconds: float
    rate_hz: float = 30.0
    reliability: str = "best_effort"
    profile: bool = True
    executor: str = "single"

    @property
    def frames(self) -> int:
        """Frames that the camera sends."""
        return round(self.seconds * self.rate_hz)


@dataclass(frozen=True)
class Outcome:
    """What came of it. `rows`: float64 (results, 1 + len(STAGES)): stamp to receipt here, then the stages."""

    sent: int
    late: int
    received: int
    inferred: int
    drops: dict[str, int]
    subnet: str
    rows: FloatArray
    intervals_ms: FloatArray
    busy: dict[str, float]
    """Processor time over wall time, per process."""


class Listener:
    """Subscribes to results, statistics and diagnostics, and starts the camera."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self._node = rclpy.create_node("listener", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.rows: list[tuple[float, ...]] = []
        self.stats: Any = None
        self.camera: dict[str, str] = {}
        self.first_s = self.last_s = 0.0
        self._node.create_subscription(Classification, "/perception/classification", self._on_result, 100)
        self._node.create_subscription(InferenceStats, "/inference_stats", self._on_stats, 10)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self._camera_parameters = self._node.create_client(SetParameters, "/camera/set_parameters")

    def _on_result(self, message: Classification) -> None:
        received_ns = time.time_ns()
        stamp = message.header.stamp
        elapsed_ms = (received_ns - stamp.sec * 10**9 - stamp.nanosec) / NS_PER_MS
        self.rows.append((elapsed_ms, *(getattr(message, stage) for stage in STAGES)))
        self.last_s = time.monotonic()
        self.first_s = self.first_s or self.last_s

    def _on_stats(self, message: InferenceStats) -> None:
        self.stats = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "camera":
                self.camera = {"message": status.message, **{v.key: v.value for v in status.values}}

    def wait(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
        """Spin until `condition` holds.

        Raises:
            RuntimeError: it does not in time.
        """
        end_s = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > end_s:
                raise RuntimeError(f"waited {patience_s:.0f} s in vain for {what}")
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, seconds: float) -> None:
        """Spin for some time."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    def start_camera(self) -> None:
        """Let the camera stream."""
        self.wait(self._camera_parameters.service_is_ready, "the camera")
        self.listen(SETTLE_S)
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
        request = SetParameters.Request(parameters=[Parameter(name="streaming", value=value)])
        self.wait(self._camera_parameters.call_async(request).done, "the camera's answer")

    def close(self) -> None:
        """End the node and its context."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        self._context.try_shutdown()


def _variables(setting: Setting, domain: int) -> dict[str, str]:
    values = environment(domain)
    if not setting.profile:
        values.update(dict.fromkeys(PROFILE_VARIABLES, ""))
    return values


def _parameters(**values: object) -> list[str]:
    text = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    return ["--ros-args", *(part for name, value in text.items() for part in ("-p", f"{name}:={value}"))]


def _camera(setting: Setting) -> list[str]:
    return _parameters(
        width=setting.width,
        height=setting.height,
        rate_hz=float(setting.rate_hz),
        encoding="bgr8",
        reliability=setting.reliability,
        prerender=PRERENDERED,
        wait_for_subscribers=1,
        max_frames=setting.frames,
        streaming=False,
    )


def _cpu_s(pid: int) -> float:
    """Processor time of a process [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _intervals_ms(file: Path, first_s: float, last_s: float) -> FloatArray:
    """Time between the timer's ticks [ms], of the runs that lie within the frames."""
    runs = json.loads(file.read_text(encoding="utf-8"))
    inside = [np.diff(run) for run in runs if len(run) > 1 and run[0] >= first_s and run[-1] <= last_s]
    return np.concatenate(inside) * 1e3 if inside else np.zeros(0)


def run_trial(setting: Setting, family: str = "digits") -> Outcome:
    """Start the processes, stream, and end them.

    Raises:
        RuntimeError, DynofaError: a process did not start or ended by itself; the message has its log's end.
    """
    domain = private_domain()
    variables = _variables(setting, domain)
    os.environ.update(variables)
    perception = str(Path(__file__).with_name("timed_perception.py"))
    with tempfile.TemporaryDirectory(prefix="dynofa_transport_") as folder:
        ticks = Path(folder) / "ticks.json"
        with Supervisor(Path(folder), variables) as children:
            options = _parameters(family=family, executor=setting.executor)
            children.start("perception", [sys.executable, perception, str(ticks), *options])
            children.start_module("camera", "dynofa_ros.nodes.camera_node", _camera(setting))
            listener = Listener(domain)
            try:
                busy = _stream(setting, listener, children)
            finally:
                listener.close()
        return _outcome(listener, busy, _intervals_ms(ticks, listener.first_s, listener.last_s))


def _stream(setting: Setting, listener: Listener, children: Supervisor) -> dict[str, float]:
    """Let the camera send all its frames; processor shares of both processes meanwhile."""

    def started() -> bool:
        children.check()
        return listener.stats is not None

    listener.wait(started, "perception's start")
    listener.start_camera()
    pids = {name: children.pid(name) for name in children.running}
    start_s, used_s = time.monotonic(), {name: _cpu_s(pid) for name, pid in pids.items()}
    listener.wait(
        lambda: "ended" in listener.camera.get("message", ""), "the last frame", setting.seconds + PATIENCE_S
    )
    wall_s = time.monotonic() - start_s
    busy = {name: (_cpu_s(pid) - used_s[name]) / wall_s for name, pid in pids.items()}
    listener.listen(SETTLE_S)
    children.check()
    return busy


def _outcome(listener: Listener, busy: dict[str, float], intervals_ms: FloatArray) -> Outcome:
    stats = listener.stats
    return Outcome(
        sent=int(listener.camera["frames"]),
        late=int(listener.camera["late_frames"]),
        received=stats.received_total,
        inferred=stats.inferred_total,
        drops={drop.reason: drop.count for drop in stats.drops},
        subnet=stats.subnet,
        rows=np.array(listener.rows, np.float64).reshape(-1, 1 + len(STAGES)),
        intervals_ms=intervals_ms,
        busy=busy,
    )
