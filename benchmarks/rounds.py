"""Interleaved rounds: every contender in turn, round after round, so that drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from disturbance import waited_s

FloatArray = npt.NDArray[np.float64]
Work = Callable[[], object]

MIN_TURNS = 5
MAX_DISTURBED_SHARE = 0.8
FASTEST_SHARE = 0.2
TOLERATED_WAIT = 0.02
"""A turn counts while its threads waited for a core for less than this fraction of its duration."""
WARM_UP_S = 0.2


@dataclass(frozen=True)
class Rounds:
    """Times of all contenders, (rounds, batch) each [ms]; turns, (rounds,), disturbed by other programs."""

    times_ms: Mapping[str, FloatArray]
    disturbed: Mapping[str, npt.NDArray[np.bool_]]

    def samples(self, name: str) -> FloatArray:
        """Times of the turns that count [ms], flat."""
        return self.times_ms[name][self.counts(name)].ravel()

    def per_round(self, name: str) -> FloatArray:
        """Median of each turn [ms], disturbed or not."""
        medians: FloatArray = np.median(self.times_ms[name], axis=1)
        return medians

    def is_mostly_disturbed(self, name: str) -> bool:
        """Whether the undisturbed turns are too few to stand on their own."""
        disturbed = self.disturbed[name]
        undisturbed = np.count_nonzero(~disturbed)
        return bool(undisturbed < MIN_TURNS or disturbed.mean() > MAX_DISTURBED_SHARE)

    def counts(self, name: str) -> npt.NDArray[np.bool_]:
        """The undisturbed turns; the fastest fifth of all where hardly any was undisturbed."""
        if not self.is_mostly_disturbed(name):
            return ~self.disturbed[name]
        medians = np.median(self.times_ms[name], axis=1)
        fastest: npt.NDArray[np.bool_] = medians <= np.quantile(medians, FASTEST_SHARE)
        return fastest


def interleave(
    contenders: Mapping[str, Work],
    rounds: int,
    batch: int = 1,
    settle: int = 1,
    pause_s: float = 0.0,
    title: str = "",
    clock_s: Callable[[], float] = time.perf_counter,
    waited: Callable[[], float] = waited_s,
) -> Rounds:
    """Times of `contenders` over `rounds` rounds, in an order that alternates.

    A turn is `pause_s` of rest (threads of the contender before stop spinning), `settle` calls that do not
    count, and `batch` calls that do. Before the first round each contender is called for WARM_UP_S.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    flags: dict[str, list[bool]] = {name: [] for name in contenders}
    for work in contenders.values():
        _warm_up(work, clock_s)
    for order in tqdm(_orders(tuple(contenders), rounds), total=rounds, desc=title, unit="round"):
        for name in order:
            time.sleep(pause_s)
            for _ in range(settle):
                contenders[name]()
            before_s = waited()
            turn = [_time_ms(contenders[name], clock_s) for _ in range(batch)]
            flags[name].append((waited() - before_s) * 1e3 > TOLERATED_WAIT * sum(turn))
            times[name].append(turn)
    return Rounds(
        {name: np.array(rows, np.float64) for name, rows in times.items()},
        {name: np.array(marks, np.bool_) for name, marks in flags.items()},
    )


def _orders(names: tuple[str, ...], rounds: int) -> Iterator[tuple[str, ...]]:
    """Forwards and backwards in turn, starting one further after each pair: neighbours change."""
    for index in range(rounds):
        start = (index // 2) % len(names)
        turned = names[start:] + names[:start]
        yield turned[::-1] if index % 2 else turned


def _warm_up(work: Work, clock_s: Callable[[], float]) -> None:
    """Caches, threads and lazily made buffers."""
    end_s = clock_s() + WARM_UP_S
    while True:
        work()
        if clock_s() >= end_s:
            return


def _time_ms(work: Work, clock_s: Callable[[], float]) -> float:
    """Time of one call [ms]."""
    start_s = clock_s()
    work()
    return (clock_s() - start_s) * 1e3
