"""Measures a profile: all sub-networks in turn, round after round, so that drift hits all alike."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import machine_fingerprint
from dynofa_ros.engine.profile import Profile, SubnetTiming

COARSE_ROUNDS = 60
COARSE_BUDGET_S = 3.0
MIN_ROUNDS = 5
PAUSE_S = 0.01
"""As between camera frames: after 10 ms, caches are as cold as after 30 ms (measured). Back to back,
inference is 0.3 to 0.7 ms faster than a camera ever sees it."""

Progress = Callable[[int, int], None]
"""Called with rounds done and rounds in all."""

Sample = tuple[float, bool]
"""Time of one inference [ms], and whether another process took the core away meanwhile."""


def ignore_progress(done: int, total: int) -> None:
    """For callers that show nothing."""
    del done, total


def camera_pause() -> None:
    """Let the machine rest as between camera frames."""
    time.sleep(PAUSE_S)


def preemptions() -> int:
    """How often the kernel has taken a core away from this process (involuntary context switches)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def profile_bank(
    bank: SubnetBank,
    rounds: int = COARSE_ROUNDS,
    budget_s: float = COARSE_BUDGET_S,
    progress: Progress = ignore_progress,
    clock_s: Callable[[], float] = time.perf_counter,
    pause: Callable[[], None] = camera_pause,
    preempted: Callable[[], int] = preemptions,
) -> Profile:
    """Median and 95th percentile of each resident sub-network on the undisturbed machine, at a camera's pace.

    A round infers every sub-network once, in an order that alternates, each after a `pause`. Inferences that
    were preempted do not count, see `timing`. Stops early, after MIN_ROUNDS, when `budget_s` is spent.
    """
    images = _images(bank)
    samples: dict[str, list[Sample]] = {name: [] for name in bank.names}
    start_s = clock_s()
    for done in range(1, rounds + 1):
        for name in bank.names if done % 2 else reversed(bank.names):
            infer = partial(bank.infer, name, images[bank.resolution(name)])
            pause()
            samples[name].append(_measure(infer, clock_s, preempted))
        progress(done, rounds)
        if done >= MIN_ROUNDS and clock_s() - start_s > budget_s:
            break
    return Profile(machine_fingerprint(bank), {name: timing(values) for name, values in samples.items()})


def _images(bank: SubnetBank) -> dict[int, npt.NDArray[np.uint8]]:
    """One random image per resolution: the content does not change the time, but zeros might."""
    rng = np.random.default_rng(0)
    sides = {bank.resolution(name) for name in bank.names}
    return {side: rng.integers(0, 256, (1, side, side, 3), np.uint8) for side in sorted(sides)}


def _measure(
    work: Callable[[], object], clock_s: Callable[[], float], preempted: Callable[[], int]
) -> Sample:
    """Time `work` once."""
    before, start_s = preempted(), clock_s()
    work()
    return (clock_s() - start_s) * 1e3, preempted() != before


def timing(samples: list[Sample]) -> SubnetTiming:
    """Quantiles of the undisturbed samples; of the MIN_ROUNDS fastest, where fewer were undisturbed."""
    undisturbed = [time_ms for time_ms, disturbed in samples if not disturbed]
    fastest = sorted(time_ms for time_ms, _ in samples)[:MIN_ROUNDS]
    counted = undisturbed if len(undisturbed) >= MIN_ROUNDS else fastest
    median, p95 = np.quantile(counted, [0.5, 0.95])
    preempted = sum(disturbed for _, disturbed in samples)
    return SubnetTiming(float(median), float(p95), len(counted), preempted)
