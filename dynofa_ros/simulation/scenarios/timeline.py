"""A scenario as the simulator plays it: ramps as steps, targets and cameras as functions of time.

Pure functions of the scenario: every policy, and an oracle, sees the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.scenarios.changes import (
    Ambient,
    Bandwidth,
    CameraChange,
    Cap,
    Change,
    Cores,
    CoRunner,
    Fault,
    Join,
    Leave,
    ManagerRestart,
    PowerBudget,
    PowerMode,
    QosChange,
    ScenarioApplication,
    ScenarioEvent,
)
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.scenarios.targets import QOS_KEYS, target_with

RAMP_STEP_S = 0.5
"""A ramp is played in steps of at most this length."""

BoardChange = CoRunner | Bandwidth | Ambient | Cap | Cores | PowerMode | Fault | ManagerRestart


@dataclass(frozen=True)
class Step:
    """One change of the board, or of the manager process, at t_s."""

    t_s: float
    change: BoardChange


@dataclass(frozen=True)
class Episode:
    """One stay of an application: from when, until when, and what it is."""

    application: ScenarioApplication
    join_s: float
    leave_s: float
    targets: tuple[tuple[float, QosTarget], ...]
    """From when each target holds; the first at join_s. A power budget of the board is in max_power_w."""
    cameras: tuple[tuple[float, float, float], ...]
    """From when each pace holds: (t_s, period_ms, jitter_ms)."""

    def target_at(self, t_s: float) -> QosTarget:
        """The target that holds at t_s."""
        return self.targets[max(0, bisect_right([since for since, _ in self.targets], t_s) - 1)][1]


@dataclass(frozen=True)
class Timeline:
    """Everything from outside, ready to play."""

    steps: tuple[Step, ...]
    episodes: tuple[Episode, ...]
    """In order of joining, those of one time in the file's order."""

    def of(self, application: str) -> tuple[Episode, ...]:
        """The stays of one application."""
        return tuple(e for e in self.episodes if e.application.name == application)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all applications that ever join."""
        return tuple(dict.fromkeys(e.application.name for e in self.episodes))


def make_timeline(scenario: Scenario, spec: BoardSpec) -> Timeline:
    """Lay out a scenario in time; `spec` tells where ramps begin."""
    player = _Player(spec)
    for application in scenario.applications:
        player.add(ScenarioEvent(0.0, Join(application)))
    for event in scenario.events:
        player.add(event)
    changes = player.finish(scenario.duration_s)
    steps = tuple(Step(t_s, change) for t_s, change in changes if isinstance(change, BoardChange))
    return Timeline(steps, tuple(_episodes(changes, scenario.duration_s)))


class _Player:
    """Turns ramps into steps; a newer event cuts off what is left of an older one's ramp."""

    def __init__(self, spec: BoardSpec) -> None:
        self._spec = spec
        self._state: dict[tuple[str, ...], Change] = {}
        self._pending: list[tuple[float, Change]] = []
        self._played: list[tuple[float, Change]] = []

    def add(self, event: ScenarioEvent) -> None:
        """The next event; they come in order of time."""
        self._play_until(event.t_s)
        for part in _parts(event.change):
            key = _key(part)
            self._pending = [entry for entry in self._pending if _key(entry[1]) != key]
            if event.ramp_s > 0.0:
                self._pending += self._ramp(event, part)
            else:
                self._apply(event.t_s, part)
        self._pending.sort(key=_time)

    def finish(self, end_s: float) -> list[tuple[float, Change]]:
        """All changes before the end, by time."""
        self._play_until(end_s)
        return self._played

    def _play_until(self, t_s: float) -> None:
        while self._pending and self._pending[0][0] <= t_s:
            self._apply(*self._pending.pop(0))

    def _apply(self, t_s: float, change: Change) -> None:
        if isinstance(change, CameraChange):
            change = _whole(change, self._state.get(_key(change)))
        self._played.append((t_s, change))
        self._state[_key(change)] = change
        if isinstance(change, Join | Leave):
            self._renew(change)

    def _renew(self, change: Join | Leave) -> None:
        """An application that joins begins with its own target and pace; one that left has no ramp."""
        name = change.application.name if isinstance(change, Join) else change.application
        self._pending = [entry for entry in self._pending if _subject(entry[1]) != name]
        self._state = {key: value for key, value in self._state.items() if _subject(value) != name}
        if isinstance(change, Join):
            camera = CameraChange(name, change.application.period_ms, change.application.jitter_ms)
            self._state[_key(camera)] = camera
            for field in QOS_KEYS:
                part = QosChange(name, ((field, float(getattr(change.application.qos, field))),))
                self._state[_key(part)] = part

    def _ramp(self, event: ScenarioEvent, part: Change) -> list[tuple[float, Change]]:
        count = math.ceil(event.ramp_s / RAMP_STEP_S)
        before = self._state.get(_key(part)) or _at_start(part, self._spec)
        between = [
            (event.t_s + event.ramp_s * i / count, _between(before, _solid(part, self._spec), i / count))
            for i in range(1, count)
        ]
        return [*between, (event.t_s + event.ramp_s, part)]


