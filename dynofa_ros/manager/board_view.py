"""What the manager takes from the board: freshness, clock tables, background load, power and heat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from dynofa_ros.board.state import BoardState, ClockDomain, Element, ThermalZone
from dynofa_ros.manager.clock_watch import ClockWatch
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.models import BoardModels
from dynofa_ros.manager.power_model import BoardPowerModel
from dynofa_ros.manager.power_telemetry import PowerTelemetry
from dynofa_ros.manager.problem import ArbiterElement, ClockTable, HeatLimit
from dynofa_ros.manager.sticky import Sticky
from dynofa_ros.manager.thermal_model import ThermalObserver

LOWEST_MHZ, HIGHEST_MHZ = 1.0, 1e5
"""Clocks outside are no clocks."""
COLDEST_DEGC, HOTTEST_DEGC = -60.0, 200.0
"""Readings outside are no temperatures."""
STILL_S = 5.0
"""A zone that does not move for so long while another one does is stuck."""
MOVING_S = 0.5
EXTERNAL_S = 5.0
GOVERNED_LOAD = 0.7
"""Load around which the kernel's governors settle [1]."""
HOT_DEGC = 3.0
"""Throttling that begins closer to the trip point is blamed on heat, else on current."""
SAME = 0.005
"""Relative difference of a cap and a table's clock that mean the same, as drivers round them."""
BACKGROUND_STEP, NO_BACKGROUND = 0.1, 0.02
HEAT_STEP_DEGC, HEAT_STEP_SHARE = 0.5, 0.15
"""The predicted temperature moves in steps of half a degree, or of a share of the distance to the limit."""

Named = TypeVar("Named", Element, ClockDomain, ThermalZone)


@dataclass(frozen=True)
class Caution:
    """Why nothing may move upward now, or ""; `clocks`: they may not be lowered either."""

    reason: str = ""
    clocks: bool = False


@dataclass
class _Zone:
    degc: float = math.nan
    moved_s: float = -math.inf


