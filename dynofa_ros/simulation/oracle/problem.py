"""What the oracle plans over: frames, actions and conditions as arrays, without any simulator.

An action is an operating point together with a clock of the element that it runs on. Under the conditions
that hold at a time, every action has a true inference time and a true energy:

    T[p, c] = law.time(point p, clock c)        P[p, c] = mean power above idle during T[p, c]

and each element's clock costs idle power, counted above that of its lowest clock. Beside its clocks an
element has the state "released" (the last column of all tables): its governor serves others who use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PlanElement:
    """One server: an element and its clock domain. Clocks are indices into `mhz`, rising."""

    name: str
    domain: str
    mhz: tuple[float, ...]
    actuation_s: tuple[float, ...]
    """From a command until the clock is there [s], of the first, second ... change; the last goes on, and
    stands for those of which the number is not known."""
    initial: int = 0
    """Clock at the start."""
    cores: int = 0
    """Inferences run side by side while their threads fit on the cores; 0: one at a time."""
    throttles: bool = True
    """Whether heat holds its clock down."""


@dataclass(frozen=True)
class PlanActions:
    """The actions of one application, one entry each: shape (actions,)."""

    point: IntArray
    element: IntArray
    clock: IntArray
    accuracy: FloatArray
    threads: IntArray


@dataclass(frozen=True)
class Conditions:
    """What holds until `until_s`: true times [s] and active powers [W], per application (points, clocks)."""

    until_s: float
    time_s: tuple[FloatArray, ...]
    power_w: tuple[FloatArray, ...]
    idle_w: FloatArray
    """Idle power above the lowest clock's, shape (elements, clocks)."""
    highest: IntArray
    """Highest clock of each element, shape (elements,)."""
    rest: IntArray
    """Clock of each element while no frame uses it: 0, or released where others do, shape (elements,)."""
    released: IntArray
    """The clock that being released amounts to, shape (elements,)."""
    most_idle_w: FloatArray
    """The same, but released at the highest clock that the governor chooses, shape (elements, clocks)."""
    base_w: float = 0.0
    """Board power with every element idle at its lowest clock, co-runners included [W]."""
    temperature_shift_degc: float = 0.0
    """By which the ambient is above the thermal model's."""
    budget_w: float = np.inf
    """Mean board power that is allowed."""
    highest_w: float = np.inf
    """Board power from which on the supply throttles."""

    @property
    def kept_w(self) -> float:
        """The budget, infinite where even the idle board draws more: nothing keeps that."""
        return self.budget_w if self.budget_w > self.base_w else np.inf


@dataclass(frozen=True)
class PlanFrame:
    """One released frame with its future; times in seconds of the run."""

    application: int
    index: int
    release_s: float
    arrival_s: float
    next_arrival_s: float
    target_s: float
    factor: float = 1.0
    """Noise on its inference time."""
    min_accuracy: float = 0.0
    wants_accuracy: bool = False
    """Whether its application's objective is the accuracy; else the energy."""
    period_s: float = np.inf
    """Until its application's next frame, for the mean power."""
    leaves_s: float = np.inf
    """When its application or the run ends: unfinished then."""


@dataclass(frozen=True)
class HeatModel:
    """Two low-passes of the power; see `manager.thermal_model`."""

    t0_degc: float = 0.0
    r_degc_per_w: float = 0.0
    tau_fast_s: float = 1.0
    tau_slow_s: float = 100.0
    fast_share: float = 0.0
    start_w: float = 0.0
    trip_degc: float = np.inf


@dataclass(frozen=True)
class PlanProblem:
    """Everything that a plan depends on. Frames by rising arrival."""

    elements: tuple[PlanElement, ...]
    actions: tuple[PlanActions, ...]
    frames: tuple[PlanFrame, ...]
    conditions: tuple[Conditions, ...]
    horizon_s: float
    switch_s: float = 0.0
    leaves_s: tuple[float, ...] = ()
    """When each application leaves."""
    heat: HeatModel = field(default_factory=HeatModel)
    holds: bool = False
    """Whether elements that applications use keep their clocks while others are used."""


@dataclass(frozen=True)
class PlannedFrame:
    """What the plan does with a frame, and when; `action` -1: it is never inferred."""

    frame: PlanFrame
    action: int
    chosen_s: float
    start_s: float
    end_s: float

    @property
    def missed(self) -> bool:
        """Late, dropped or unfinished."""
        late = self.end_s - self.frame.release_s > self.frame.target_s
        return self.action < 0 or late or self.end_s > self.frame.leaves_s


@dataclass(frozen=True)
class PlannedClock:
    """A clock that the plan asks for."""

    at_s: float
    element: int
    clock: int
    """Number in its table; one beyond all of them: released to the governor."""


@dataclass(frozen=True)
class Plan:
    """The best plan that was found, in the order of the frames' arrivals."""

    frames: tuple[PlannedFrame, ...]
    clocks: tuple[PlannedClock, ...]
    misses: int
    below_floor: int
    on_time_accuracy: float
    """Mean over the released frames whose application wants accuracy, misses counting 0; NaN without any."""
    energy_j: float
    """Above the board idle at its lowest clocks."""
    peak_degc: float
    violations: int
    """Frames above the power budget or drawing more than the supply allows."""
    slowed_s: float
    """Time with clocks held down by heat."""
    exact: bool
    """Whether no label that could have led to a better plan was let go."""
