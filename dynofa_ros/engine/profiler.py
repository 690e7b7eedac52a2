"""Measures a profile: all operating points in turn, round after round, so that drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.preemption import preemptions
from dynofa_ros.engine.profile import PointTiming, Profile
from dynofa_ros.manager.operating_point import PointKey

COARSE_ROUNDS = 60
COARSE_BUDGET_S = 3.0
MIN_ROUNDS = 5
PAUSE_S = 0.01
"""As between camera frames: after 10 ms, caches are as cold as after 30 ms (measured). Back to back,
inference is 0.3 to 0.7 ms faster than a camera ever sees it."""

Progress = Callable[[int, int], None]
"""Called with inferences done and inferences in all."""

Sample = tuple[float, bool]
"""Time of one inference [ms], and whether another process took the core away meanwhile."""


def ignore_progress(done: int, total: int) -> None:
    """For callers that show nothing."""
    del done, total


def camera_pause() -> None:
    """Let the machine rest as between camera frames."""
    time.sleep(PAUSE_S)


@dataclass(frozen=True)
class ProfilerOptions:
    """How much is measured, and the clock and the counters of this machine."""

    rounds: int = COARSE_ROUNDS
    budget_s: float = COARSE_BUDGET_S
    """Rounds end early, after MIN_ROUNDS of each point, when this is spent [s]."""
    every: Mapping[PointKey, int] = field(default_factory=dict)
    """Points that take part in every n-th round only."""
    clock_s: Callable[[], float] = time.perf_counter
    pause: Callable[[], None] = camera_pause
    preempted: Callable[[], int] = preemptions
    after: Callable[[str, float], None] | None = None
    """Called after each inference with the element and the time [s]; what it takes counts as inference."""


def profile_points(
    bank: SubnetBank,
    keys: Sequence[PointKey],
    options: ProfilerOptions | None = None,
    progress: Progress = ignore_progress,
) -> Profile:
    """Median and tails of resident points on the undisturbed machine, at a camera's pace.

    Inferences that were preempted do not count, see `timing`.
    """
    samples = measure(bank, keys, options or ProfilerOptions(), progress)
    timings = {key: timing(taken) for key, taken in samples.items()}
    return Profile(machine_fingerprint(bank.family, bank.libraries), timings)


def measure(
    bank: SubnetBank,
    keys: Sequence[PointKey],
    options: ProfilerOptions,
    progress: Progress = ignore_progress,
) -> dict[PointKey, list[Sample]]:
    """Single times of resident points: a round infers every one once, in an order that alternates, each after
    a pause.
    """
    rounds = _Rounds(bank, keys, options, progress)
    rounds.run()
    return rounds.samples


class _Rounds:
    """One measurement under way."""

    def __init__(
        self, bank: SubnetBank, keys: Sequence[PointKey], options: ProfilerOptions, progress: Progress
    ) -> None:
        self._bank, self._options, self._progress = bank, options, progress
        self._every = {key: options.every.get(key, 1) for key in keys}
        self._done = 0
        self.samples: dict[PointKey, list[Sample]] = {key: [] for key in keys}
        self._total = sum(len(range(0, options.rounds, every)) for every in self._every.values())

    def run(self) -> None:
        """Measure until all rounds are done, or the budget is spent and every point has MIN_ROUNDS."""
        self._fill_inputs()
        start_s = self._options.clock_s()
        for index in range(self._options.rounds):
            spent = self._options.clock_s() - start_s > self._options.budget_s
            due = self._due(index, spent)
            if spent and not due:
                break
            for key in due if index % 2 else reversed(due):
                self._infer(key)

    def _due(self, index: int, spent: bool) -> list[PointKey]:
        """Points of a round; out of time only those that still lack their least number."""
        if spent:
            return [key for key, samples in self.samples.items() if len(samples) < MIN_ROUNDS]
        return [key for key, every in self._every.items() if index % every == 0]

    def _infer(self, key: PointKey) -> None:
        options, network = self._options, self._bank.network(key)
        options.pause()
        before, start_s = options.preempted(), options.clock_s()
        network.infer_input()
        if options.after is not None:
            options.after(self._bank.placements[key[1]].element, options.clock_s() - start_s)
        time_ms = (options.clock_s() - start_s) * 1e3
        self.samples[key].append((time_ms, options.preempted() != before))
        self._done += 1
        self._progress(self._done, self._total)

    def _fill_inputs(self) -> None:
        """Random images: the content does not change the time, but zeros might."""
        rng = np.random.default_rng(0)
        for key in self.samples:
            image = self._bank.network(key).input
            image[...] = rng.integers(0, 256, image.shape, np.uint8)


def timing(samples: Sequence[Sample]) -> PointTiming:
    """Quantiles of the undisturbed samples; of the MIN_ROUNDS fastest, where fewer were undisturbed."""
    undisturbed = [time_ms for time_ms, disturbed in samples if not disturbed]
    fastest = sorted(time_ms for time_ms, _ in samples)[:MIN_ROUNDS]
    counted = undisturbed if len(undisturbed) >= MIN_ROUNDS else fastest
    median, p95, p99 = (float(value) for value in np.quantile(counted, [0.5, 0.95, 0.99]))
    return PointTiming(median, p95, p99, len(counted), sum(disturbed for _, disturbed in samples))
