"""What can happen from outside: the event kinds of schema `dynofa/scenario/1` and how each is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from dynofa_ros.manager.qos import LARGEST_POWER_W, LONGEST_LATENCY_MS, Objective, QosTarget
from dynofa_ros.simulation.scenarios.lined_yaml import Section

OBJECTIVES = {"max_accuracy": int(Objective.MAX_ACCURACY), "min_energy": int(Objective.MIN_ENERGY)}
SENSORS = ("gpu_temperature", "cpu_temperature", "tj", "power", "clocks", "load")
FAULTS = ("stuck", "missing", "nan")
SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS = 1.0, 60_000.0
LONGEST_S = 86_400.0
QOS_KEYS = ("latency_ms", "percentile", "min_accuracy", "max_power_w", "objective", "priority")
APPLICATION_KEYS = ("name", "family", "placements", "period_ms", "jitter_ms", "qos")


@dataclass(frozen=True)
class ScenarioApplication:
    """An application with its camera: frames every period_ms, each +- jitter_ms (uniform, independent)."""

    name: str
    family: str
    period_ms: float
    jitter_ms: float
    qos: QosTarget
    placements: str = "*"
    """Those that it may use: comma-separated patterns element/backend/precision/threads with wildcards."""


@dataclass(frozen=True)
class CoRunner:
    """Somebody else on an element; replaces the earlier one there. slowdown 1 and power_w 0: gone."""

    kind: ClassVar[str] = "corunner"
    element: str
    slowdown: float
    busy: float
    power_w: float


@dataclass(frozen=True)
class Bandwidth:
    """Memory bandwidth that others use [GB/s]."""

    kind: ClassVar[str] = "bandwidth_gbps"
    gbps: float


@dataclass(frozen=True)
class Ambient:
    """Temperature of the surroundings."""

    kind: ClassVar[str] = "ambient_degc"
    degc: float


@dataclass(frozen=True)
class Cap:
    """Upper limit of a clock that somebody else sets; NaN: lifted."""

    kind: ClassVar[str] = "cap"
    domain: str
    mhz: float


@dataclass(frozen=True)
class Cores:
    """CPU cores online; 0: all."""

    kind: ClassVar[str] = "cores"
    count: int


@dataclass(frozen=True)
class PowerMode:
    """A power mode of the board, by name."""

    kind: ClassVar[str] = "power_mode"
    name: str


@dataclass(frozen=True)
class PowerBudget:
    """Budget for the whole board; NaN: lifted."""

    kind: ClassVar[str] = "power_budget_w"
    power_w: float


@dataclass(frozen=True)
class Fault:
    """A sensor that repeats its last value, is not there, or reads NaN, for duration_s."""

    kind: ClassVar[str] = "fault"
    sensor: str
    fault: str
    duration_s: float


@dataclass(frozen=True)
class QosChange:
    """Fields of an application's target that change; the others stay."""

    kind: ClassVar[str] = "qos"
    application: str
    fields: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class CameraChange:
    """Another pace of an application's camera; NaN: as before."""

    kind: ClassVar[str] = "camera"
    application: str
    period_ms: float
    jitter_ms: float


@dataclass(frozen=True)
class Join:
    """An application that appears."""

    kind: ClassVar[str] = "join"
    application: ScenarioApplication


@dataclass(frozen=True)
class Leave:
    """An application that goes; its frames in flight stay unfinished."""

    kind: ClassVar[str] = "leave"
    application: str


@dataclass(frozen=True)
class ManagerRestart:
    """The manager process dies and is back after down_s, having forgotten everything."""

    kind: ClassVar[str] = "manager_restart"
    down_s: float


Change = (
    CoRunner | Bandwidth | Ambient | Cap | Cores | PowerMode | PowerBudget | Fault | QosChange
    | CameraChange | Join | Leave | ManagerRestart
)  # fmt: skip


@dataclass(frozen=True)
class ScenarioEvent:
    """One change from outside at t_s; its numbers move there evenly during ramp_s."""

    t_s: float
    change: Change
    ramp_s: float = 0.0
    line: int = 0

    @property
    def kind(self) -> str:
        """The key that the event has in the file."""
        return self.change.kind


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


def read_target(name: str, section: Section) -> QosTarget:
    """A whole target; latency_ms is needed, the rest has the defaults of QosTarget."""
    section.get("latency_ms")
    return target_with(QosTarget(name, math.nan), read_qos_fields(section))


def target_with(target: QosTarget, fields: Mapping[str, float]) -> QosTarget:
    """The target with some fields changed (the whole numbers among them as such)."""
    values: dict[str, Any] = {name: getattr(target, name) for name in QOS_KEYS} | dict(fields)
    values["objective"], values["priority"] = int(values["objective"]), int(values["priority"])
    return QosTarget(target.application, **values).validated()


def read_qos_fields(section: Section) -> dict[str, float]:
    """The fields of a target that the section names; null lifts a floor or a budget."""
    fields = {key: _QOS_READERS[key](section, key) for key in QOS_KEYS if section.has(key)}
    if not fields:
        raise section.complaint("", f"changes nothing: name one of {', '.join(QOS_KEYS)}")
    return fields


