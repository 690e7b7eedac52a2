"""One simulated clock domain: limits, an outside cap, throttling and the delay until they take effect."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dynofa_ros.board.spec import DomainSpec
from dynofa_ros.board.state import ClockDomain


@dataclass
class SimulatedClock:
    """Follows the highest clock allowed, as under a performance-like governor inside its range."""

    spec: DomainSpec
    min_mhz: float = field(init=False)
    max_mhz: float = field(init=False)
    cap_mhz: float = math.nan
    throttle_mhz: float = math.nan
    current_mhz: float = field(init=False)
    _due_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.restore()
        self.current_mhz = self.wanted_mhz()

    def restore(self) -> None:
        """Full range: what the board is without a manager."""
        self.min_mhz, self.max_mhz = self.spec.available_mhz[0], self.spec.available_mhz[-1]

    def limit(self, min_mhz: float, max_mhz: float) -> None:
        """Set the range, rounded into the table; NaN leaves an end as it is."""
        if not math.isnan(max_mhz):
            self.max_mhz = self._at_most(max_mhz)
        if not math.isnan(min_mhz):
            self.min_mhz = self._at_most(min_mhz)
        self.min_mhz = min(self.min_mhz, self.max_mhz)

    def wanted_mhz(self) -> float:
        """min(max limit, outside cap, throttling), rounded down into the table."""
        ceilings = (self.max_mhz, self.cap_mhz, self.throttle_mhz)
        return self._at_most(min(mhz for mhz in ceilings if not math.isnan(mhz)))

    def advance(self, now_s: float) -> None:
        """Let a changed limit take effect once the domain's actuation delay is over."""
        wanted = self.wanted_mhz()
        if wanted == self.current_mhz:
            self._due_s = math.inf
        elif self._due_s == math.inf or self._due_s == 0.0:
            self._due_s = now_s + self.spec.actuation_ms / 1e3
        elif now_s >= self._due_s:
            self.current_mhz, self._due_s = wanted, math.inf

    def throttle(self, hot: bool) -> None:
        """One table step down while hot; one step up, and finally free, while not."""
        table = self.spec.available_mhz
        place = table.index(self._at_most(self.throttle_mhz)) if self.throttling else len(table)
        place = max(place - 1, 0) if hot else place + 1
        self.throttle_mhz = table[place] if place < len(table) else math.nan

    @property
    def throttling(self) -> bool:
        """Whether heat holds the clock down."""
        return not math.isnan(self.throttle_mhz)

    def state(self) -> ClockDomain:
        """The domain as read; throttling shows as a cap."""
        caps = [mhz for mhz in (self.cap_mhz, self.throttle_mhz) if not math.isnan(mhz)]
        return ClockDomain(
            name=self.spec.name,
            current_mhz=self.current_mhz,
            min_mhz=self.min_mhz,
            max_mhz=self.max_mhz,
            cap_mhz=min(caps, default=math.nan),
            available_mhz=self.spec.available_mhz,
            governor="performance (simulated)",
            writable=self.spec.writable,
        )

    def _at_most(self, mhz: float) -> float:
        fitting = [clock for clock in self.spec.available_mhz if clock <= mhz + 1e-6]
        return fitting[-1] if fitting else self.spec.available_mhz[0]
