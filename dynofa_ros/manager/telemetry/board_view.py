"""What the manager takes from the board: freshness, clock tables, background load, power and heat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from dynofa_ros.board.state import BoardState, ClockDomain, Element
from dynofa_ros.manager.arbiter.problem import ArbiterElement, ClockTable, HeatLimit
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.models.thermal_model import ThermalObserver
from dynofa_ros.manager.operating_point import HIGHEST_MHZ, LOWEST_MHZ
from dynofa_ros.manager.telemetry.clock_watch import ClockWatch
from dynofa_ros.manager.telemetry.others import SAME, OthersLoad
from dynofa_ros.manager.telemetry.power_telemetry import PowerTelemetry
from dynofa_ros.manager.telemetry.sticky import Sticky
from dynofa_ros.manager.telemetry.thermal_zones import ThermalZones

HOT_DEGC = 3.0
"""Throttling that begins closer to the trip point is blamed on heat, else on current."""
HEAT_STEP_DEGC, HEAT_STEP_SHARE = 0.5, 0.15
"""The predicted temperature moves in steps of half a degree, or of a share of the distance to the limit."""

Named = TypeVar("Named", Element, ClockDomain)


@dataclass(frozen=True)
class Caution:
    """What the board's state forbids now, with its reason for people; "" where nothing is forbidden."""

    reason: str = ""
    upward: bool = False
    """Nothing may move upward."""
    clocks: bool = False
    """Clocks may not be lowered either."""
    unwatched: bool = False
    """The temperature is not known: nothing may move above what is known to be sustained."""


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
        self._choices: tuple[object, ...] = ()
        self._read_s: dict[str, float] = {}
        self._zones = ThermalZones()
        self._elements: tuple[Element, ...] = ()
        self._others = OthersLoad()
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
        before, choices = self._clock_domains, self._choices
        self._clock_domains = self._remembered_domains(state)
        self._elements = self._remembered_elements(state)
        self._zones.take(state.zones, previous is None or previous.board == state.board)
        self.state, self._fresh_s = state, now_s
        if state.throttling and not (previous and previous.throttling):
            self._throttled_by_heat = self._hottest_degc(now_s) > self._trip_degc(None) - HOT_DEGC
        self._note_clocks(before, now_s)
        if self._power is not None and self._thermal is not None:
            self._power.take(state.power_w, self._clock_domains, self._elements, own_busy, now_s)
            self._thermal.take(self._hottest_degc(now_s), self._power.power_w, now_s)
        refused = self.watch.take(self._domains(), now_s)
        self._choices = self._to_choose_from(state, self._clock_domains is before)
        return refused or previous is None or choices != self._choices

    def _note_clocks(self, before: tuple[ClockDomain, ...], now_s: float) -> None:
        """Note which clocks are read, and which of them moved by themselves since `before`."""
        before_mhz = {} if before is self._clock_domains else {d.name: d.current_mhz for d in before}
        for domain in self._domains():
            if domain.current_mhz > 0.0:
                self._read_s[domain.name] = now_s
                moved = domain.current_mhz != before_mhz.get(domain.name, domain.current_mhz)
                if moved and not self.watch.wants(domain.name, domain.current_mhz):
                    self.clock_moved_s[domain.name] = now_s

    def take_temperature(self, temperature_degc: float, now_s: float) -> None:
        """Take a temperature from elsewhere; it counts like one of the zones, for a while."""
        self._zones.take_external(temperature_degc, now_s)

    def caution(self, now_s: float, config: ManagerConfig) -> Caution:
        """What the board's state forbids. One that was never seen does not hold anything back."""
        if self.state is None:
            return Caution()
        if now_s - self._fresh_s > config.board_timeout_s:
            silent_s = now_s - self._fresh_s
            reason = f"board state is frozen or absent for {silent_s:.1f} s: no upward moves"
            return Caution(reason, upward=True, clocks=True, unwatched=self._heat_matters(config))
        if self.state.throttling and not (self._throttled_by_heat and self._thermal):
            return Caution("the board is throttling: no upward moves", upward=True)
        return self._heat_caution(now_s, config)

    def _heat_caution(self, now_s: float, config: ManagerConfig) -> Caution:
        if not self._heat_matters(config):
            return Caution()
        trip_degc, hottest_degc = self._trip_degc(config), self._hottest_degc(now_s)
        if math.isnan(hottest_degc):
            reason = "no temperature is read: nothing above what is known to be sustained"
            return Caution(reason, unwatched=True)
        if hottest_degc >= trip_degc - config.thermal_margin_degc:
            reason = f"{hottest_degc:.0f} degC is close to the trip point: no upward moves"
            return Caution(reason, upward=True)
        return Caution()

    def _heat_matters(self, config: ManagerConfig) -> bool:
        """Whether only a reading can tell heat: no model predicts it, and there is a trip point to reach."""
        return self.models is None and not math.isnan(self._trip_degc(config))

    def remarks(self) -> str:
        """What is wrong with sensors and clocks without forbidding anything, for people; "" if nothing."""
        troubles = [part.trouble for part in (self._power, self._thermal) if part and part.trouble]
        believed = [f"{trouble}: the model stands in" for trouble in troubles]
        return "; ".join(filter(None, [*believed, self.watch.words()]))

    def clock_tables(
        self,
        used: Iterable[str],
        limits: Mapping[str, float],
        hold: Iterable[str],
        actuation_ms: float = 0.0,
    ) -> tuple[ClockTable, ...]:
        """Tables of the writable domains in `used`, none above the domain's cap or what the board grants.

        Those in `hold` do not go below their limit in force. Other domains stay untouched: what else runs
        on them is not known here. `actuation_ms` counts for domains that the board's model does not know.
        """
        held, wanted = frozenset(hold), frozenset(used)
        known_ms = self.models.actuation_ms if self.models else {}
        tables = []
        for d in self._domains():
            if d.writable and d.name in wanted and _clocks(d):
                limit_mhz, change_ms = limits.get(d.name, math.nan), known_ms.get(d.name, actuation_ms)
                tables.append(self._table(d, limit_mhz, d.name in held, change_ms))
        return tuple(tables)

    def _table(self, domain: ClockDomain, limit_mhz: float, hold: bool, change_ms: float) -> ClockTable:
        name, full_mhz = domain.name, _clocks(domain)[-1]
        fixed_mhz, ceiling_mhz = self.watch.fixed_mhz(name), self.watch.ceiling_mhz(name)
        if not math.isnan(fixed_mhz):
            higher, _ = _allowed(domain, fixed_mhz, ceiling_mhz, hold=True)
            above = (mhz for mhz in higher if mhz > fixed_mhz * (1.0 + SAME))
            return ClockTable(name, (fixed_mhz, *above), full_mhz, fixed_mhz, change_ms=change_ms)
        unread = not domain.current_mhz > 0.0
        allowed, current_mhz = _allowed(domain, limit_mhz, ceiling_mhz, hold or unread)
        released_mhz = self._others.released_mhz(domain, allowed, self._elements, math.isnan(limit_mhz))
        return ClockTable(name, allowed, full_mhz, current_mhz, released_mhz, change_ms)

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
            [
                ArbiterElement(e.name, e.cores, self._others.share(e, own_busy.get(e.name, 0.0)), True)
                for e in self._elements
            ]
        )

    def cores(self) -> dict[str, int]:
        """Cores online of each element that was ever read; 0 where that has no meaning."""
        return {element.name: element.cores for element in self._elements}

    def power(self) -> BoardPowerModel | None:
        """The power model, corrected by what was measured; None without a model."""
        return self._power.model if self._power else None

    def reads_temperature(self, now_s: float) -> bool:
        """Whether some temperature is read now."""
        return not math.isnan(self._hottest_degc(now_s))

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
        previous = self.state
        if previous and (previous.board, previous.clock_domains) == (state.board, state.clock_domains):
            return self._clock_domains
        domains = tuple([_sane(domain) for domain in _unique(state.clock_domains)])
        read = {d.name: d for d in domains if d.available_mhz}
        if previous is None or previous.board != state.board:
            return domains
        lost = [replace(d, current_mhz=math.nan) for d in self._domains() if d.name not in read]
        if not lost and len(read) == len(domains):
            return domains
        others = [d for d in domains if not d.available_mhz]
        known = {d.name for d in lost}
        return (*read.values(), *lost, *(d for d in others if d.name not in known))

    def _remembered_elements(self, state: BoardState) -> tuple[Element, ...]:
        """Elements of the state; of those that are absent now what was known of them, without a load."""
        read = _unique(state.elements)
        if self.state is None or self.state.board != state.board:
            return read
        names = [element.name for element in read]
        lost = [replace(e, load=math.nan) for e in self._elements if e.name not in names]
        return (*read, *lost) if lost else read

    def unread(self, domain: str, since_s: float) -> bool:
        """Whether the clock of a domain was not read any more after `since_s`."""
        return self._read_s.get(domain, -math.inf) < since_s

    def _to_choose_from(self, state: BoardState, same_domains: bool) -> tuple[object, ...]:
        """What a change of is answered at once."""
        domains = self._choices[0] if same_domains and self._choices else _offered(self._domains())
        return (domains, state.board, state.throttling, [(e.name, e.cores) for e in state.elements])

    def _hottest_degc(self, now_s: float) -> float:
        return self._zones.hottest_degc(now_s)

    def _trip_degc(self, config: ManagerConfig | None) -> float:
        """The first trip point: of the zones, else of the configuration, else of the board's model."""
        modelled_degc = self.models.trip_degc if self.models else math.nan
        for degc in (self._zones.trip_degc, config.trip_degc if config else math.nan):
            if math.isfinite(degc):
                return degc
        return modelled_degc if math.isfinite(modelled_degc) else math.nan


