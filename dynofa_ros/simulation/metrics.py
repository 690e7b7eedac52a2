"""Figures that judge a run: latency, misses, recovery, accuracy, energy. Pure functions of recorded data.

Definitions follow the scenario format: latency counts from the release of a frame (image stamp) to its
result; dropped, lost, late and unfinished frames are misses.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from dynofa_ros.simulation.records import BoardSample, Event, Frame

GUARD_S = 1.0
RECOVERY_FRAMES = 10
RECOVERY_WATCH_S = 1.0
ROLLING_MIN_RESULTS = 10


def latency_percentiles(frames: Iterable[Frame]) -> dict[str, float | None]:
    """Return p50, p95, p99, max and mean latency [ms] of the frames that have a result; None without any."""
    values = np.array([f.latency_ms for f in frames if f.inferred and math.isfinite(f.latency_ms)])
    if values.size == 0:
        return dict.fromkeys(("p50", "p95", "p99", "max", "mean"))
    quantiles = {f"p{q}": float(np.percentile(values, q)) for q in (50, 95, 99)}
    return {**quantiles, "max": float(values.max()), "mean": float(values.mean())}


def miss_rate(frames: Sequence[Frame]) -> float | None:
    """Return misses / released; None without frames."""
    if not frames:
        return None
    return sum(not f.on_time for f in frames) / len(frames)


def on_time_rate(frames: Sequence[Frame]) -> float | None:
    """Return the share of released frames whose result came within the target; None without frames."""
    missed = miss_rate(frames)
    return None if missed is None else 1.0 - missed


def outside_guard(frames: Iterable[Frame], events: Iterable[Event], guard_s: float = GUARD_S) -> list[Frame]:
    """Return the frames not released within `guard_s` seconds after any event."""
    starts = np.sort(np.array([event.t_s for event in events]))
    if starts.size == 0:
        return list(frames)
    kept = []
    for frame in frames:
        latest = int(np.searchsorted(starts, frame.t_s, side="right")) - 1
        if latest < 0 or frame.t_s - starts[latest] >= guard_s:
            kept.append(frame)
    return kept


def longest_miss_burst(frames: Sequence[Frame]) -> int:
    """Return the largest number of consecutive misses of one application's frames."""
    longest = current = 0
    for frame in frames:
        current = 0 if frame.on_time else current + 1
        longest = max(longest, current)
    return longest


def miss_given_miss(frames: Sequence[Frame]) -> float | None:
    """Return P(miss | previous frame missed); None if no frame follows a miss."""
    followers = [not after.on_time for before, after in pairwise(frames) if not before.on_time]
    return sum(followers) / len(followers) if followers else None


def recovery_ms(frames: Sequence[Frame], event_t_s: float) -> float | None:
    """Return how long one application needed to be on time again after an event.

    From the event to the release of the first of 10 consecutive on-time frames; 0 if no frame released within
    one second after the event missed; None if it never recovered within the record.
    """
    after = [f for f in frames if f.t_s >= event_t_s]
    if all(f.on_time for f in after if f.t_s < event_t_s + RECOVERY_WATCH_S):
        return 0.0
    recovered = first_in_a_row(f.on_time for f in after)
    return None if recovered is None else 1000.0 * (after[recovered].t_s - event_t_s)


def first_in_a_row(on_time: Iterable[bool]) -> int | None:
    """Place of the first of 10 consecutive frames on time; None where there are none."""
    streak = 0
    for index, good in enumerate(on_time):
        streak = streak + 1 if good else 0
        if streak == RECOVERY_FRAMES:
            return index - RECOVERY_FRAMES + 1
    return None


def accuracy(frames: Iterable[Frame]) -> float | None:
    """Return the share of correct results among inferred frames with a known label; None without any."""
    verdicts = [f.correct for f in frames if f.correct is not None]
    return sum(verdicts) / len(verdicts) if verdicts else None


def on_time_accuracy(frames: Sequence[Frame]) -> float | None:
    """Return correct and on time / released frames with a known label; misses count 0."""
    labelled = [f for f in frames if f.label]
    if not labelled:
        return None
    return sum(bool(f.correct) and f.on_time for f in labelled) / len(labelled)


def rolling_accuracy(frames: Sequence[Frame], window_s: float = 3.0) -> list[tuple[float, float]]:
    """Return (t_s, share correct of the last `window_s` seconds), from the tenth result on."""
    known = [(f.t_s, bool(f.correct)) for f in frames if f.correct is not None]
    points: list[tuple[float, float]] = []
    first = hits = 0
    for index, (t_s, correct) in enumerate(known):
        hits += correct
        while known[first][0] < t_s - window_s:
            hits -= known[first][1]
            first += 1
        points.append((t_s, hits / (index - first + 1)))
    return points[ROLLING_MIN_RESULTS - 1 :]


def energy_j(samples: Sequence[BoardSample], duration_s: float) -> float | None:
    """Return the integral of board power over [0, duration_s] by the trapezoid rule; None if not measured.

    Power is held constant before the first and after the last sample.
    """
    known = [(s.t_s, s.power_w) for s in samples if math.isfinite(s.power_w)]
    if not known or duration_s <= 0:
        return None
    times, powers = np.array(known).T
    inside = times[(times > 0) & (times < duration_s)]
    grid = np.concatenate(([0.0], inside, [duration_s]))
    level = np.interp(grid, times, powers)
    return float(np.sum(np.diff(grid) * (level[1:] + level[:-1]) / 2.0))


def peak_degc(samples: Iterable[BoardSample]) -> float | None:
    """Return the highest temperature of any zone; None if not measured."""
    values = [v for s in samples for v in s.temperatures_degc.values() if math.isfinite(v)]
    return max(values, default=None)


def clock_changes(samples: Sequence[BoardSample]) -> int:
    """Return how often the clock of any domain differs from the sample before."""
    return sum(
        abs(after.clocks_mhz[domain] - mhz) > 0.5
        for before, after in pairwise(samples)
        for domain, mhz in before.clocks_mhz.items()
        if domain in after.clocks_mhz
    )


def frames_per_subnet(frames: Iterable[Frame]) -> dict[str, int]:
    """Return the number of results per sub-network, most used first."""
    return dict(Counter(f.subnet for f in frames if f.inferred).most_common())


def switches(frames: Sequence[Frame]) -> int:
    """Return how often consecutive results of one application come from different sub-networks."""
    used = [f.subnet for f in frames if f.inferred]
    return sum(before != after for before, after in pairwise(used))
