"""What one run left behind, as plain data: the input of the metrics and of the report.

Times `t_s` are seconds since the start of the run's scenario (negative: warm-up before it); NaN means not
measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

NAN = math.nan


@dataclass(frozen=True)
class Frame:
    """One released camera frame and what became of it."""

    application: str
    stamp_ns: int
    t_s: float  # release
    target_ms: float  # target valid at release; NaN: none
    latency_ms: float = NAN  # release to result; NaN: no result
    inference_ms: float = NAN
    subnet: str = ""  # "": no result
    label: str = ""  # truth; "": not known
    predicted: str = ""
    stretch: float = 1.0

    @property
    def inferred(self) -> bool:
        """Whether the frame got a result."""
        return bool(self.subnet)

    @property
    def on_time(self) -> bool:
        """Whether a result came within the target; without a target any result is on time."""
        if not self.inferred:
            return False
        return math.isnan(self.target_ms) or self.latency_ms <= self.target_ms

    @property
    def correct(self) -> bool | None:
        """Whether the predicted class is the true one; None where one of them is not known."""
        if not self.inferred or not self.label:
            return None
        return self.predicted == self.label


@dataclass(frozen=True)
class Event:
    """Something that happened to the system from outside. `kind`: qos, corunner, cap, join, leave, ..."""

    t_s: float
    kind: str
    label: str
    application: str = ""


@dataclass(frozen=True)
class BoardSample:
    """The board at one moment."""

    t_s: float
    power_w: float = NAN
    clocks_mhz: Mapping[str, float] = field(default_factory=dict)
    limits_mhz: Mapping[str, float] = field(default_factory=dict)  # upper limit in force, caps included
    temperatures_degc: Mapping[str, float] = field(default_factory=dict)
    loads: Mapping[str, float] = field(default_factory=dict)
    throttling: bool = False


@dataclass(frozen=True)
class Decision:
    """One decision of the manager, for one application or (application "") for the clocks."""

    t_s: float
    application: str
    choice: str  # sub-network, or the clock limits in words
    predicted_latency_ms: float
    target_ms: float
    feasible: bool
    reason: str


@dataclass(frozen=True)
class Accounting:
    """Where every frame of one application went, since its node was configured."""

    application: str
    sent: int
    received: int
    inferred: int
    dropped: Mapping[str, int]  # by reason
    recorded_results: int

    @property
    def lost(self) -> int:
        """Frames that left the camera and never reached perception (transport)."""
        return self.sent - self.received

    @property
    def in_flight(self) -> int:
        """Frames received whose fate is unknown; 0 after an orderly stop."""
        return self.received - self.inferred - sum(self.dropped.values())

    @property
    def complete(self) -> bool:
        """Every frame sent is lost, inferred or dropped, and every result is in the record."""
        return self.lost >= 0 and self.in_flight == 0 and self.recorded_results == self.inferred


@dataclass(frozen=True)
class Run:
    """Everything that metrics and report need to know about one run."""

    name: str  # "managed", "unmanaged", or the bag's name
    duration_s: float
    frames: tuple[Frame, ...]  # released within [0, duration_s], by rising t_s
    events: tuple[Event, ...] = ()
    board: tuple[BoardSample, ...] = ()
    decisions: tuple[Decision, ...] = ()
    accounting: tuple[Accounting, ...] = ()
    targets: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)  # app -> (t_s, ms)
    subnets: tuple[str, ...] = ()  # of the family, by rising latency
    switches: Mapping[str, int] = field(default_factory=dict)
    board_name: str = ""
    simulated: bool = False
    emulated_clocks: bool = False

    @property
    def applications(self) -> tuple[str, ...]:
        """Names of the applications in order of their first frame."""
        return tuple(dict.fromkeys(frame.application for frame in self.frames))

    def of(self, application: str) -> tuple[Frame, ...]:
        """Return the frames of one application."""
        return tuple(frame for frame in self.frames if frame.application == application)
