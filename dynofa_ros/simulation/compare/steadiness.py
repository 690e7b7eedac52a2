"""How calm a run is: upward changes of each application, and whether something made them necessary.

Upward, as the manager means it, is a more accurate operating point, or a lower clock of the domain that the
application's point computes on; downward the reverse. Changes within 0.1 s are one: a decision reaches the
board and the node apart.

An upward change has a cause where it takes back a downward change before which a frame was slow by chance
(its inference time more than 5 % above what its point takes: a burst of the noise, since the usual spread is
2 % at p99); or within 10 s of the start of the application, when measured replaces profiled; or within 10 s
of an event from outside.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dynofa_ros.simulation.world.noise import Noise
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import ClockStep, RunRecord

DWELL_S = 1.0
"""The manager's and the reflex's default."""
TOGETHER_S = 0.1
SLOW = 1.05
"""Factor of chance on the inference time beyond which a frame is slow."""
ANSWER_S = 1.0
"""A downward change answers frames released within so long before it: statistics, decision, delay."""
SETTLING_S = 10.0
SHOWN = 5


@dataclass(frozen=True)
class Change:
    """One change of an application's setting; both ways where clock and accuracy fall or rise together."""

    t_s: float
    upward: bool
    downward: bool
    of_subnet: bool


def steadiness(record: RunRecord, noise: Noise) -> dict[str, dict[str, Any]]:
    """Per application: changes, the most upward ones within one dwell, and times of those without cause."""
    return {name: _of_application(record, noise, name) for name in record.frames}


def _of_application(record: RunRecord, noise: Noise, name: str) -> dict[str, Any]:
    frames = [frame for frame in record.frames[name] if frame.inferred]
    changes = list(changes_of(frames, record.clock_steps))
    upward = [change.t_s for change in changes if change.upward]
    causeless_s = list(without_cause(changes, slow_s(frames, noise), _disturbed_s(record, name)))
    return {
        "upward": len(upward),
        "upward_of_subnet": sum(change.upward and change.of_subnet for change in changes),
        "most_upward_in_dwell": most_within(upward, DWELL_S),
        "without_cause": len(causeless_s),
        "first_without_cause_s": causeless_s[:SHOWN],
    }


def changes_of(frames: Sequence[FrameOutcome], clock_steps: Sequence[ClockStep]) -> Iterator[Change]:
    """Changes of the accuracy of `frames` (inferred, in order) and of the clock that they run at."""
    together: list[Change] = []
    for change in sorted([*_accuracy_changes(frames), *_clock_changes(frames, clock_steps)], key=_time):
        if together and change.t_s > together[0].t_s + TOGETHER_S:
            yield _as_one(together)
            together = []
        together.append(change)
    if together:
        yield _as_one(together)


def most_within(times_s: Sequence[float], span_s: float) -> int:
    """The most of the rising times that lie within any [t, t + span_s)."""
    return max((bisect_left(times_s, t + span_s) - i for i, t in enumerate(times_s)), default=0)


def slow_s(frames: Sequence[FrameOutcome], noise: Noise) -> list[float]:
    """Release times of the frames that chance made slow."""
    return [f.release_s for f in frames if noise.factor(f.application, f.index) > SLOW]


def without_cause(
    changes: Sequence[Change], slow_at_s: Sequence[float], disturbed_s: Sequence[float]
) -> Iterator[float]:
    """Times of the upward changes that nothing explains; all lists rise in time."""
    down_s = [change.t_s for change in changes if change.downward]
    for change in changes:
        if not change.upward or _lies_within(disturbed_s, change.t_s, SETTLING_S):
            continue
        before = bisect_left(down_s, change.t_s)
        if before == 0 or not _lies_within(slow_at_s, down_s[before - 1], ANSWER_S):
            yield change.t_s


def _lies_within(times_s: Sequence[float], until_s: float, span_s: float) -> bool:
    """Whether one of the rising times lies within [until_s - span_s, until_s]."""
    last = bisect_right(times_s, until_s)
    return last > 0 and times_s[last - 1] >= until_s - span_s


def _disturbed_s(record: RunRecord, name: str) -> list[float]:
    """When something from outside begins or ends: stays of the application, events, ends of their ramps."""
    joins = [episode.join_s for episode in record.timeline.of(name)]
    events = [t_s for event in record.scenario.events for t_s in (event.t_s, event.t_s + event.ramp_s)]
    return sorted([*joins, *events])


def _accuracy_changes(frames: Sequence[FrameOutcome]) -> Iterator[Change]:
    for before, after in itertools.pairwise(frames):
        if before.accuracy != after.accuracy:
            risen = after.accuracy > before.accuracy
            yield Change(after.chosen_s, risen, not risen, of_subnet=True)


def _clock_changes(frames: Sequence[FrameOutcome], clock_steps: Sequence[ClockStep]) -> Iterator[Change]:
    """Of the domain that the newest frame at that time computes on."""
    chosen_s = [frame.chosen_s for frame in frames]
    for before, after in itertools.pairwise(clock_steps):
        number = bisect_right(chosen_s, after.t_s) - 1
        point = frames[number].point if number >= 0 else None
        if point is None or point.clock_domain not in after.mhz:
            continue
        change_mhz = after.mhz[point.clock_domain] - before.mhz[point.clock_domain]
        if change_mhz:
            yield Change(after.t_s, change_mhz < 0.0, change_mhz > 0.0, of_subnet=False)


def _as_one(changes: Sequence[Change]) -> Change:
    return Change(
        changes[0].t_s,
        any(change.upward for change in changes),
        any(change.downward for change in changes),
        any(change.of_subnet for change in changes),
    )


def _time(change: Change) -> float:
    return change.t_s
