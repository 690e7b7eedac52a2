"""The demonstration's scenario file (`dynofa/demo/1`): what happens to the system from outside, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dynofa_ros.errors import ConfigError
from dynofa_ros.plain_yaml import load_plain_yaml

SCHEMA = "dynofa/demo/1"
OBJECTIVES = {"max_accuracy": 0, "min_energy": 1}
CORES_WORDS = ("all_but_one", "half")
KINDS = ("qos", "corunner", "cap", "join", "leave")


@dataclass(frozen=True)
class RelativeLatency:
    """A target relative to what this machine measures: overhead_factor x overhead + factor x latency."""

    subnet: str  # "largest", "smallest" or a name
    factor: float


@dataclass(frozen=True)
class QosChange:
    """Fields of a QosTarget that change; None: as before."""

    latency: RelativeLatency | float | None = None  # float: [ms]
    percentile: float | None = None
    min_accuracy: float | None = None
    objective: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class Camera:
    """Camera of every application."""

    width: int = 320
    height: int = 240
    rate_hz: float = 15.0


@dataclass(frozen=True)
class DemoApplication:
    """One perception node with its camera; `streams`: from the start, else from a join event on."""

    name: str
    streams: bool = True
    qos: QosChange = field(default_factory=QosChange)


@dataclass(frozen=True)
class ScenarioEvent:
    """One outside event. `value`: QosChange | cores (int or word) | (domain, MHz or None)."""

    t_s: float
    kind: str
    application: str = ""
    value: Any = None


@dataclass(frozen=True)
class Scenario:
    """A validated scenario file."""

    name: str
    board: str
    duration_s: float
    camera: Camera
    applications: tuple[DemoApplication, ...]
    events: tuple[ScenarioEvent, ...]
    overhead_factor: float = 1.0  # of every relative target


class _Reader:
    """Reads fields of one mapping; every complaint names file, field and value."""

    def __init__(self, file: Path, where: str, data: Any, known: Sequence[str]) -> None:
        self._file, self._where = file, where
        if not isinstance(data, dict):
            raise self.error("", f"{data!r} must be a mapping with the keys {', '.join(known)}")
        unknown = sorted(set(map(str, data)) - set(known))
        if unknown:
            raise self.error(unknown[0], f"unknown key; known: {', '.join(known)}")
        self._data: Mapping[str, Any] = data

    def error(self, key: str, message: str) -> ConfigError:
        return ConfigError(self._file, ".".join(part for part in (self._where, key) if part), message)

    def has(self, key: str) -> bool:
        return key in self._data

    def raw(self, key: str) -> Any:
        if key not in self._data:
            raise self.error(key, "is missing")
        return self._data[key]

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        if default is not None and not self.has(key):
            return default
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.error(key, f"{value!r} must be a number from {low:g} to {high:g}")
        return float(value)

    def word(self, key: str, allowed: Sequence[str] = (), default: str | None = None) -> str:
        if default is not None and not self.has(key):
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip() or (allowed and value not in allowed):
            raise self.error(
                key, f"{value!r} must be {'one of ' + ', '.join(allowed) if allowed else 'a name'}"
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._data.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r} must be true or false")
        return value

    def items(self, key: str) -> list[Any]:
        value = self.raw(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, f"{value!r} must be a list with at least one entry")
        return value


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file.

    Raises:
        ConfigError: names file, field, value and what is allowed.
    """
    try:
        data = load_plain_yaml(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"cannot be read: {error}") from error
    keys = ("schema", "name", "board", "duration_s", "overhead_factor", "camera", "applications", "events")
    top = _Reader(path, "", data, keys)
    top.word("schema", (SCHEMA,))
    applications = tuple(
        _application(path, f"applications[{index}]", item)
        for index, item in enumerate(top.items("applications"))
    )
    names = [application.name for application in applications]
    if len(set(names)) < len(names):
        raise top.error("applications", f"names must differ: {', '.join(names)}")
    duration_s = top.number("duration_s", 1.0, 86_400.0)
    events = tuple(
        _event(path, f"events[{index}]", item, duration_s, names)
        for index, item in enumerate(top.items("events"))
    )
    return Scenario(
        name=top.word("name"),
        board=top.word("board"),
        duration_s=duration_s,
        camera=_camera(path, top.raw("camera")),
        applications=applications,
        overhead_factor=top.number("overhead_factor", 0.0, 100.0, 1.0),
        events=tuple(sorted(events, key=lambda event: event.t_s)),
    )


