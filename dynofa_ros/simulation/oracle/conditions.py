"""What holds when: the steps from outside as true times and powers of every point at every clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.manager.models.power_model import ElementPower, element_share
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.oracle.problem import Conditions, FloatArray, PlanElement
from dynofa_ros.simulation.scenarios.changes import Ambient, Bandwidth, Cap, Cores, CoRunner, PowerMode
from dynofa_ros.simulation.world.policy import Policy, World
from dynofa_ros.simulation.world.simulator import Simulator
from dynofa_ros.simulation.world.truth import Truth

WATCH_S = 0.1


@dataclass(frozen=True)
class Settled:
    """The clocks that a power mode fixes have arrived."""

    mode: str


@dataclass
class Outside:
    """The state of everything from outside."""

    spec: BoardSpec
    mode: str
    memory_mode: str
    """The mode that set the clocks which are not writable: it takes their delay to get there."""
    corunners: dict[str, CoRunner] = field(default_factory=dict)
    caps_mhz: dict[str, float] = field(default_factory=dict)
    bandwidth_gbps: float = 0.0
    cores: int = 0
    ambient_degc: float = math.nan
    governed_mhz: Mapping[str, float] = field(default_factory=dict)
    """The mean clocks that the governors choose on the board without applications."""
    most_governed_mhz: Mapping[str, float] = field(default_factory=dict)
    """The highest of these clocks."""

    def take(self, change: object) -> None:
        """One step; those that change neither pace nor power are none."""
        if isinstance(change, CoRunner):
            self.corunners[change.element] = change
        elif isinstance(change, Cap):
            self.caps_mhz[change.domain] = change.mhz
        elif isinstance(change, Bandwidth):
            self.bandwidth_gbps = change.gbps
        elif isinstance(change, Cores):
            self.cores = change.count
        elif isinstance(change, Ambient):
            self.ambient_degc = change.degc
        elif isinstance(change, PowerMode):
            self.mode = change.name
        elif isinstance(change, Settled):
            self.memory_mode = change.mode

    def highest_mhz(self, domain: str) -> float:
        """The highest clock that cap and power mode leave."""
        writable = next(d.writable for d in self.spec.domains if d.name == domain)
        mode = self.spec.power_mode(self.mode if writable else self.memory_mode)
        mode_mhz = dict(mode.clocks_mhz).get(domain, math.inf)
        cap_mhz = self.caps_mhz.get(domain, math.nan)
        return mode_mhz if math.isnan(cap_mhz) else min(cap_mhz, mode_mhz)

    def lowest_clocks(self) -> dict[str, float]:
        """Every domain at its lowest clock, those that cannot be set where the mode puts them."""
        return {
            d.name: d.available_mhz[0] if d.writable else min(self.highest_mhz(d.name), d.available_mhz[-1])
            for d in self.spec.domains
        }


def conditions_of(
    truth: Truth, elements: Sequence[PlanElement], points: Sequence[Sequence[OperatingPoint]]
) -> tuple[Conditions, ...]:
    """One after the other, until the end of the run; `points`: of each stay of an application."""
    steps: dict[float, list[object]] = {0.0: []}
    for at_s, change in _steps(truth):
        steps.setdefault(at_s, []).append(change)
    for episode in truth.timeline.episodes:
        for at_s in (episode.join_s, episode.leave_s, *(since for since, _ in episode.targets)):
            steps.setdefault(at_s, [])
    times = [at_s for at_s in sorted(steps) if at_s < truth.scenario.duration_s]
    spec = truth.spec
    mode = truth.scenario.power_mode
    outside = Outside(spec, mode, mode, ambient_degc=spec.thermal.ambient_degc)
    governed = _governed(truth)
    found = []
    for at_s, until_s in zip(times, [*times[1:], math.inf], strict=True):
        for change in steps[at_s]:
            outside.take(change)
        outside.governed_mhz, outside.most_governed_mhz = _means_and_most(governed, at_s, until_s)
        found.append(_conditions(truth, outside, elements, points, at_s, until_s))
    return tuple(found)


def _steps(truth: Truth) -> Iterator[tuple[float, object]]:
    board, modes = truth.board(), 0
    fixed = [domain.name for domain in truth.spec.domains if not domain.writable]
    for step in truth.timeline.steps:
        yield step.t_s, step.change
        if isinstance(step.change, PowerMode):
            delay_ms = max((board.actuation_ms(name, modes) for name in fixed), default=0.0)
            yield step.t_s + delay_ms / 1e3, Settled(step.change.name)
            modes += 1


def _conditions(
    truth: Truth,
    outside: Outside,
    elements: Sequence[PlanElement],
    points: Sequence[Sequence[OperatingPoint]],
    at_s: float,
    until_s: float,
) -> Conditions:
    spec = outside.spec
    known = {id(profile): _paces(truth, outside, elements, profile) for profile in points}
    paces = [known[id(profile)] for profile in points]
    corunner_w = sum(corunner.power_w for corunner in outside.corunners.values())
    return Conditions(
        until_s=until_s,
        time_s=tuple(time_s for time_s, _ in paces),
        power_w=tuple(power_w for _, power_w in paces),
        idle_w=_idle(outside, elements, outside.governed_mhz),
        most_idle_w=_idle(outside, elements, outside.most_governed_mhz),
        highest=np.array([_highest(outside, element) for element in elements]),
        rest=np.array([_rest(outside, element, elements) for element in elements]),
        released=np.array([_nearest(element, outside.governed_mhz[element.domain]) for element in elements]),
        base_w=float(spec.power.idle_w(outside.lowest_clocks())) + corunner_w,
        temperature_shift_degc=outside.ambient_degc - spec.thermal.ambient_degc,
        budget_w=_budget(truth, at_s),
        highest_w=spec.power_mode(outside.mode).overcurrent_w,
    )


def _paces(
    truth: Truth, outside: Outside, elements: Sequence[PlanElement], points: Sequence[OperatingPoint]
) -> tuple[FloatArray, FloatArray]:
    """Times [s] and active powers [W] of the points at all clocks of their elements: (points, clocks + 1)."""
    clocks = max(len(element.mhz) for element in elements)
    time_s, power_w = np.full((len(points), clocks + 1), np.inf), np.zeros((len(points), clocks + 1))
    by_name = {element.name: element for element in elements}
    others = outside.lowest_clocks()
    for row, point in enumerate(points):
        element = by_name[point.element]
        model = next(e for e in outside.spec.power.elements if e.element == point.element)
        for column, mhz in _columns(outside, element, clocks, outside.governed_mhz):
            in_force = {**others, element.domain: mhz}
            corunner = outside.corunners.get(point.element)
            slowdown = corunner.slowdown if corunner else 1.0
            time_ms, clocked = truth.law.parts(point, in_force, slowdown, outside.bandwidth_gbps)
            time_s[row, column] = time_ms / 1e3 * _crowding(point, outside)
            power_w[row, column] = _active_w(model, point, mhz, clocked)
    return time_s, power_w


def _columns(
    outside: Outside, element: PlanElement, released: int, governed_mhz: Mapping[str, float]
) -> list[tuple[int, float]]:
    """Columns of the tables and their clocks, the last one for "released"."""
    return [*enumerate(_effective(outside, element)), (released, governed_mhz[element.domain])]


def _effective(outside: Outside, element: PlanElement) -> list[float]:
    """The clocks that the commands lead to under cap and power mode."""
    highest = outside.highest_mhz(element.domain) * (1.0 + 1e-9)
    allowed = [mhz for mhz in element.mhz if mhz <= highest] or [element.mhz[0]]
    return [mhz if mhz <= allowed[-1] else allowed[-1] for mhz in element.mhz]


def _highest(outside: Outside, element: PlanElement) -> int:
    return element.mhz.index(_effective(outside, element)[-1])


def _active_w(model: ElementPower, point: OperatingPoint, mhz: float, clocked: float) -> float:
    """Mean power above idle while the point runs."""
    loaded = 1.0 if model.cores else clocked + model.stalled_share * (1.0 - clocked)
    return element_share(point, model.cores) * loaded * model.active_w * float(model.scale(mhz))


def _crowding(point: OperatingPoint, outside: Outside) -> float:
    """Factor where fewer cores are left than threads run."""
    mode_cores = outside.spec.power_mode(outside.mode).cores
    online = min((count for count in (outside.cores, mode_cores) if count), default=0)
    return max(1.0, point.threads / online) if online and point.element == "cpu" else 1.0


def _idle(outside: Outside, elements: Sequence[PlanElement], governed_mhz: Mapping[str, float]) -> FloatArray:
    """Idle power above the lowest clock's: (elements, clocks + 1)."""
    clocks = max(len(element.mhz) for element in elements)
    idle_w = np.zeros((len(elements), clocks + 1))
    for row, element in enumerate(elements):
        model = next(e for e in outside.spec.power.elements if e.element == element.name)
        lowest_w = model.idle_w * float(model.scale(element.mhz[0]))
        for column, mhz in _columns(outside, element, clocks, governed_mhz):
            idle_w[row, column] = model.idle_w * float(model.scale(mhz)) - lowest_w
    return idle_w


