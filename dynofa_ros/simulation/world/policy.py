"""What a policy is: it sees a board and its applications, and chooses operating points and clocks.

The simulator plays every policy by the same rules. Whatever a policy knows comes through `World` and the
`on_...` methods; only a clairvoyant one (an oracle) is also given the `Future`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from dynofa_ros.board.options import Voltage
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.state import BoardState
from dynofa_ros.manager.decision import ClockLimit
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget

if TYPE_CHECKING:
    from dynofa_ros.simulation.scenarios.scenario import Scenario
    from dynofa_ros.simulation.world.run_record import RunRecord
    from dynofa_ros.simulation.world.truth import Truth


@dataclass(frozen=True)
class SimApplication:
    """An application as it presents itself: its profile, its first target and its nominal period."""

    name: str
    family: str
    points: tuple[OperatingPoint, ...]
    target: QosTarget
    period_ms: float


@dataclass(slots=True)
class FrameOutcome:
    """What became of one released frame. Times in seconds of the run; NaN: it did not get that far."""

    application: str
    index: int
    """Number of the frame within its application, from 0."""
    release_s: float
    target_ms: float
    """Target valid at release."""
    received_s: float = math.nan
    """When it reached the mailbox: release plus the transport's overhead."""
    chosen_s: float = math.nan
    """When the worker took it and the policy chose its point."""
    start_s: float = math.nan
    """When the element began with it: chosen_s + waited_ms (+ switch)."""
    end_s: float = math.nan
    """When its result was there."""
    inference_ms: float = math.nan
    """start_s to end_s."""
    waited_ms: float = 0.0
    """chosen_s to start_s: the element was at work for another application, or was switched."""
    point: OperatingPoint | None = None
    element: str = ""
    accuracy: float = 0.0
    drop: str = ""
    """"" inferred; "replaced" by a newer frame; "unfinished" at the end of the run or of its application."""
    slowdown_true: float = 1.0
    """Slow-down of its element by others when it started (hidden from policies that are not clairvoyant)."""

    @property
    def latency_ms(self) -> float:
        """Release to result, waiting included; NaN without a result."""
        return (self.end_s - self.release_s) * 1e3

    @property
    def measured_ms(self) -> float:
        """What a perception node measures around its call of the network: waiting for its element too."""
        return self.waited_ms + self.inference_ms

    @property
    def inferred(self) -> bool:
        """Whether there is a result."""
        return not self.drop and self.end_s == self.end_s

    @property
    def on_time(self) -> bool:
        """Whether the result came within the target that was valid at release."""
        return self.inferred and self.latency_ms <= self.target_ms


class World(Protocol):
    """All that a policy may see and do. Limits and governors take effect with the domain's delay."""

    @property
    def now_s(self) -> float:
        """Time since the start of the run [s]."""

    @property
    def spec(self) -> BoardSpec:
        """The board file: tables and models."""

    @property
    def frame_index(self) -> int:
        """Within `choose`: number of the frame that is about to run."""

    @property
    def frame_release_s(self) -> float:
        """Within `choose`: when that frame was released [s]."""

    def limit(self, domain: str, min_mhz: float, max_mhz: float, validity_s: float = math.inf) -> None:
        """Let the domain's governor choose within this range only; a pin where both are equal.

        A lease: without a newer limit the board's own range is back after `validity_s`.
        """

    def apply(self, limits: Sequence[ClockLimit], validity_s: float) -> None:
        """Several limits as one message to the board. RefusedMessage: one makes no sense; nothing changes."""

    def governor(self, domain: str, name: str) -> None:
        """Hand a domain to another governor of the kernel."""

    def schedule(self, at_s: float, callback: Callable[[], None]) -> None:
        """Call back at `at_s` (at once, after the current event, where that is past)."""

    def suspend(self, application: str, until_s: float) -> None:
        """Let no frame of an application start before `until_s`: its process restarts, say."""

    def clocks(self) -> Mapping[str, float]:
        """Clock of each domain as read from the kernel now [MHz]."""


@dataclass(frozen=True)
class Future:
    """What a clairvoyant policy is told before the start."""

    scenario: Scenario
    seed: int
    voltage: Voltage


class Policy:
    """Base of all policies. Subclasses override what they need; `choose` they must."""

    name: ClassVar[str] = ""
    clairvoyant: ClassVar[bool] = False

    world: World
    decision_us: Sequence[float] = ()
    """Wall-clock time of each decision; not part of the reproducible results."""

    def foresee(self, future: Future) -> None:
        """Before `start`, for clairvoyant policies only."""

    def computed(self, truth: Truth) -> RunRecord | None:
        """The run of a policy that is not played but computed; None for all others."""
        return None

    def start(self, world: World) -> None:
        """The run begins: set governors and limits, schedule timers. Applications join afterwards."""
        self.world = world

    def on_join(self, app: SimApplication) -> None:
        """An application presents itself."""

    def on_leave(self, name: str) -> None:
        """An application is gone; its name may join again."""

    def on_target(self, name: str, target: QosTarget) -> None:
        """A new target; a board-wide power budget arrives in `max_power_w` of every target."""

    def on_board_state(self, state: BoardState) -> None:
        """A reading of the sensors, ten a second, faults included."""

    def on_received(self, name: str, received_s: float) -> None:
        """A frame reached the mailbox."""

    def choose(self, name: str) -> OperatingPoint:
        """The point for the frame that the application's worker has just taken."""
        raise NotImplementedError

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """A frame has its result, or was dropped (`frame.drop`)."""

    def on_restart(self, down_s: float) -> None:
        """The manager process dies and is back after `down_s`; policies that live in the kernel have none."""
