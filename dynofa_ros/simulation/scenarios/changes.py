"""What can happen from outside, one class per event kind; `kind` is the key that it has in a file."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from dynofa_ros.manager.qos import QosTarget


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

    def runs_on(self, placement: str) -> bool:
        """Whether it may use a placement."""
        return any(fnmatchcase(placement, pattern.strip()) for pattern in self.placements.split(","))


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
