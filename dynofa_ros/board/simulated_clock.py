"""One simulated clock domain: governor, limits, caps from outside, and the delay of a change."""

from __future__ import annotations

import math

from dynofa_ros.board.counter_random import normal
from dynofa_ros.board.governors import Governor, make_governor
from dynofa_ros.board.spec import DomainSpec
from dynofa_ros.board.state import ClockDomain

Z95 = 1.6448536269514722
UNTOUCHED = math.inf


class SimulatedClock:
    """Clocks are indices into the table. The governor's wish is clamped to [low, high].

    Ceilings: the manager's maximum, an outside cap, the power mode, throttling. The newest wish wins; its
    delay counts from when it was wished. Delays are log-normal with the board file's p50 and p95, drawn by
    (seed, domain, number of the change).
    """

    __slots__ = (
        "_shown",
        "_shown_for",
        "_sigma",
        "_table",
        "cap_mhz",
        "current",
        "current_limit_mhz",
        "due_s",
        "governor",
        "high",
        "low",
        "max_mhz",
        "min_mhz",
        "mode_mhz",
        "seed",
        "spec",
        "throttle_mhz",
        "wanted",
        "wishes",
    )

    def __init__(self, spec: DomainSpec, governor: str, seed: int, jitter: bool) -> None:
        self.spec = spec
        self.seed = seed
        self._table = spec.available_mhz
        self._sigma = math.log(spec.actuation_p95_ms / spec.actuation_ms) / Z95 if jitter else 0.0
        self.governor: Governor = make_governor(governor, spec.available_mhz)
        self.cap_mhz = self.mode_mhz = self.throttle_mhz = self.current_limit_mhz = UNTOUCHED
        self.min_mhz, self.max_mhz = self._table[0], self._table[-1]
        self.current = self.wanted = self.wishes = 0
        self.due_s = math.inf
        self._shown_for: tuple[object, ...] = ()
        self.start()

    @property
    def mhz(self) -> float:
        """The true clock now."""
        return self._table[self.current]

    def restore(self) -> None:
        """Full range: what the board is without a manager."""
        self.min_mhz, self.max_mhz = self._table[0], self._table[-1]
        self.clamp()

    def limit(self, min_mhz: float, max_mhz: float) -> None:
        """Set the range, rounded down into the table; NaN leaves an end as it is."""
        if not math.isnan(max_mhz):
            self.max_mhz = self._at_most(max_mhz)
        if not math.isnan(min_mhz):
            self.min_mhz = self._at_most(min_mhz)
        self.min_mhz = min(self.min_mhz, self.max_mhz)
        self.clamp()

    def clamp(self) -> None:
        """Work out [low, high] after a limit or a ceiling changed."""
        governor = self.governor
        self.high = governor.at_most(min(self.max_mhz, self.ceiling_mhz))
        self.low = min(governor.at_least(self.min_mhz), self.high)

    def clamped(self) -> int:
        """The governor's wish inside the limits."""
        return min(max(self.governor.wanted, self.low), self.high)

    def wish(self, now_s: float) -> None:
        """Take over the governor's wish; a change is due after the actuation delay."""
        wanted = self.clamped()
        if wanted == self.wanted:
            return
        self.wanted = wanted
        if wanted == self.current:
            self.due_s = math.inf
            return
        self.due_s = now_s + self.actuation_ms(self.wishes) / 1e3
        self.wishes += 1

    def start(self) -> None:
        """Be where the governor wants to be; nothing is under way."""
        self.clamp()
        self.current = self.wanted = self.clamped()
        self.due_s = math.inf
        self.wishes = 0

    def arrive(self) -> None:
        """The change that was due takes effect."""
        self.current = self.wanted
        self.due_s = math.inf

    def actuation_ms(self, index: int) -> float:
        """Delay of the `index`-th change of this domain [ms]."""
        if self._sigma == 0.0:
            return self.spec.actuation_ms
        return self.spec.actuation_ms * math.exp(self._sigma * normal(self.seed, self.spec.name, index))

    def throttle(self, hot: bool) -> None:
        """One table step down while hot; one step up, and finally free, while not."""
        place = self._table.index(self._at_most(self.throttle_mhz)) if self.throttling else len(self._table)
        place = max(place - 1, 0) if hot else place + 1
        self.throttle_mhz = self._table[place] if place < len(self._table) else UNTOUCHED
        self.clamp()

    @property
    def speed(self) -> float:
        """Clock relative to the highest of the table."""
        return self.mhz / self._table[-1]

    @property
    def ceiling_mhz(self) -> float:
        """What others than the manager allow at most; inf: everything."""
        return min(self.cap_mhz, self.mode_mhz, self.throttle_mhz, self.current_limit_mhz)

    @property
    def throttling(self) -> bool:
        """Whether heat holds the clock down."""
        return self.throttle_mhz < UNTOUCHED

    def state(self) -> ClockDomain:
        """The domain as read; power mode and throttling show as a cap."""
        cap = self.ceiling_mhz
        shown_for = (self.current, self.min_mhz, self.max_mhz, cap, self.governor.name)
        if shown_for != self._shown_for:
            self._shown_for = shown_for
            self._shown = ClockDomain(
                name=self.spec.name,
                current_mhz=self.mhz,
                min_mhz=self.min_mhz,
                max_mhz=self.max_mhz,
                cap_mhz=cap if cap < UNTOUCHED else math.nan,
                available_mhz=self._table,
                governor=f"{self.governor.name} (simulated)",
                writable=self.spec.writable,
            )
        return self._shown

    def _at_most(self, mhz: float) -> float:
        return self._table[self.governor.at_most(mhz)]