def _rest(outside: Outside, element: PlanElement, elements: Sequence[PlanElement]) -> int:
    """The lowest clock; released where a co-runner is on the element."""
    corunner = outside.corunners.get(element.name)
    taken = corunner is not None and corunner.busy > 0.0
    return max(len(other.mhz) for other in elements) if taken else 0


def _nearest(element: PlanElement, mhz: float) -> int:
    return int(np.abs(np.array(element.mhz) - mhz).argmin())


class _Watch(Policy):
    """Notes the clocks ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, Mapping[str, float]]] = []

    def start(self, world: World) -> None:
        super().start(world)
        self._note()

    def _note(self) -> None:
        self.seen.append((self.world.now_s, self.world.clocks()))
        self.world.schedule(self.world.now_s + WATCH_S, self._note)


def _governed(truth: Truth) -> list[tuple[float, Mapping[str, float]]]:
    """Clocks of the board without applications, left to its governors."""
    watch = _Watch()
    Simulator(truth, watch, with_applications=False).run()
    return watch.seen


def _means_and_most(
    seen: list[tuple[float, Mapping[str, float]]], at_s: float, until_s: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and highest clock of each domain between two times."""
    inside = [clocks for t_s, clocks in seen if at_s < t_s <= until_s] or [seen[-1][1]]
    means = {name: math.fsum(clocks[name] for clocks in inside) / len(inside) for name in inside[0]}
    return means, {name: max(clocks[name] for clocks in inside) for name in inside[0]}


def _budget(truth: Truth, at_s: float) -> float:
    budgets = [
        episode.target_at(at_s).max_power_w
        for episode in truth.timeline.episodes
        if episode.join_s <= at_s < episode.leave_s
    ]
    return min((w for w in budgets if not math.isnan(w)), default=math.inf)
