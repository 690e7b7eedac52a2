"""Which operating points shall be resident, and in which order they are made so while memory lasts.

    1. the fastest point and the best one: always
    2. the other points that none beats in both latency and accuracy on their element (the Pareto front),
       each time the one that lies farthest in latency from those taken before, so that a front cut short
       by the budget is still spread over its whole range
    3. of sub-networks that are not among these, the fastest placement: they can be asked for by name
    4. with `dominated` the rest, fastest first; otherwise they are left out

Before anything was measured latency is taken to rise with multiply-adds and every point is on the front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.manager.operating_point import PointKey


@dataclass(frozen=True)
class Candidate:
    """A point that could be resident. `latency_ms` NaN: not measured yet; `accuracy` NaN: not known."""

    subnet: str
    placement: str
    element: str
    macs: float
    accuracy: float = math.nan
    latency_ms: float = math.nan
    estimated_bytes: float = 0.0

    @property
    def key(self) -> PointKey:
        """Sub-network and placement."""
        return (self.subnet, self.placement)


@dataclass(frozen=True)
class LoadOrder:
    """Candidates in the order in which they become resident, the first `always` whatever they take."""

    order: tuple[Candidate, ...]
    always: int
    left_out: dict[PointKey, str]


def load_order(candidates: Sequence[Candidate], dominated: bool) -> LoadOrder:
    """Order `candidates` by the rule above; those left out come with the reason."""
    if not candidates:
        return LoadOrder((), 0, {})
    if any(math.isnan(candidate.latency_ms) for candidate in candidates):
        front, beaten = _by_size(candidates)
    else:
        front, beaten = _front(candidates)
    ends = [front[0], front[-1]] if len(front) > 1 else front[:1]
    order = [*ends, *_spread(front, ends)]
    rest = sorted((c for c in candidates if c.key in beaten), key=lambda c: c.latency_ms)
    for candidate in rest:
        if dominated or all(candidate.subnet != taken.subnet for taken in order):
            order.append(candidate)
            del beaten[candidate.key]
    return LoadOrder(tuple(order), len(ends), beaten)


def _front(candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[PointKey, str]]:
    """The points that none on their element beats, by rising latency, and who beats the others."""
    use_accuracy = not any(math.isnan(candidate.accuracy) for candidate in candidates)
    front: list[Candidate] = []
    beaten: dict[PointKey, str] = {}
    for candidate in sorted(candidates, key=lambda c: (c.latency_ms, -_merit(c, use_accuracy))):
        better = [c for c in front if c.element == candidate.element]
        if better and _merit(better[-1], use_accuracy) >= _merit(candidate, use_accuracy):
            by = better[-1]
            beaten[candidate.key] = f"{by.subnet} on {by.placement} is no slower and no less accurate"
        else:
            front.append(candidate)
    return front, beaten


def _merit(candidate: Candidate, use_accuracy: bool) -> float:
    return candidate.accuracy if use_accuracy else candidate.macs


def _by_size(candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[PointKey, str]]:
    return sorted(candidates, key=lambda candidate: candidate.macs), {}


def _spread(front: Sequence[Candidate], taken: Sequence[Candidate]) -> list[Candidate]:
    """The rest of the front, each time the candidate farthest from all taken before, by log latency."""
    places = {c.key: math.log(c.macs if math.isnan(c.latency_ms) else c.latency_ms) for c in front}
    done = [places[candidate.key] for candidate in taken]
    left = [candidate for candidate in front if candidate not in taken]
    order: list[Candidate] = []
    while left:
        farthest = max(left, key=lambda c: min(abs(places[c.key] - place) for place in done))
        left.remove(farthest)
        order.append(farthest)
        done.append(places[farthest.key])
    return order
