"""Builds the perception core from a node's parameters. No ROS in here."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.profile import operating_points
from dynofa_ros.engine.profile_store import load_or_measure
from dynofa_ros.errors import DynofaError
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.reflex import Reflex, ReflexConfig
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import Family, load_family


class Values(Protocol):
    """Parameter values by name."""

    def __getitem__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Perception:
    """A core ready to run, and what it says of itself."""

    core: PerceptionCore
    application: ApplicationInfo
    family: Family


def build_perception(
    values: Values, application: str, log: Callable[[str], None], stopping: threading.Event
) -> Perception:
    """Load the family, compile it, profile it where no profile is stored, and assemble the core.

    Raises:
        ConfigError: a file cannot be used; it names the file, the field and the values.
        DynofaError: the back end cannot run here, or the process is asked to stop meanwhile.
    """
    family = load_family(family_path(values["family"]))
    if values["random_weights"]:
        family = family.with_random_weights()
        log(f"family {family.name} runs with RANDOM weights: results mean nothing, accuracies are unknown")
    backend = OpenVinoBackend(precision=values["precision"])
    threads = values["threads"] or default_threads()
    bank = SubnetBank.load(family, backend, threads=threads, log=log)
    profile_file = Path(values["profile"]).expanduser() if values["profile"] else None
    progress = _Progress(log, stopping)
    profile = load_or_measure(bank, path=profile_file, log=log, progress=progress)
    points = operating_points(
        family,
        profile,
        clock_domain=values["clock_domain"],
        clocked_fraction=values["clocked_fraction"],
    )
    family.release_tensors()
    core = PerceptionCore(
        application,
        bank,
        points,
        reflex=Reflex(ReflexConfig(default_latency_ms=values["default_latency_ms"] or math.nan)),
        emulation=ClockEmulation(values["clocked_fraction"]) if values["emulate_clocks"] else None,
        top_k=values["top_k"],
    )
    info = ApplicationInfo(
        name=application,
        operating_points=tuple(points),
        family=family.name,
        family_sha256=family.weights_sha256 or "",
        profile_fingerprint=str(profile.fingerprint),
        labels=tuple(family.labels),
    )
    return Perception(core, info, family)


def default_threads() -> int:
    """Half the cores that this process may use, at least one: the other half serves the rest of the robot."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


class _Progress:
    """Logs each quarter of the profiling and ends it when the process is asked to stop."""

    def __init__(self, log: Callable[[str], None], stopping: threading.Event) -> None:
        self._log = log
        self._stopping = stopping
        self._quarter = 0

    def __call__(self, done: int, total: int) -> None:
        if self._stopping.is_set():
            raise DynofaError("stopped while profiling")
        quarter = 4 * done // max(1, total)
        if quarter > self._quarter:
            self._quarter = quarter
            self._log(f"profiling: {25 * quarter} %")
