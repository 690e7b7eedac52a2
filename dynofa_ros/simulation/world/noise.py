"""What chance does to frames, known before the run: equal for all policies, and to an oracle no secret.

Every number is a hash of (seed, stream, frame), so nothing that a policy does can shift it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from dynofa_ros.simulation.scenarios.timeline import Episode, Timeline

CORE_SIGMA = math.log(1.02) / 2.326
"""Lognormal core of inference times: p99 / p50 = 1.02, as the Orin Nano Super sweep has for MobileNetV2."""
BURST_SHARE = 0.02
"""Share of frames within bursts: 1.3 to 2.9 % are measured beyond mean + 3 sigma (arXiv 2606.16106)."""
BURST_STAY = 0.74
"""P(burst | the frame before was in one): P(miss | previous miss) is up to 0.74 there."""
BURST_MEDIAN, BURST_SIGMA = 1.12, 0.05
"""Lognormal factor within a burst, assumed within the sweep's p99.9 / p50 (median 1.02, largest 1.33)."""
OVERHEAD_MS, OVERHEAD_SIGMA = 1.0, 0.08
"""Release to mailbox (transport, decoding): lognormal, assumed for intra-host transport of a small image."""

Floats = NDArray[np.float64]
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, stream: str, count: int) -> Floats:
    """`count` numbers within (0, 1), each a function of (seed, stream, number): SplitMix64 of a counter."""
    key = np.uint64((seed << 32 | crc32(stream.encode())) & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        z = _mixed(np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN + _mixed(key + _GOLDEN))
    return np.asarray(((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)


def _mixed(z: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def normal(seed: int, stream: str, count: int) -> Floats:
    """Standard normal numbers: sqrt(-2 ln u) cos(2 pi v) of two uniform ones (Box and Muller)."""
    u, v = uniform(seed, f"{stream}/u", count), uniform(seed, f"{stream}/v", count)
    return np.asarray(np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v))


@dataclass(frozen=True)
class FrameStream:
    """All frames of one stay of an application, by release. Arrays of shape (frames,)."""

    episode: Episode
    first: int
    """Number of its first frame within the application."""
    release_s: Floats
    target_ms: Floats
    """Target that holds at release."""
    overhead_ms: Floats
    """Release to mailbox."""
    factor: Floats
    """Factor on the inference time."""

    def __len__(self) -> int:
        return len(self.release_s)


class Noise:
    """Releases and chances of every frame of a run."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        self.seed = seed
        self.streams: dict[str, tuple[FrameStream, ...]] = {
            name: tuple(_streams(timeline.of(name), seed)) for name in timeline.names
        }
        """Streams of each application, one per stay."""

    def frames(self, application: str) -> int:
        """Number of frames of an application in all."""
        return sum(len(stream) for stream in self.streams[application])

    def factor(self, application: str, index: int) -> float:
        """Factor on the inference time of one frame."""
        stream = self._stream(application, index)
        return float(stream.factor[index - stream.first])

    def overhead_ms(self, application: str, index: int) -> float:
        """Release to mailbox of one frame [ms]."""
        stream = self._stream(application, index)
        return float(stream.overhead_ms[index - stream.first])

    def _stream(self, application: str, index: int) -> FrameStream:
        return next(s for s in self.streams[application] if s.first <= index < s.first + len(s))


def _streams(episodes: tuple[Episode, ...], seed: int) -> Iterator[FrameStream]:
    """Frame numbers run on through the stays of an application."""
    first = 0
    for number, episode in enumerate(episodes):
        name = episode.application.name
        release_s = _releases(episode, seed, f"{name}/{number}")
        target_ms = np.array([episode.target_at(t).latency_ms for t in release_s])
        kept = release_s + target_ms / 1e3 <= episode.leave_s
        count = int(kept.sum())
        overhead = normal(seed, f"{name}/{number}/overhead", count)
        yield FrameStream(
            episode=episode,
            first=first,
            release_s=release_s[kept],
            target_ms=target_ms[kept],
            overhead_ms=OVERHEAD_MS * np.exp(OVERHEAD_SIGMA * overhead),
            factor=_factors(seed, f"{name}/{number}", count),
        )
        first += count


def _releases(episode: Episode, seed: int, stream: str) -> Floats:
    """Release times: the camera begins somewhere within its first period; each frame jitters by itself.

    Frames whose target ends after the application's stay are not released: whether they would have
    been on time could not be told.
    """
    times, jitters = [], []
    phase = float(uniform(seed, f"{stream}/phase", 1)[0])
    paces = [*episode.cameras, (math.inf, math.nan, math.nan)]
    at_s = episode.join_s + phase * paces[0][1] / 1e3
    pace = 0
    while at_s < episode.leave_s:
        while at_s >= paces[pace + 1][0]:
            pace += 1
        times.append(at_s)
        jitters.append(paces[pace][2])
        at_s += paces[pace][1] / 1e3
    offsets = (2.0 * uniform(seed, f"{stream}/jitter", len(times)) - 1.0) * np.array(jitters) / 1e3
    return np.asarray(np.sort(np.maximum(np.array(times) + offsets, episode.join_s)))


def _factors(seed: int, stream: str, count: int) -> Floats:
    """A lognormal core; within bursts, which come and go as a two-state Markov chain, another on top."""
    factor = np.exp(CORE_SIGMA * normal(seed, f"{stream}/core", count))
    enter = BURST_SHARE * (1.0 - BURST_STAY) / (1.0 - BURST_SHARE)
    burst = BURST_MEDIAN * np.exp(BURST_SIGMA * normal(seed, f"{stream}/burst", count))
    inside = False
    for index, chance in enumerate(uniform(seed, f"{stream}/state", count)):
        inside = chance < (BURST_STAY if inside else enter)
        if inside:
            factor[index] *= burst[index]
    return np.asarray(factor)