def _episodes(changes: list[tuple[float, Change]], end_s: float) -> Iterator[Episode]:
    """The stays of applications, each with what its target and its camera did."""
    for index, (join_s, change) in enumerate(changes):
        if not isinstance(change, Join):
            continue
        name = change.application.name
        after = changes[index + 1 :]
        leave_s = next((t for t, c in after if isinstance(c, Leave) and c.application == name), end_s)
        during = [(t, c) for t, c in after if t < leave_s]
        budget_w = _budget_at([c for _, c in changes[: index + 1]])
        targets = _targets(change.application, join_s, budget_w, during)
        cameras = _cameras(change.application, join_s, during)
        yield Episode(change.application, join_s, leave_s, tuple(targets), tuple(cameras))


def _budget_at(changes: list[Change]) -> float:
    budgets = [change.power_w for change in changes if isinstance(change, PowerBudget)]
    return budgets[-1] if budgets else math.nan


def _targets(
    application: ScenarioApplication, join_s: float, budget_w: float, during: list[tuple[float, Change]]
) -> list[tuple[float, QosTarget]]:
    """Changes of one moment are one new target."""
    own = application.qos
    targets = [(join_s, _within_budget(own, budget_w))]
    for t_s, change in during:
        if isinstance(change, PowerBudget):
            budget_w = change.power_w
        elif isinstance(change, QosChange) and change.application == application.name:
            own = target_with(own, dict(change.fields))
        else:
            continue
        if targets[-1][0] == t_s:
            targets.pop()
        targets.append((t_s, _within_budget(own, budget_w)))
    return targets


def _within_budget(target: QosTarget, budget_w: float) -> QosTarget:
    """The target under a budget of the whole board: the smaller one counts."""
    known = [w for w in (target.max_power_w, budget_w) if not math.isnan(w)]
    return replace(target, max_power_w=min(known, default=math.nan))


def _cameras(
    application: ScenarioApplication, join_s: float, during: list[tuple[float, Change]]
) -> list[tuple[float, float, float]]:
    cameras = [(join_s, application.period_ms, application.jitter_ms)]
    for t_s, change in during:
        if isinstance(change, CameraChange) and change.application == application.name:
            cameras.append((t_s, change.period_ms, change.jitter_ms))
    return cameras


def _parts(change: Change) -> list[Change]:
    """A change of several fields of a target as one change of each."""
    if isinstance(change, QosChange):
        return [QosChange(change.application, (field,)) for field in change.fields]
    return [change]


def _key(change: Change) -> tuple[str, ...]:
    """What a change replaces."""
    if isinstance(change, CoRunner):
        return (change.kind, change.element)
    if isinstance(change, Cap):
        return (change.kind, change.domain)
    if isinstance(change, QosChange):
        return (change.kind, change.application, change.fields[0][0])
    return (change.kind, _subject(change))


def _subject(change: Change) -> str:
    """The application whose target or camera it changes; "" for others."""
    return change.application if isinstance(change, QosChange | CameraChange) else ""


def _at_start(change: Change, spec: BoardSpec) -> Change:
    """What holds before the first change of this kind."""
    if isinstance(change, CoRunner):
        return CoRunner(change.element, 1.0, 0.0, 0.0)
    if isinstance(change, Bandwidth):
        return Bandwidth(0.0)
    if isinstance(change, Ambient):
        return Ambient(spec.thermal.ambient_degc)
    if isinstance(change, Cap):
        return _solid(Cap(change.domain, math.nan), spec)
    if isinstance(change, Cores):
        return _solid(Cores(0), spec)
    return change


def _solid(change: Change, spec: BoardSpec) -> Change:
    """A lifted cap, or all cores, as the number that it means."""
    if isinstance(change, Cap) and math.isnan(change.mhz):
        top = next(domain.available_mhz[-1] for domain in spec.domains if domain.name == change.domain)
        return replace(change, mhz=top)
    if isinstance(change, Cores) and change.count == 0:
        return Cores(max(element.cores for element in spec.power.elements))
    return change


def _whole(change: CameraChange, before: Change | None) -> CameraChange:
    """The change with the numbers that it leaves as they were."""
    if not isinstance(before, CameraChange):
        return change
    period_ms = _or(change.period_ms, before.period_ms)
    return replace(change, period_ms=period_ms, jitter_ms=_or(change.jitter_ms, before.jitter_ms))


def _between(before: Change, after: Change, share: float) -> Change:
    """The change a share of the way from one to the other: every number moves evenly."""
    if isinstance(before, Cap) and math.isnan(before.mhz):
        return after
    values: dict[str, Any] = {}
    for field, target in vars(after).items():
        start = getattr(before, field)
        if field == "fields":
            values[field] = ((target[0][0], start[0][1] + share * (target[0][1] - start[0][1])),)
        elif isinstance(target, int | float):
            moved = start if math.isnan(target) else start + share * (target - start)
            values[field] = round(moved) if isinstance(target, int) else moved
        else:
            values[field] = target
    return type(after)(**values)


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _time(pair: tuple[float, Change]) -> float:
    return pair[0]
