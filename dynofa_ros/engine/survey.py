"""A full profile: every sub-network on many placements, in as few passes as memory allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dynofa_ros.engine.bank import LoadOptions, Log, SubnetBank
from dynofa_ros.engine.bring_up import artefact_cache
from dynofa_ros.engine.energy import PowerMeter, with_energy
from dynofa_ros.engine.memory import MEGABYTE, available_bytes, estimated_bytes
from dynofa_ros.engine.placement import Placement, default_threads, usable_cores
from dynofa_ros.engine.profile import Profile
from dynofa_ros.engine.profiler import ProfilerOptions, profile_points
from dynofa_ros.engine.profiler_clocks import SweptClocks
from dynofa_ros.engine.profiler_sweep import SweepOptions, with_sweep
from dynofa_ros.engine.selection import REFERENCE
from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.family import Family

SECONDARY_EVERY = 3
"""Other numbers of threads than the nodes' own take part in every third round,"""
REFERENCE_EVERY = 6
"""and the reference back end in every sixth."""
OVERHEAD_BYTES = 25e6
"""Of a network beside its weights and activations, at most, whatever the back end [bytes]."""

SurveyProgress = Callable[[str, float, float], None]
"""Called with what is being done, how much is done and how much there is."""


@dataclass(frozen=True)
class SurveyOptions:
    """How long and how much."""

    rounds: int = 200
    seconds: float = 100.0
    """For measuring, compiling not counted [s]."""
    memory_budget_mb: float | None = None
    """Networks that are resident at a time [MB]; None: half of what the machine has free."""
    meter: PowerMeter = lambda: math.nan
    clocks: SweptClocks | None = None
    """Clocks to sweep over, for as long again; None: clocks stay as they are found."""


def thread_counts() -> tuple[int, ...]:
    """Numbers of threads worth profiling: powers of two, half and all of the usable cores."""
    cores = len(usable_cores())
    powers = {1 << exponent for exponent in range(cores.bit_length()) if 1 << exponent <= cores}
    return tuple(sorted({*powers, default_threads(), cores}))


def survey(
    family: Family,
    placements: Sequence[Placement],
    options: SurveyOptions,
    log: Log,
    progress: SurveyProgress,
) -> Profile:
    """Profile every sub-network on every one of `placements`.

    Placements that fit in memory together are measured in interleaved rounds; where they do not, one such
    group after the other.

    Raises:
        DynofaError: no placement was given, or no sub-network runs on one.
    """
    if not placements:
        raise DynofaError("profile: no placement to measure")
    budget_mb = options.memory_budget_mb or available_bytes() / 2.0 / MEGABYTE
    groups = list(_groups(family, placements, budget_mb * MEGABYTE))
    whole: Profile | None = None
    for number, group in enumerate(groups, start=1):
        of = f" {number}/{len(groups)}" if len(groups) > 1 else ""
        seconds = options.seconds * len(group) / len(placements)
        part = _survey_group(family, group, options, seconds, log, _Described(progress, of))
        whole = part if whole is None else whole.merged(part)
    assert whole is not None
    return whole


def _groups(family: Family, placements: Sequence[Placement], budget: float) -> Iterator[list[Placement]]:
    """Consecutive placements whose networks fit in `budget` [bytes] together; one at least."""
    group: list[Placement] = []
    used = 0.0
    for placement in placements:
        need = sum(
            estimated_bytes(family.space, member.spec, placement.precision) + OVERHEAD_BYTES
            for member in family.members
        )
        if group and used + need > budget:
            yield group
            group, used = [], 0.0
        group.append(placement)
        used += need
    yield group


@dataclass(frozen=True)
class _Described:
    """Progress of one group."""

    report: SurveyProgress
    of: str

    def compiling(self, done: int, total: int) -> None:
        self.report(f"compiling{self.of}", done, total)

    def measuring(self, done: int, total: int) -> None:
        self.report(f"measuring{self.of}", done, total)

    def sweeping(self, done: int, total: int) -> None:
        self.report(f"sweeping{self.of}", done, total)

    def energy(self, done: int, total: int) -> None:
        self.report(f"energy{self.of}", done, total)


def _survey_group(
    family: Family,
    placements: Sequence[Placement],
    options: SurveyOptions,
    seconds: float,
    log: Log,
    progress: _Described,
) -> Profile:
    load = LoadOptions(cache=artefact_cache(log), progress=progress.compiling)
    bank = SubnetBank.load(family, placements, load, log)
    every = {key: _every(bank.placements[key[1]]) for key in bank.keys}
    clocks = options.clocks
    if clocks is not None:
        clocks.set_highest()
    after = None if clocks is None else clocks.after
    profiler = ProfilerOptions(rounds=options.rounds, budget_s=seconds, every=every, after=after)
    profile = profile_points(bank, bank.keys, profiler, progress.measuring)
    profile = with_energy(profile, bank, options.meter, progress.energy)
    if clocks is None:
        return profile
    return with_sweep(profile, bank, clocks, SweepOptions(seconds), log, progress.sweeping)


def _every(placement: Placement) -> int:
    if placement.element != "cpu":
        return 1
    if placement.backend == REFERENCE:
        return REFERENCE_EVERY
    return 1 if placement.threads == default_threads() else SECONDARY_EVERY
