"""Builds the perception core from a node's parameters. No ROS in here."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dynofa_ros.engine.bring_up import Engine, EngineOptions, bring_up
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.engine.frame_kernel import describe
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.placement import use_cores
from dynofa_ros.engine.profile_keeper import ProfileKeeper
from dynofa_ros.errors import DynofaError
from dynofa_ros.manager.application import ApplicationInfo
from dynofa_ros.manager.reflex.reflex import Reflex, ReflexConfig
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
    engine: Engine
    keeper: ProfileKeeper


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
    use_cores(values["cores"])
    log(describe())
    profile_file = Path(values["profile"]).expanduser() if values["profile"] else None
    options = EngineOptions(
        placements=values["placements"],
        threads=values["threads"],
        memory_budget_mb=values["memory_budget_mb"],
        profile_file=profile_file,
        clock_domain=values["clock_domain"],
        clocked_fraction=values["clocked_fraction"],
        emulated_clocks=values["emulate_clocks"],
    )
    engine = bring_up(family, options, log, _Progress(log, stopping))
    core = PerceptionCore(
        application,
        engine.bank,
        engine.points,
        reflex=Reflex(ReflexConfig(default_latency_ms=values["default_latency_ms"] or math.nan)),
        emulation=ClockEmulation(values["clocked_fraction"]) if values["emulate_clocks"] else None,
        top_k=values["top_k"],
    )
    info = ApplicationInfo(
        name=application,
        operating_points=engine.points,
        family=family.name,
        family_sha256=family.weights_sha256 or "",
        profile_fingerprint=str(engine.profile.fingerprint),
        labels=tuple(family.labels),
        not_resident=tuple(
            f"{name} {where}: {why}" for (name, where), why in engine.bank.not_resident.items()
        ),
    )
    keeper = ProfileKeeper(core.refinement, engine.profile.fingerprint if profile_file is None else None, log)
    return Perception(core, info, family, engine, keeper)


class _Progress:
    """Logs each quarter of a stage and ends it when the process is asked to stop."""

    def __init__(self, log: Callable[[str], None], stopping: threading.Event) -> None:
        self._log = log
        self._stopping = stopping
        self._reached = ("", 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._stopping.is_set():
            raise DynofaError(f"stopped while {what}")
        quarter = 4 * done // max(1, total)
        if quarter > 0 and (what, quarter) != self._reached:
            self._reached = (what, quarter)
            self._log(f"{what}: {25 * quarter} % of {total}")