def _unique(items: tuple[Named, ...]) -> tuple[Named, ...]:
    """Items by name, of equal ones the first."""
    if len({item.name for item in items}) == len(items):
        return items
    by_name: dict[str, Named] = {}
    for item in items:
        by_name.setdefault(item.name, item)
    return tuple(by_name.values())


def _offered(domains: Iterable[ClockDomain]) -> list[tuple[object, ...]]:
    """What may be chosen of them."""
    return [(d.name, d.writable, d.available_mhz, d.cap_mhz if d.cap_mhz > 0.0 else 0.0) for d in domains]


def _sane(domain: ClockDomain) -> ClockDomain:
    """The domain; a clock that is none counts as not read."""
    if LOWEST_MHZ <= domain.current_mhz <= HIGHEST_MHZ or math.isnan(domain.current_mhz):
        return domain
    return replace(domain, current_mhz=math.nan)


def _clocks(domain: ClockDomain) -> tuple[float, ...]:
    return _rising(domain.available_mhz)


@lru_cache(maxsize=64)
def _rising(available_mhz: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({mhz for mhz in available_mhz if LOWEST_MHZ <= mhz <= HIGHEST_MHZ}))


def _allowed(
    domain: ClockDomain, limit_mhz: float, ceiling_mhz: float, hold: bool
) -> tuple[tuple[float, ...], float]:
    """Clocks that may be chosen, and the limit in force as far as these go [MHz]."""
    cap_mhz = min(domain.cap_mhz if domain.cap_mhz > 0.0 else math.inf, ceiling_mhz)
    return _within(_clocks(domain), cap_mhz, limit_mhz, hold)


@lru_cache(maxsize=256)
def _within(
    everything: tuple[float, ...], cap_mhz: float, limit_mhz: float, hold: bool
) -> tuple[tuple[float, ...], float]:
    allowed = tuple([mhz for mhz in everything if mhz <= cap_mhz * (1.0 + SAME)]) or everything[:1]
    limit_mhz = min(limit_mhz, allowed[-1])
    if hold and not math.isnan(limit_mhz):
        allowed = tuple([mhz for mhz in allowed if mhz >= limit_mhz - 1e-3])
    return allowed, limit_mhz
