"""How soon applications are back within their targets after a load arrives, and what noise alone does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynofa_ros.simulation.metrics import RECOVERY_WATCH_S, first_in_a_row
from dynofa_ros.simulation.scenarios.changes import Bandwidth, CoRunner
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord

QUIET_AFTER_S, QUIET_BEFORE_S, QUIET_EVERY_S = 4.0, 2.0, 2.0
"""A quiet moment has no event for so long before and behind it, and the next one is so far [s]."""
MEMORY = "memory"


def recovery_frames(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """For each load that arrives: late frames released from then until ten in a row are on time.

    The most of the applications whose frames run on the loaded element then; None where one never recovers.
    """
    for t_s, element in _arrivals(record):
        counts = [
            late_until_recovered(frames, t_s)
            for frames in record.frames.values()
            if element == MEMORY or _runs_on(frames, element, t_s)
        ]
        most = None if None in counts else max((c for c in counts if c is not None), default=0)
        yield {"t_s": t_s, "load": element, "frames": most}


def quiet_frames(record: RunRecord) -> list[int | None]:
    """The same of each application at moments around which nothing happens: what noise alone does."""
    return [
        late_until_recovered(frames, t_s)
        for t_s in _quiet_moments(record)
        for frames in record.frames.values()
        if any(t_s <= frame.release_s < t_s + RECOVERY_WATCH_S for frame in frames)
    ]


def late_until_recovered(frames: Sequence[FrameOutcome], t_s: float) -> int | None:
    """Frames before the first of ten in a row that are on time; 0 where none missed within a second."""
    after = [frame for frame in frames if frame.release_s >= t_s]
    if all(frame.on_time for frame in after if frame.release_s < t_s + RECOVERY_WATCH_S):
        return 0
    return first_in_a_row(frame.on_time for frame in after)


def _arrivals(record: RunRecord) -> Iterator[tuple[float, str]]:
    """When a load begins or grows [s], and the element that it is on."""
    before: dict[str, float] = {}
    for event in record.scenario.events:
        change = event.change
        if isinstance(change, CoRunner):
            element, load, none = change.element, change.slowdown, 1.0
        elif isinstance(change, Bandwidth):
            element, load, none = MEMORY, change.gbps, 0.0
        else:
            continue
        if load > before.get(element, none):
            yield event.t_s, element
        before[element] = load


def _runs_on(frames: Sequence[FrameOutcome], element: str, t_s: float) -> bool:
    """Whether a frame that is under way then, or starts within a second, runs there; or none runs at all."""
    places = {frame.element for frame in frames if frame.end_s > t_s > frame.start_s - RECOVERY_WATCH_S}
    return element in places or not places


def _quiet_moments(record: RunRecord) -> Iterator[float]:
    times = [0.0, *(event.t_s for event in record.scenario.events), record.scenario.duration_s]
    for begin_s, end_s in zip(times, times[1:], strict=False):
        t_s = begin_s + QUIET_AFTER_S
        while t_s + QUIET_BEFORE_S <= end_s:
            yield t_s
            t_s += QUIET_EVERY_S
