"""From a family to a running engine: placements chosen, points resident, profiled and described."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.bank import LoadOptions, Log, SubnetBank
from dynofa_ros.engine.candidates import candidates
from dynofa_ros.engine.placement import AUTO, default_threads
from dynofa_ros.engine.points import operating_points
from dynofa_ros.engine.profile import Profile
from dynofa_ros.engine.profile_store import cache_dir, complete, default_path, keep, stored_profile
from dynofa_ros.engine.profiler import COARSE_BUDGET_S
from dynofa_ros.engine.residency import load_order
from dynofa_ros.engine.selection import choose_placements
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.supernet.family import Family

StageProgress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""


def _no_progress(_what: str, _done: int, _total: int) -> None:
    """For callers that show nothing."""


@dataclass(frozen=True)
class EngineOptions:
    """What shall run where."""

    placements: str = AUTO
    """"auto", or patterns of placements, comma-separated."""
    threads: int = 0
    """CPU threads of one inference; 0: half the usable cores."""
    memory_budget_mb: float = math.inf
    profile_file: Path | None = None
    """Profile to use; None: the kept one, measured where there is none."""
    clock_domain: str = ""
    clocked_fraction: float = 0.0
    """Assumed where the profile was not swept over clocks."""
    real_clocks: bool = True
    emulated_clocks: bool = False
    """Whose clocks may be those of the board: sweeps over other ones are not used."""
    budget_s: float = COARSE_BUDGET_S
    """For measuring what the profile lacks [s]."""


@dataclass(frozen=True)
class Engine:
    """A filled bank, and what is known of its points."""

    bank: SubnetBank
    profile: Profile
    points: tuple[OperatingPoint, ...]


def bring_up(
    family: Family,
    options: EngineOptions,
    log: Log = lambda _: None,
    progress: StageProgress = _no_progress,
) -> Engine:
    """Choose placements, make points resident and profile what was not profiled yet.

    With "auto", points that others beat in both latency and accuracy do not stay resident; of placements
    that were named all do, while memory lasts.

    Raises:
        ConfigError: a file cannot be used; it names the file, the field and the values.
        DynofaError: nothing runs here, or nothing that was asked for.
    """
    known = stored_profile(family, options.profile_file, log)
    load = LoadOptions(
        memory_budget_mb=options.memory_budget_mb,
        cache=artefact_cache(log),
        progress=partial(progress, "compiling"),
    )
    threads = options.threads or default_threads()
    placements, probe = choose_placements(family, options.placements, threads, known, load, log)
    if probe is not None and options.profile_file is None:
        known = probe if known is None else known.merged(probe)
        keep(known, default_path(known.fingerprint), lambda _: None)
    everything = options.placements.strip() != AUTO
    bank = SubnetBank.load(family, placements, _load_options(load, known, everything), log)
    measuring = partial(progress, "profiling")
    profile = complete(bank, known, options.profile_file, log, measuring, options.budget_s)
    if not everything:
        _release_beaten(bank, profile, log)
        profile = profile.only(bank.keys)
    points = operating_points(
        family,
        profile,
        options.clock_domain,
        options.clocked_fraction,
        real_clocks=options.real_clocks,
        emulated_clocks=options.emulated_clocks,
    )
    _say_laws(profile, options, log)
    return Engine(bank, profile, tuple(points))


def _say_laws(profile: Profile, options: EngineOptions, log: Log) -> None:
    """Say what the points follow their clocks by, and how well that fits."""
    for emulated, used in ((False, options.real_clocks), (True, options.emulated_clocks)):
        sweeps = [t.sweep for t in profile.points.values() if t.sweep and t.sweep.emulated == emulated]
        if sweeps:
            kind = "emulated clocks" if emulated else "clocks"
            worst = max(sweep.rms for sweep in sweeps)
            boards = ", ".join(sorted({sweep.board for sweep in sweeps}))
            law = f"max(k / f + b, m), fitted: worst residual {100.0 * worst:.1f} %"
            what = law if used else "not used here"
            log(f"{len(sweeps)} points were swept over {kind} of {boards}: {what}")


def artefact_cache(log: Log) -> ArtefactCache | None:
    """The user's cache of compiled artefacts; None where there is no place for one."""
    base = cache_dir()
    return None if base is None else ArtefactCache(base / "artefacts", log=log)


def _load_options(load: LoadOptions, known: Profile | None, everything: bool) -> LoadOptions:
    latencies = {} if known is None else {key: timing.latency_ms for key, timing in known.points.items()}
    return replace(load, latencies_ms=latencies, dominated=everything)


def _release_beaten(bank: SubnetBank, profile: Profile, log: Log) -> None:
    """Release what the first measurement showed to be beaten."""
    latencies = {key: timing.latency_ms for key, timing in profile.points.items()}
    resident = [c for c in candidates(bank.family, bank.placements.values(), latencies)[0] if c.key in bank]
    order = load_order(resident, dominated=False)
    bank.keep([candidate.key for candidate in order.order], order.left_out)
    if order.left_out:
        log(f"{len(order.left_out)} points are not resident: others are no slower and no less accurate")