class BoardView:
    """The newest board state, judged by local receipt: a sequence that does not change is frozen."""

    def __init__(self) -> None:
        self.state: BoardState | None = None
        self.models: BoardModels | None = None
        self.watch = ClockWatch()
        self.clock_moved_s: dict[str, float] = {}
        """When the clock that is read last changed to what nobody here asked for, per domain [s]."""
        self._power: PowerTelemetry | None = None
        self._thermal: ThermalObserver | None = None
        self._clock_domains: tuple[ClockDomain, ...] = ()
        self._read_s: dict[str, float] = {}
        self._external_degc, self._external_s = math.nan, -math.inf
        self._zones: dict[str, _Zone] = {}
        self._background: dict[str, Sticky] = {}
        self._alone: dict[str, float] = {}
        """How busy others keep each element by themselves: on one without cores busy times overlap by chance,
        1 - load = (1 - own) (1 - others)."""
        self._heat_degc = Sticky(0.0, HEAT_STEP_DEGC)
        self._fresh_s = -math.inf
        self._throttled_by_heat = False
        """Whether it was hot when throttling began: then the thermal model says what is possible."""

    def set_models(self, models: BoardModels | None) -> None:
        """Power and thermal model; what was learnt about another board is forgotten."""
        if models is not self.models:
            self.models = models
            self._power = PowerTelemetry(models.power) if models else None
            self._thermal = ThermalObserver(models.thermal) if models else None

    def take(self, state: BoardState, own_busy: Mapping[str, float], now_s: float) -> bool:
        """Take a state. Returns whether clocks that may be chosen, or throttling, changed."""
        previous = self.state
        if previous is not None and previous.sequence == state.sequence:
            return False
        before, choices = {d.name: d.current_mhz for d in self._domains()}, self._choices()
        self._clock_domains = self._remembered_domains(state)
        self.state, self._fresh_s = state, now_s
        if state.throttling and not (previous and previous.throttling):
            self._throttled_by_heat = self._hottest_degc(now_s) > self._trip_degc(None) - HOT_DEGC
        for domain in self._domains():
            if domain.current_mhz > 0.0:
                self._read_s[domain.name] = now_s
                moved = domain.current_mhz != before.get(domain.name, domain.current_mhz)
                if moved and not self.watch.wants(domain.name, domain.current_mhz):
                    self.clock_moved_s[domain.name] = now_s
        if self._power is not None and self._thermal is not None:
            self._power.take(replace(state, clock_domains=self._clock_domains), own_busy, now_s)
            self._thermal.take(self._hottest_degc(now_s), self._power.power_w, now_s)
        refused = self.watch.take(self._domains(), now_s)
        return refused or previous is None or choices != self._choices()

    def take_temperature(self, temperature_degc: float, now_s: float) -> None:
        """Take a temperature from elsewhere; it is believed for EXTERNAL_S."""
        self._external_degc, self._external_s = temperature_degc, now_s

    def caution(self, now_s: float, config: ManagerConfig) -> Caution:
        """What the board's state forbids. One that was never seen does not hold anything back."""
        if self.state is None:
            return Caution()
        if now_s - self._fresh_s > config.board_timeout_s:
            silent_s = now_s - self._fresh_s
            return Caution(f"board state is frozen or absent since {silent_s:.1f} s: no upward moves", True)
        if self.state.throttling and not (self._throttled_by_heat and self._thermal):
            return Caution("the board is throttling: no upward moves")
        if (
            self.models is None
            and self._hottest_degc(now_s) >= self._trip_degc(config) - config.thermal_margin_degc
        ):
            hottest_degc = self._hottest_degc(now_s)
            return Caution(f"{hottest_degc:.0f} degC is close to the trip point: no upward moves")
        return Caution()

    def remarks(self) -> str:
        """What is wrong with sensors and clocks without forbidding anything, for people; "" if nothing."""
        troubles = [part.trouble for part in (self._power, self._thermal) if part and part.trouble]
        believed = [f"{trouble}: the model stands in" for trouble in troubles]
        return "; ".join(filter(None, [*believed, self.watch.words()]))

    def clock_tables(
        self, used: Iterable[str], limits: Mapping[str, float], hold: Iterable[str]
    ) -> tuple[ClockTable, ...]:
        """Tables of the writable domains in `used`, none above the domain's cap or what the board grants.

        Those in `hold` do not go below their limit in force. Other domains stay untouched: what else runs
        on them is not known here.
        """
        held, wanted = frozenset(hold), frozenset(used)
        return tuple(
            self._table(d, limits.get(d.name, math.nan), d.name in held)
            for d in self._domains()
            if d.writable and d.name in wanted and _clocks(d)
        )

    def _table(self, domain: ClockDomain, limit_mhz: float, hold: bool) -> ClockTable:
        fixed_mhz = self.watch.fixed_mhz(domain.name)
        if not math.isnan(fixed_mhz):
            return ClockTable(domain.name, (fixed_mhz,), _clocks(domain)[-1], fixed_mhz)
        unread = not domain.current_mhz > 0.0
        table = _table(domain, limit_mhz, self.watch.ceiling_mhz(domain.name), hold or unread)
        return replace(table, released_mhz=self._released_mhz(domain, table, math.isnan(limit_mhz)))

    def _released_mhz(self, domain: ClockDomain, table: ClockTable, released: bool) -> float:
        """The least clock of the table at or above what the domain's governor chooses by itself.

        NaN where nobody else uses it. That is what is read now where the domain is `released`. While it is
        limited, with the load b of others: f b / GOVERNED_LOAD, as governors aim at that load; the highest
        where b is above it, since what they would use of a higher clock is not known.
        """
        busy = max((self._alone.get(e.name, 0.0) for e in self._elements_of(domain.name)), default=0.0)
        if not domain.current_mhz > 0.0 or busy == 0.0:
            return math.nan
        if released:
            wanted_mhz = domain.current_mhz
        elif busy > GOVERNED_LOAD:
            wanted_mhz = math.inf
        else:
            wanted_mhz = domain.current_mhz * busy / GOVERNED_LOAD
        at_least = (mhz for mhz in table.available_mhz if mhz >= wanted_mhz * (1.0 - SAME))
        return next(at_least, table.available_mhz[-1])

    def _elements_of(self, domain: str) -> tuple[Element, ...]:
        return tuple(e for e in self.state.elements if e.clock_domain == domain) if self.state else ()

    def _background_of(self, element: str) -> float:
        step = self._background.get(element)
        return 0.0 if step is None or math.isnan(step.value) else min(max(step.value, 0.0), 1.0)

    def other_clocks(self, chosen: set[str]) -> dict[str, float]:
        """Clocks of the domains that are not chosen [MHz]."""
        return {
            domain.name: domain.current_mhz
            for domain in self._domains()
            if domain.name not in chosen and math.isfinite(domain.current_mhz)
        }

    def elements(self, own_busy: Mapping[str, float]) -> tuple[ArbiterElement, ...]:
        """Elements with the load that is not the applications' own (`own_busy`: share per element)."""
        if self.state is None:
            return ()
        return tuple(
            ArbiterElement(e.name, e.cores, self._others(e, own_busy.get(e.name, 0.0)), exclusive=True)
            for e in _unique(self.state.elements)
        )

    def _others(self, element: Element, own: float) -> float:
        measured = _share(element.load - own)
        self._alone[element.name] = 0.0
        if measured > NO_BACKGROUND:
            beside = 1.0 - (1.0 - _share(element.load)) / max(1.0 - own, NO_BACKGROUND)
            self._alone[element.name] = measured if element.cores > 0 else _share(beside)
        step = self._background.setdefault(element.name, Sticky(0.0, BACKGROUND_STEP))
        step.follow(measured if measured > NO_BACKGROUND else -BACKGROUND_STEP)
        return self._background_of(element.name)

    def power(self) -> BoardPowerModel | None:
        """The power model, corrected by what was measured; None without a model."""
        return self._power.model if self._power else None

    def heat(self, config: ManagerConfig) -> HeatLimit | None:
        """The temperature constraint; None without a model, a trip point or any board state yet."""
        trip_degc, thermal = self._trip_degc(config), self._thermal
        if thermal is None or not thermal.known or not math.isfinite(trip_degc):
            return None
        offset_degc, slope = thermal.prediction(config.thermal_horizon_s)
        limit_degc = trip_degc - config.thermal_margin_degc
        power_w = self._power.power_w if self._power else math.nan
        room_degc = HEAT_STEP_SHARE * max(limit_degc - offset_degc - slope * power_w, 0.0)
        return HeatLimit(self._heat_degc.follow(offset_degc, room_degc), slope, limit_degc)

    def temperature_degc(self) -> float:
        """Junction temperature as estimated [degC]; NaN without a model."""
        return self._thermal.temperature_degc() if self._thermal else math.nan

    def range_mhz(self, domain: str) -> tuple[float, float]:
        """Lowest and highest clock of a domain [MHz]; NaN where they are not known."""
        for candidate in self._domains():
            if candidate.name == domain and _clocks(candidate):
                return _clocks(candidate)[0], _clocks(candidate)[-1]
        return math.nan, math.nan

    def _domains(self) -> tuple[ClockDomain, ...]:
        return self._clock_domains

    def _remembered_domains(self, state: BoardState) -> tuple[ClockDomain, ...]:
        """Domains of the state; of those that are not read now what was known of them, without a clock."""
        domains = tuple(_sane(domain) for domain in _unique(state.clock_domains))
        read = {d.name: d for d in domains if d.available_mhz}
        if self.state is None or self.state.board != state.board:
            return domains
        lost = [replace(d, current_mhz=math.nan) for d in self._domains() if d.name not in read]
        others = [d for d in domains if not d.available_mhz]
        known = {d.name for d in lost}
        return (*read.values(), *lost, *(d for d in others if d.name not in known))

    def unread(self, domain: str, since_s: float) -> bool:
        """Whether the clock of a domain was not read any more after `since_s`."""
        return self._read_s.get(domain, -math.inf) < since_s

    def _choices(self) -> tuple[object, ...]:
        """What a change of is answered at once."""
        domains = [(d.name, d.writable, d.available_mhz, str(d.cap_mhz)) for d in self._domains()]
        if self.state is None:
            return ()
        cores = [(e.name, e.cores) for e in self.state.elements]
        return (self.state.board, self.state.throttling, domains, cores)

    def _hottest_degc(self, now_s: float) -> float:
        """The hottest zone that moves; a reading that is no temperature does not count."""
        zones = _unique(self.state.zones) if self.state else ()
        readings = {z.name: z.temperature_degc for z in zones}
        if now_s - self._external_s <= EXTERNAL_S:
            readings[""] = self._external_degc
        readings = {name: t for name, t in readings.items() if COLDEST_DEGC < t < HOTTEST_DEGC}
        for name, degc in readings.items():
            zone = self._zones.setdefault(name, _Zone())
            if zone.degc != degc:
                zone.degc, zone.moved_s = degc, now_s
        newest_s = max((self._zones[name].moved_s for name in readings), default=-math.inf)
        moving = now_s - newest_s <= MOVING_S
        believed = [
            degc
            for name, degc in readings.items()
            if not (moving and now_s - self._zones[name].moved_s > STILL_S)
        ]
        return max(believed, default=math.nan)

    def _trip_degc(self, config: ManagerConfig | None) -> float:
        zones = self.state.zones if self.state else ()
        trips = [z.trip_degc for z in zones if 0.0 < z.trip_degc < HOTTEST_DEGC]
        return min(trips, default=config.trip_degc if config else math.nan)