def _camera(path: Path, data: Any) -> Camera:
    reader = _Reader(path, "camera", data, ("width", "height", "rate_hz"))
    return Camera(
        width=int(reader.number("width", 16, 8192, 320)),
        height=int(reader.number("height", 16, 8192, 240)),
        rate_hz=reader.number("rate_hz", 0.5, 240.0, 15.0),
    )


_QOS_KEYS = ("latency", "percentile", "min_accuracy", "objective", "priority")


def _application(path: Path, where: str, data: Any) -> DemoApplication:
    reader = _Reader(path, where, data, ("name", "streams", "qos"))
    qos = (
        _qos(_Reader(path, f"{where}.qos", reader.raw("qos"), _QOS_KEYS))
        if reader.has("qos")
        else QosChange()
    )
    return DemoApplication(reader.word("name"), reader.flag("streams", True), qos)


def _qos(reader: _Reader) -> QosChange:
    def optional(key: str, read: Callable[[], Any]) -> Any:
        return read() if reader.has(key) else None

    return QosChange(
        latency=optional("latency", lambda: _latency(reader)),
        percentile=optional("percentile", lambda: reader.number("percentile", 0.01, 0.9999)),
        min_accuracy=optional("min_accuracy", lambda: reader.number("min_accuracy", 0.0, 1.0)),
        objective=optional("objective", lambda: OBJECTIVES[reader.word("objective", tuple(OBJECTIVES))]),
        priority=optional("priority", lambda: int(reader.number("priority", 0, 255))),
    )


def _latency(reader: _Reader) -> RelativeLatency | float:
    value = reader.raw("latency")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return reader.number("latency", 0.01, 60_000.0)
    inner = _Reader(reader._file, f"{reader._where}.latency", value, ("subnet", "factor"))
    return RelativeLatency(inner.word("subnet"), inner.number("factor", 0.01, 1000.0))


def _event(path: Path, where: str, data: Any, duration_s: float, names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("t", *KINDS))
    t_s = reader.number("t", 0.0, duration_s)
    kinds = [kind for kind in KINDS if reader.has(kind)]
    if len(kinds) != 1:
        raise reader.error(
            "", f"must have exactly one of {', '.join(KINDS)}, has {', '.join(kinds) or 'none'}"
        )
    return _EVENT_READERS[kinds[0]](path, f"{where}.{kinds[0]}", reader.raw(kinds[0]), t_s, names)


def _qos_event(path: Path, where: str, data: Any, t_s: float, names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("application", *_QOS_KEYS))
    return ScenarioEvent(t_s, "qos", reader.word("application", names), _qos(reader))


def _join_event(path: Path, where: str, data: Any, t_s: float, names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("application", *_QOS_KEYS))
    return ScenarioEvent(t_s, "join", reader.word("application", names), _qos(reader))


def _leave_event(path: Path, where: str, data: Any, t_s: float, names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("application",))
    return ScenarioEvent(t_s, "leave", reader.word("application", names))


def _corunner_event(path: Path, where: str, data: Any, t_s: float, _names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("cores",))
    if isinstance(reader.raw("cores"), str):
        return ScenarioEvent(t_s, "corunner", value=reader.word("cores", CORES_WORDS))
    return ScenarioEvent(t_s, "corunner", value=int(reader.number("cores", 0, 1024)))


def _cap_event(path: Path, where: str, data: Any, t_s: float, _names: Sequence[str]) -> ScenarioEvent:
    reader = _Reader(path, where, data, ("domain", "mhz"))
    lifted = reader.raw("mhz") is None
    mhz = math.nan if lifted else reader.number("mhz", 1.0, 100_000.0)
    return ScenarioEvent(t_s, "cap", value=(reader.word("domain"), mhz))


_EVENT_READERS: dict[str, Callable[[Path, str, Any, float, Sequence[str]], ScenarioEvent]] = {
    "qos": _qos_event,
    "join": _join_event,
    "leave": _leave_event,
    "corunner": _corunner_event,
    "cap": _cap_event,
}
