"""The machine and the software that figures were measured on, in words."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dynofa_ros import __version__
from dynofa_ros.engine.fingerprint import cpu_model

PACKAGES = ("openvino", "numpy", "rosbags", "ros-rclpy")


def machine_facts() -> dict[str, str]:
    """Return processor, cores, system and versions by name; packages that are not installed are left out."""
    facts = {
        "Machine": f"{cpu_model(Path('/proc/cpuinfo'))}, {len(os.sched_getaffinity(0))} cores",
        "System": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "dynofa_ros": __version__,
    }
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts
