"""Measures a profile's points at other clocks: turn by turn a visit to every level, until the time is up.

A visit infers every point once. Turns are short and alternate in order, so that drift hits all levels alike.
A visit during which a clock did not hold does not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.profile import Profile
from dynofa_ros.engine.profile_sweep import ClockSweep, ClockTime
from dynofa_ros.engine.profiler import (
    MIN_ROUNDS,
    ProfilerOptions,
    Progress,
    Sample,
    ignore_progress,
    measure,
    timing,
)
from dynofa_ros.engine.profiler_clocks import ClockSetting, Log, SweptClocks
from dynofa_ros.manager.operating_point import PointKey

TURNS = 50
Place = tuple[float, float]
"""Clock of the element and of memory [MHz]."""
Samples = dict[PointKey, dict[Place, list[Sample]]]


@dataclass(frozen=True)
class SweepOptions:
    """How long [s]; the first MIN_ROUNDS turns are made whatever they take."""

    budget_s: float
    turns: int = TURNS
    profiler: ProfilerOptions = field(default_factory=ProfilerOptions)


def with_sweep(
    profile: Profile,
    bank: SubnetBank,
    clocks: SweptClocks,
    options: SweepOptions,
    log: Log,
    progress: Progress = ignore_progress,
) -> Profile:
    """`profile` with the times at other clocks of every point of `bank` whose element's clock can be set."""
    sweep = _Sweep(bank, clocks, options, log, progress)
    sweep.run()
    points = dict(profile.points)
    for key, places in sweep.samples.items():
        measured = _measured(places, clocks, bank.placements[key[1]].element)
        if measured is None:
            log(f"{key[0]} on {key[1]}: fewer than two clocks held, its times at other clocks are not known")
        else:
            points[key] = replace(points[key], sweep=measured)
    return replace(profile, points=points)


class _Sweep:
    """One sweep under way."""

    def __init__(
        self, bank: SubnetBank, clocks: SweptClocks, options: SweepOptions, log: Log, progress: Progress
    ) -> None:
        self._bank, self._clocks, self._options = bank, clocks, options
        self._log, self._progress = log, progress
        self._keys = {
            element: [key for key in bank.keys if bank.placements[key[1]].element == element]
            for element in clocks.elements
        }
        self._settings = [s for element, keys in self._keys.items() if keys for s in clocks.settings(element)]
        self._left_out: set[ClockSetting] = set()
        self.samples: Samples = {key: {} for keys in self._keys.values() for key in keys}

    def run(self) -> None:
        """Visit all settings until the turns are done or another one would exceed the budget."""
        clock_s, turns = self._options.profiler.clock_s, self._options.turns
        start_s = clock_s()
        for turn in range(turns):
            if turn >= MIN_ROUNDS and (clock_s() - start_s) * (turn + 1) / turn > self._options.budget_s:
                break
            order = 1 if turn % 2 else -1
            for done, setting in enumerate(self._settings[::order], start=1):
                self._visit(setting, self._keys[setting.element][::order])
                self._progress(turn * len(self._settings) + done, turns * len(self._settings))

    def _visit(self, setting: ClockSetting, keys: Sequence[PointKey]) -> None:
        clocks = self._clocks
        if not clocks.set(setting):
            self._leave_out(setting)
            return
        memory_mhz = clocks.memory_mhz()
        found = measure(self._bank, keys, self._profiler(clocks))
        memory_held = clocks.memory_mhz() == memory_mhz or not clocks.memory_domain
        if not (memory_held and clocks.holds(setting)):
            self._leave_out(setting)
            return
        for key, samples in found.items():
            self.samples[key].setdefault((setting.clock_mhz, memory_mhz), []).extend(samples)

    def _profiler(self, clocks: SweptClocks) -> ProfilerOptions:
        return replace(self._options.profiler, rounds=1, budget_s=math.inf, after=clocks.after)

    def _leave_out(self, setting: ClockSetting) -> None:
        if setting not in self._left_out:
            domain = self._clocks.domain(setting.element)
            self._log(
                f"{domain} did not hold {setting.clock_mhz:g} MHz: what was measured there does not count"
            )
        self._left_out.add(setting)


def _measured(places: dict[Place, list[Sample]], clocks: SweptClocks, element: str) -> ClockSweep | None:
    enough = {place: samples for place, samples in sorted(places.items()) if len(samples) >= MIN_ROUNDS}
    found = {place: timing(samples) for place, samples in enough.items()}
    times = tuple(ClockTime(*place, taken.latency_ms, taken.n) for place, taken in found.items())
    if len({clock_mhz for clock_mhz, _ in found}) < 2:
        return None
    return ClockSweep(clocks.board, clocks.emulated, clocks.domain(element), clocks.memory_domain, times)
