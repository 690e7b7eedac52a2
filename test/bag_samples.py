"""Small bags as the demonstration records them, written without ROS."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from dynofa_ros.simulation.bag import BagWriter

BEGIN_NS = 5_000_000_000_000
EMPTY: dict[str, Any] = {"float": math.nan, "int": 0, "bool": False, "str": ""}
LATENCY_MS = {"small": 4.0, "large": 12.0}


class DemoBag:
    """Writes messages of one application, `front`, at times in seconds since the scenario's start."""

    def __init__(self, bag: BagWriter) -> None:
        self._bag = bag
        self._types = bag.types

    def make(self, name: str, /, **fields: Any) -> Any:
        """A message of this package; fields that are not given are empty, 0 or NaN."""
        kind = self._types[f"dynofa_ros/msg/{name}"]
        others = {field.name: EMPTY.get(str(field.type), []) for field in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in others.items() if name[:2] != "__"} | fields)

    def time(self, t_s: float) -> Any:
        ns = BEGIN_NS + round(t_s * 1e9)
        return self._types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)

    def header(self, t_s: float) -> Any:
        return self._types["std_msgs/msg/Header"](stamp=self.time(t_s), frame_id="camera")

    def write(self, topic: str, kind: str, t_s: float, message: Any) -> None:
        self._bag.add_topic(topic, kind)
        self._bag.write(topic, BEGIN_NS + round(t_s * 1e9), message)

    def event(self, t_s: float, kind: str, label: str) -> None:
        pair = self._types["diagnostic_msgs/msg/KeyValue"]
        status = self._types["diagnostic_msgs/msg/DiagnosticStatus"](
            level=0,
            name="scenario",
            message=label,
            hardware_id="",
            values=[pair(key="kind", value=kind), pair(key="application", value="front")],
        )
        message = self._types["diagnostic_msgs/msg/DiagnosticArray"](header=self.header(t_s), status=[status])
        self.write("/scenario_events", "diagnostic_msgs/msg/DiagnosticArray", t_s, message)

    def target(self, t_s: float, latency_ms: float) -> None:
        message = self.make(
            "QosTarget", stamp=self.time(t_s), application="front", latency_ms=latency_ms, percentile=0.95,
            min_accuracy=math.nan, max_power_w=math.nan, objective=0, priority=0, lifetime_s=0.0,
        )  # fmt: skip
        self.write("/qos_target", "dynofa_ros/msg/QosTarget", t_s, message)

    def frame(self, t_s: float, subnet: str = "", right: bool = True) -> None:
        """A frame with its label; with a sub-network also its result."""
        truth = self.make("GroundTruth", header=self.header(t_s), application="front", label="3")
        self.write("/front/labels", "dynofa_ros/msg/GroundTruth", t_s, truth)
        if not subnet:
            return
        latency_ms = LATENCY_MS[subnet]
        score = self.make("ClassScore", id="3", label="3" if right else "5", score=0.9)
        result = self.make(
            "Classification", header=self.header(t_s), application="front", family="f", subnet=subnet,
            placement="cpu/x/fp32/1", element="cpu",
            frame=0, results=[score], transport_ms=1.0, queue_ms=0.1, preprocess_ms=0.2,
            inference_ms=latency_ms - 2.0, postprocess_ms=0.1, latency_ms=latency_ms,
            target_latency_ms=math.nan, deadline_met=True, emulated_clocks=True, stretch=1.5,
        )  # fmt: skip
        self.write("/front/classification", "dynofa_ros/msg/Classification", t_s + 0.01, result)

    def stats(self, t_s: float, received: int, inferred: int, dropped: int) -> None:
        drops = [self.make("DropCount", reason="replaced_by_newer", count=dropped)] if dropped else []
        message = self.make(
            "InferenceStats", stamp=self.time(t_s), application="front", subnet="small",
            placement="cpu/x/fp32/1", element="cpu",
            window_ms=250.0, frames=0, deadline_misses=0, period_ms=math.nan, latency_p50_ms=math.nan,
            latency_p95_ms=math.nan, latency_max_ms=math.nan, inference_p50_ms=math.nan,
            overhead_ms=math.nan, slowdown=math.nan, slowdown_tail=math.nan, busy=0.0, emulated_clocks=True,
            received_total=received, inferred_total=inferred, dropped_total=dropped, switches_total=1,
            drops=drops, last_drop="", reflex="",
        )  # fmt: skip
        self.write("/inference_stats", "dynofa_ros/msg/InferenceStats", t_s, message)

    def board(self, t_s: float, power_w: float, mhz: float, cap_mhz: float = math.nan) -> None:
        domain = self.make(
            "ClockDomain", name="cpu0", current_mhz=mhz, min_mhz=115.0, max_mhz=1728.0, cap_mhz=cap_mhz,
            available_mhz=np.array([115.0, 1728.0]), governor="", writable=True,
        )  # fmt: skip
        zone = self.make("ThermalZone", name="cpu", temperature_degc=48.0, trip_degc=99.0)
        message = self.make(
            "BoardState", stamp=self.time(t_s), sequence=1, board="jetson_orin_nano_super", simulated=True,
            emulated_clocks=True, rails=[], zones=[zone], elements=[], clock_domains=[domain],
            power_w=power_w, throttling=False, clock_changes=0, status="",
        )  # fmt: skip
        self.write("/board_state", "dynofa_ros/msg/BoardState", t_s, message)

    def decision(self, t_s: float, subnet: str, reason: str) -> None:
        message = self.make(
            "SubnetDecision", stamp=self.time(t_s), application="front", manager_id="m", sequence=1,
            validity_ms=2000.0, subnet=subnet, placement="", element="cpu", threads=0, target_latency_ms=10.0,
            percentile=0.95, predicted_latency_ms=4.5, predicted_energy_mj=math.nan,
            predicted_accuracy=0.9, feasible=True,
            alternatives=[], reason=reason,
        )  # fmt: skip
        self.write("/subnet_decision", "dynofa_ros/msg/SubnetDecision", t_s, message)


def write_demo_bag(path: Path, subnets: list[str], frames: int = 60, missing: int = 0) -> Path:
    """Frames at 10 Hz, one of them before the start, target 10 ms; `missing` ones are in no statistics."""
    with BagWriter(path) as bag:
        demo = DemoBag(bag)
        demo.frame(-1.0, subnets[0])
        demo.event(0.0, "start", "managed")
        demo.event(0.0, "qos", "front: 10.0 ms")
        demo.target(0.0, 10.0)
        demo.decision(0.05, subnets[0], "fits")
        for index in range(frames):
            demo.board(index * 0.1, 7.0, 1728.0 if index < 30 else 600.0, math.nan if index < 30 else 600.0)
            demo.frame(0.1 * index + 0.02, subnets[index % len(subnets)], right=index % 5 != 0)
        demo.event(0.1 * frames, "end", "managed")
        demo.stats(0.1 * frames + 0.5, frames + 1 - missing, frames + 1 - missing, 0)
    return path
