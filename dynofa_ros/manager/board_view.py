"""What the manager takes from the board: freshness, clock tables, background load and heat."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dynofa_ros.board.state import BoardState, ClockDomain
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.models import BoardModels
from dynofa_ros.manager.problem import ArbiterElement, ClockTable, HeatLimit

LOWEST_MHZ, HIGHEST_MHZ = 1.0, 1e5
"""Clocks outside are no clocks."""


class BoardView:
    """The newest board state, judged by local receipt: a sequence that does not change is frozen."""

    def __init__(self) -> None:
        self.state: BoardState | None = None
        self.models: BoardModels | None = None
        self._fresh_s = -math.inf

    def take(self, state: BoardState, now_s: float) -> bool:
        """Take a state. Returns whether clocks that may be chosen, or throttling, changed."""
        previous = self.state
        if previous is not None and previous.sequence == state.sequence:
            return False
        self.state, self._fresh_s = state, now_s
        return previous is None or _choices(previous) != _choices(state)

    def caution(self, now_s: float, config: ManagerConfig) -> str:
        """Why nothing may move upward now, or "". A board that was never seen does not hold anything back."""
        if self.state is None:
            return ""
        if now_s - self._fresh_s > config.board_timeout_s:
            return f"board state is frozen or absent since {now_s - self._fresh_s:.1f} s: no upward moves"
        if self.state.throttling:
            return "the board is throttling: no upward moves"
        if self.models is None and self._hottest_degc() >= self._trip_degc() - config.thermal_margin_degc:
            return f"{self._hottest_degc():.0f} degC is close to the trip point: no upward moves"
        return ""

    def clock_tables(self, used: set[str], limits: Mapping[str, float], hold: bool) -> tuple[ClockTable, ...]:
        """Tables of the writable domains that some operating point uses, none above the domain's cap.

        With `hold` none goes below the limit in force. Other domains stay untouched: what else runs on
        them is not known here.
        """
        tables = [
            _table(domain, limits.get(domain.name, math.nan), hold)
            for domain in self._domains()
            if domain.writable and domain.name in used and _clocks(domain)
        ]
        return tuple(tables)

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
            ArbiterElement(e.name, e.cores, _share(e.load - own_busy.get(e.name, 0.0)))
            for e in self.state.elements
        )

    def heat(self, config: ManagerConfig) -> HeatLimit | None:
        """The temperature constraint; None without a model, a temperature, a trip point or a power."""
        temperature, trip = self._hottest_degc(), self._trip_degc()
        if self.models is None or self.state is None:
            return None
        if not (math.isfinite(temperature) and math.isfinite(trip) and math.isfinite(self.state.power_w)):
            return None
        thermal = self.models.thermal
        state = thermal.observe(temperature, self.state.power_w)
        offset, slope = thermal.prediction(state, config.thermal_horizon_s)
        return HeatLimit(offset, slope, trip - config.thermal_margin_degc)

    def lowest_mhz(self, domain: str) -> float:
        """Lowest clock of a domain [MHz]; NaN where it is not known."""
        clocks = [min(_clocks(d)) for d in self._domains() if d.name == domain and _clocks(d)]
        return clocks[0] if clocks else math.nan

    def _domains(self) -> tuple[ClockDomain, ...]:
        return self.state.clock_domains if self.state else ()

    def _hottest_degc(self) -> float:
        zones = self.state.zones if self.state else ()
        return max((z.temperature_degc for z in zones if math.isfinite(z.temperature_degc)), default=math.nan)

    def _trip_degc(self) -> float:
        zones = self.state.zones if self.state else ()
        return min((z.trip_degc for z in zones if math.isfinite(z.trip_degc)), default=math.nan)


def _choices(state: BoardState) -> tuple[object, ...]:
    domains = [(d.name, d.writable, d.available_mhz, str(d.cap_mhz)) for d in state.clock_domains]
    return (state.board, state.throttling, domains)


def _clocks(domain: ClockDomain) -> tuple[float, ...]:
    return tuple(sorted({mhz for mhz in domain.available_mhz if LOWEST_MHZ <= mhz <= HIGHEST_MHZ}))


def _table(domain: ClockDomain, limit_mhz: float, hold: bool) -> ClockTable:
    everything = _clocks(domain)
    cap_mhz = domain.cap_mhz if domain.cap_mhz > 0.0 else math.inf
    allowed = tuple(mhz for mhz in everything if mhz <= cap_mhz + 1e-3) or everything[:1]
    limit_mhz = min(limit_mhz, allowed[-1])
    if hold and not math.isnan(limit_mhz):
        allowed = tuple(mhz for mhz in allowed if mhz >= limit_mhz - 1e-3)
    return ClockTable(domain.name, allowed, full_mhz=everything[-1], current_mhz=limit_mhz)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