_QOS_READERS: dict[str, Callable[[Section, str], float]] = {
    "latency_ms": lambda section, key: section.number(key, 0.01, LONGEST_LATENCY_MS),
    "percentile": lambda section, key: section.number(key, 0.5, 0.9999),
    "min_accuracy": lambda section, key: section.number_or_null(key, 0.0, 1.0),
    "max_power_w": lambda section, key: section.number_or_null(key, 0.01, LARGEST_POWER_W),
    "objective": lambda section, key: float(OBJECTIVES[section.word(key, tuple(OBJECTIVES))]),
    "priority": lambda section, key: float(section.whole(key, 0, 255)),
}


def read_event(section: Section) -> ScenarioEvent:
    """An entry of `events`: t, exactly one kind, and for numbers perhaps ramp_s."""
    t_s = section.number("t", 0.0, LONGEST_S)
    kinds = [kind for kind in EVENT_READERS if section.has(kind)]
    if len(kinds) != 1:
        has = ", ".join(kinds) or "none"
        raise section.complaint("", f"must have exactly one of {', '.join(EVENT_READERS)}; it has {has}")
    change = EVENT_READERS[kinds[0]](section)
    ramp_s = section.number("ramp_s", 0.0, LONGEST_S, 0.0)
    if ramp_s > 0.0 and not isinstance(change, RAMPED):
        raise section.refusal("ramp_s", f"{kinds[0]} cannot be ramped: remove it")
    return ScenarioEvent(t_s, change, ramp_s, section.line)


def _corunner(section: Section) -> Change:
    inner = section.section("corunner", ("element", "slowdown", "power_w", "busy"))
    slowdown = inner.number("slowdown", 1.0, 100.0)
    return CoRunner(
        element=inner.word("element"),
        slowdown=slowdown,
        busy=inner.number("busy", 0.0, 1.0, 1.0 - 1.0 / slowdown),
        power_w=inner.number("power_w", 0.0, 1000.0, 0.0),
    )


def _bandwidth(section: Section) -> Change:
    gbps = section.number_or_null("bandwidth_gbps", 0.0, 1000.0)
    return Bandwidth(0.0 if math.isnan(gbps) else gbps)


def _ambient(section: Section) -> Change:
    return Ambient(section.number("ambient_degc", -40.0, 100.0))


def _cap(section: Section) -> Change:
    inner = section.section("cap", ("domain", "mhz"))
    return Cap(inner.word("domain"), inner.number_or_null("mhz", 1.0, 100_000.0))


def _cores(section: Section) -> Change:
    return Cores(0 if section.get("cores") is None else section.whole("cores", 1, 1024))


def _power_mode(section: Section) -> Change:
    return PowerMode(section.word("power_mode"))


def _power_budget(section: Section) -> Change:
    return PowerBudget(section.number_or_null("power_budget_w", 0.01, LARGEST_POWER_W))


def _fault(section: Section) -> Change:
    inner = section.section("fault", ("sensor", "kind", "duration_s"))
    duration_s = inner.number("duration_s", 0.001, LONGEST_S)
    return Fault(inner.word("sensor", SENSORS), inner.word("kind", FAULTS), duration_s)


def _qos(section: Section) -> Change:
    inner = section.section("qos", ("application", *QOS_KEYS))
    return QosChange(inner.word("application"), tuple(read_qos_fields(inner).items()))


def _camera(section: Section) -> Change:
    inner = section.section("camera", ("application", "period_ms", "jitter_ms"))
    if not inner.has("period_ms") and not inner.has("jitter_ms"):
        raise inner.complaint("", "changes nothing: name period_ms or jitter_ms")
    return CameraChange(
        application=inner.word("application"),
        period_ms=inner.number("period_ms", SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS, math.nan),
        jitter_ms=inner.number("jitter_ms", 0.0, LONGEST_PERIOD_MS, math.nan),
    )


def _join(section: Section) -> Change:
    return Join(read_application(section.section("join", APPLICATION_KEYS)))


def _leave(section: Section) -> Change:
    return Leave(section.section("leave", ("application",)).word("application"))


def _manager_restart(section: Section) -> Change:
    return ManagerRestart(section.section("manager_restart", ("down_s",)).number("down_s", 0.0, LONGEST_S))


RAMPED = (CoRunner, Bandwidth, Ambient, Cap, Cores, PowerBudget, QosChange, CameraChange)

EVENT_READERS: dict[str, Callable[[Section], Change]] = {
    "corunner": _corunner,
    "bandwidth_gbps": _bandwidth,
    "ambient_degc": _ambient,
    "cap": _cap,
    "cores": _cores,
    "power_mode": _power_mode,
    "power_budget_w": _power_budget,
    "fault": _fault,
    "qos": _qos,
    "camera": _camera,
    "join": _join,
    "leave": _leave,
    "manager_restart": _manager_restart,
}