def _unique(items: tuple[Named, ...]) -> tuple[Named, ...]:
    """Items by name, of equal ones the first."""
    by_name: dict[str, Named] = {}
    for item in items:
        by_name.setdefault(item.name, item)
    return items if len(by_name) == len(items) else tuple(by_name.values())


def _sane(domain: ClockDomain) -> ClockDomain:
    """The domain; a clock that is none counts as not read."""
    if LOWEST_MHZ <= domain.current_mhz <= HIGHEST_MHZ or math.isnan(domain.current_mhz):
        return domain
    return replace(domain, current_mhz=math.nan)


def _clocks(domain: ClockDomain) -> tuple[float, ...]:
    return tuple(sorted({mhz for mhz in domain.available_mhz if LOWEST_MHZ <= mhz <= HIGHEST_MHZ}))


def _table(domain: ClockDomain, limit_mhz: float, ceiling_mhz: float, hold: bool) -> ClockTable:
    everything = _clocks(domain)
    cap_mhz = min(domain.cap_mhz if domain.cap_mhz > 0.0 else math.inf, ceiling_mhz)
    allowed = tuple(mhz for mhz in everything if mhz <= cap_mhz * (1.0 + SAME)) or everything[:1]
    limit_mhz = min(limit_mhz, allowed[-1])
    if hold and not math.isnan(limit_mhz):
        allowed = tuple(mhz for mhz in allowed if mhz >= limit_mhz - 1e-3)
    return ClockTable(domain.name, allowed, full_mhz=everything[-1], current_mhz=limit_mhz)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
