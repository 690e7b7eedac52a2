"""Command lines of the nodes that the demonstration starts, and the environment that they share."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dynofa_ros.dds_profile import profile_variables, shipped_profile
from dynofa_ros.demo.scenario import Scenario

WARM_UP_S = 6.0
MOST_PRERENDERED = 1000  # 230 MB at 320x240
NODES = "dynofa_ros.nodes"
RECORDED = (  # /diagnostics last: see Stage._recorded
    ("application", "dynofa_ros/msg/Application", True),
    ("qos_target", "dynofa_ros/msg/QosTarget", False),
    ("scenario_events", "diagnostic_msgs/msg/DiagnosticArray", True),
    ("inference_stats", "dynofa_ros/msg/InferenceStats", False),
    ("board_state", "dynofa_ros/msg/BoardState", False),
    ("subnet_decision", "dynofa_ros/msg/SubnetDecision", False),
    ("dvfs_decision", "dynofa_ros/msg/DvfsDecision", False),
    ("manager_status", "dynofa_ros/msg/ManagerStatus", False),
    ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", False),
)
RECORDED_PER_APPLICATION = (
    ("{}/labels", "dynofa_ros/msg/GroundTruth"),
    ("{}/classification", "dynofa_ros/msg/Classification"),
    ("{}/image/compressed", "sensor_msgs/msg/CompressedImage"),
)


@dataclass(frozen=True)
class Command:
    """A child process: its name, Python module and arguments."""

    name: str
    module: str
    arguments: tuple[str, ...]


def environment(domain_id: int) -> dict[str, str]:
    """Return what all processes add to their environment: a private DDS domain, room for large images."""
    values = {
        "ROS_DOMAIN_ID": str(domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return {**values, **profile_variables(shipped_profile(), os.environ)}


def private_domain() -> int:
    """Return a DDS domain id that nobody is likely to use."""
    return 20 + secrets.randbelow(80)


def _ros(name: str, parameters: Mapping[str, object], remaps: Mapping[str, str]) -> tuple[str, ...]:
    arguments = ["--ros-args", "-r", f"__node:={name}"]
    for source, target in remaps.items():
        arguments += ["-r", f"{source}:={target}"]
    for key, value in parameters.items():
        arguments += ["-p", f"{key}:={_text(value)}"]
    return tuple(arguments)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def recorder(applications: tuple[str, ...], bag: Path) -> Command:
    """Return the recorder: every topic of the demonstration from the first message on."""
    topics = [f"{name.format(app)} {kind}" for app in applications for name, kind in RECORDED_PER_APPLICATION]
    topics += [f"{name} {kind}{' latched' if latched else ''}" for name, kind, latched in RECORDED]
    parameters = {"path": str(bag), "topics": ", ".join(topics), "discover": False}
    return Command("recorder", f"{NODES}.recorder_node", _ros("recorder", parameters, {}))


def board(scenario: Scenario) -> Command:
    """Return the simulated board, chosen by name."""
    return Command(
        "board", f"{NODES}.board_node", _ros("board", {"board": f"simulated:{scenario.board}"}, {})
    )


def manager() -> Command:
    """Return the manager."""
    return Command("manager", f"{NODES}.manager_node", _ros("manager", {}, {}))


def perception(application: str, family: str, random_weights: bool) -> Command:
    """Return one perception node; it infers with one thread, as a robot with other work would."""
    parameters = {
        "application": application,
        "family": family,
        "random_weights": random_weights,
        "threads": 1,
        "image_reliability": "reliable",
    }
    arguments = _ros(application, parameters, {"image": f"{application}/image"})
    return Command(f"perception_{application}", f"{NODES}.perception_node", arguments)


def camera(application: str, scenario: Scenario, seed: int, seconds: float) -> Command:
    """Return one camera, silent until it is told to stream; it renders what `seconds` need ahead."""
    frames = math.ceil(scenario.camera.rate_hz * (seconds + WARM_UP_S))
    parameters = {
        "application": application,
        "width": scenario.camera.width,
        "height": scenario.camera.height,
        "rate_hz": scenario.camera.rate_hz,
        "seed": seed,
        "output": "both",
        "jpeg_quality": 85,
        "frame_id": f"{application}_camera",
        "prerender": min(frames, MOST_PRERENDERED),
        "streaming": False,
    }
    remaps = {topic: f"{application}/{topic}" for topic in ("image", "image/compressed", "labels")}
    return Command(
        f"camera_{application}", f"{NODES}.camera_node", _ros(f"{application}_camera", parameters, remaps)
    )
