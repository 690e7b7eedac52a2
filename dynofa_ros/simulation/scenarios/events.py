"""The event kinds of schema `dynofa/scenario/1` and how each is read: a table of fields and their ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dynofa_ros.manager.qos import LARGEST_POWER_W
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
from dynofa_ros.simulation.scenarios.lined_yaml import Section
from dynofa_ros.simulation.scenarios.targets import QOS_KEYS, read_qos_fields, read_target

SENSORS = ("gpu_temperature", "cpu_temperature", "tj", "power", "clocks", "load")
FAULTS = ("stuck", "missing", "nan")
SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS = 1.0, 60_000.0
LONGEST_S = 86_400.0
APPLICATION_KEYS = ("name", "family", "placements", "period_ms", "jitter_ms", "qos")

Reader = Callable[[Section, str], Any]
"""Reads one field, by its key."""
EventReader = Callable[[Section, str], Change]
"""Reads one event, by its kind."""


def read_event(section: Section) -> ScenarioEvent:
    """An entry of `events`: t, exactly one kind, and for numbers perhaps ramp_s."""
    t_s = section.number("t", 0.0, LONGEST_S)
    kinds = [kind for kind in EVENT_READERS if section.has(kind)]
    if len(kinds) != 1:
        has = ", ".join(kinds) or "none"
        raise section.complaint("", f"must have exactly one of {', '.join(EVENT_READERS)}; it has {has}")
    change = EVENT_READERS[kinds[0]](section, kinds[0])
    ramp_s = section.number("ramp_s", 0.0, LONGEST_S, 0.0)
    if ramp_s > 0.0 and not isinstance(change, RAMPED):
        raise section.refusal("ramp_s", f"{kinds[0]} cannot be ramped: remove it")
    return ScenarioEvent(t_s, change, ramp_s, section.line)


def read_application(section: Section) -> ScenarioApplication:
    """An entry of `applications`, or of a join event."""
    name = section.word("name")
    period_ms = section.number("period_ms", SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS)
    return ScenarioApplication(
        name=name,
        family=section.word("family"),
        period_ms=period_ms,
        jitter_ms=read_jitter(section, period_ms, 0.0),
        qos=read_target(name, section.section("qos", QOS_KEYS)),
        placements=section.word("placements", default="*"),
    )


def read_jitter(section: Section, period_ms: float, default: float) -> float:
    """Jitter of a camera: less than half its period, so that frames never overtake each other."""
    jitter_ms = section.number("jitter_ms", 0.0, LONGEST_PERIOD_MS, default)
    if jitter_ms >= period_ms / 2.0:
        raise section.refusal("jitter_ms", f"must be less than half the period of {period_ms:g} ms")
    return jitter_ms


# Readers of one field


def _number(low: float, high: float, default: float | None = None) -> Reader:
    return lambda section, key: section.number(key, low, high, default)


def _number_or(null: float, low: float, high: float) -> Reader:
    """Null stands for the value `null`."""
    return lambda section, key: null if section.get(key) is None else section.number(key, low, high)


def _whole_or(null: int, low: int, high: int) -> Reader:
    return lambda section, key: null if section.get(key) is None else section.whole(key, low, high)


def _word(*allowed: str) -> Reader:
    return lambda section, key: section.word(key, allowed)


# Readers of one event


def _value(make: Callable[[Any], Change], read: Reader) -> EventReader:
    """The event's value is all there is to it."""
    return lambda section, kind: make(read(section, kind))


def _mapping(make: Callable[..., Change], **fields: Reader) -> EventReader:
    """The event's value is a mapping of fields, in the order of the class's."""

    def read(section: Section, kind: str) -> Change:
        inner = section.section(kind, tuple(fields))
        return make(*(reader(inner, name) for name, reader in fields.items()))

    return read


def _corunner(element: str, slowdown: float, power_w: float, busy: float) -> Change:
    return CoRunner(element, slowdown, 1.0 - 1.0 / slowdown if math.isnan(busy) else busy, power_w)


def _qos(section: Section, kind: str) -> Change:
    inner = section.section(kind, ("application", *QOS_KEYS))
    return QosChange(inner.word("application"), tuple(read_qos_fields(inner).items()))


def _camera(section: Section, kind: str) -> Change:
    inner = section.section(kind, ("application", "period_ms", "jitter_ms"))
    if not inner.has("period_ms") and not inner.has("jitter_ms"):
        raise inner.complaint("", "changes nothing: name period_ms or jitter_ms")
    return CameraChange(
        application=inner.word("application"),
        period_ms=inner.number("period_ms", SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS, math.nan),
        jitter_ms=inner.number("jitter_ms", 0.0, LONGEST_PERIOD_MS, math.nan),
    )


def _join(section: Section, kind: str) -> Change:
    return Join(read_application(section.section(kind, APPLICATION_KEYS)))


RAMPED = (CoRunner, Bandwidth, Ambient, Cap, Cores, PowerBudget, QosChange, CameraChange)

EVENT_READERS: dict[str, EventReader] = {
    "corunner": _mapping(
        _corunner,
        element=_word(),
        slowdown=_number(1.0, 100.0),
        power_w=_number(0.0, 1000.0, 0.0),
        busy=_number(0.0, 1.0, math.nan),
    ),
    "bandwidth_gbps": _value(Bandwidth, _number_or(0.0, 0.0, 1000.0)),
    "ambient_degc": _value(Ambient, _number(-40.0, 100.0)),
    "cap": _mapping(Cap, domain=_word(), mhz=_number_or(math.nan, 1.0, 100_000.0)),
    "cores": _value(Cores, _whole_or(0, 1, 1024)),
    "power_mode": _value(PowerMode, _word()),
    "power_budget_w": _value(PowerBudget, _number_or(math.nan, 0.01, LARGEST_POWER_W)),
    "fault": _mapping(
        Fault, sensor=_word(*SENSORS), kind=_word(*FAULTS), duration_s=_number(0.001, LONGEST_S)
    ),
    "qos": _qos,
    "camera": _camera,
    "join": _join,
    "leave": _mapping(Leave, application=_word()),
    "manager_restart": _mapping(ManagerRestart, down_s=_number(0.0, LONGEST_S)),
}
