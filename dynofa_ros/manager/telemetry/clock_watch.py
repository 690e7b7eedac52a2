"""Whether the board does what was decided: clocks that are read back elsewhere for longer than actuation.

A domain that stays below its pin counts as capped at what is read: nothing is planned that needs more. As
long as all of it is needed the request stays, so the cap ends with the first reading above it. Where less is
requested meanwhile, the cap is tried again after a while, each time twice as long. A domain that stays above
its pin is planned with as it is read or higher, whatever is requested: whether it runs there or its reading
is stuck, slow-downs refer to that. A pin that is no clock of the domain any more is forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dynofa_ros.board.state import ClockDomain

REFUSED_AFTER_S = 0.5
"""Much longer than any actuation delay (FACTS: at most 10 ms) and two readings of the board."""
RETRY_S, LONGEST_RETRY_S = 10.0, 80.0
TOLERANCE = 0.015
"""Relative difference of clocks that are the same one, as drivers round them."""


@dataclass
class _Watched:
    wanted_mhz: float = math.nan
    expected_mhz: float = math.nan
    """Of what is wanted the part that caps from outside allow."""
    since_s: float = math.inf
    read_mhz: float = math.nan
    unread: bool = False
    ceiling_mhz: float = math.inf
    refused_mhz: float = math.nan
    """What was wanted when the ceiling was found."""
    retry_s: float = RETRY_S
    retry_at_s: float = math.inf
    above: bool = False


class ClockWatch:
    """Compares pins with readings, per domain."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}

    def want(self, pins: Mapping[str, float], now_s: float) -> None:
        """What is requested now [MHz]; domains that are not named are not watched any more."""
        for domain in self._watched.keys() - pins.keys():
            watched = self._watched[domain]
            watched.wanted_mhz, watched.since_s, watched.above = math.nan, math.inf, False
        for domain, mhz in pins.items():
            if domain not in self._watched:
                self._watched[domain] = _Watched()
            watched = self._watched[domain]
            if watched.wanted_mhz != mhz:
                watched.wanted_mhz, watched.since_s = mhz, now_s

    def wants(self, domain: str, mhz: float) -> bool:
        """Whether that clock is what is requested now."""
        watched = self._watched.get(domain)
        return watched is not None and abs(mhz - watched.wanted_mhz) <= TOLERANCE * mhz

    def take(self, domains: Iterable[ClockDomain], now_s: float) -> bool:
        """Compare a reading. Returns whether what may be planned changed."""
        changed = [self._compare(self._watched[d.name], d, now_s) for d in domains if d.name in self._watched]
        return any(changed)

    def _compare(self, watched: _Watched, domain: ClockDomain, now_s: float) -> bool:
        before = watched.ceiling_mhz
        if not math.isnan(watched.wanted_mhz) and not _has(domain, watched.wanted_mhz):
            self._watched[domain.name] = _Watched()
            return True
        read_mhz, wanted_mhz = domain.current_mhz, watched.wanted_mhz
        watched.read_mhz, watched.unread = read_mhz, not 0.0 < read_mhz < math.inf
        if watched.unread:
            return False
        if read_mhz > watched.ceiling_mhz * (1.0 + TOLERANCE):
            watched.ceiling_mhz, watched.retry_s = math.inf, RETRY_S
        elif now_s > watched.retry_at_s and wanted_mhz < watched.ceiling_mhz * (1.0 + TOLERANCE):
            watched.ceiling_mhz = math.inf
        expected_mhz = min(wanted_mhz, _cap_mhz(domain))
        if expected_mhz != watched.expected_mhz:
            watched.expected_mhz, watched.since_s = expected_mhz, now_s
        overdue = now_s - watched.since_s > REFUSED_AFTER_S
        watched.above = overdue and read_mhz > expected_mhz * (1.0 + TOLERANCE)
        if overdue and read_mhz < expected_mhz * (1.0 - TOLERANCE) and read_mhz < watched.ceiling_mhz:
            watched.ceiling_mhz, watched.refused_mhz = read_mhz, wanted_mhz
            watched.retry_at_s = now_s + watched.retry_s
            watched.retry_s = min(2.0 * watched.retry_s, LONGEST_RETRY_S)
        return watched.ceiling_mhz != before

    def ceiling_mhz(self, domain: str) -> float:
        """Clock above which nothing may be planned; infinite where the board does as it is told."""
        watched = self._watched.get(domain)
        return watched.ceiling_mhz if watched else math.inf

    def request_mhz(self, domain: str, planned_mhz: float) -> float:
        """What to request for a planned clock: while the board does not obey, what it refused.

        Where it is faster than that, more is requested only if more than it does is planned.
        """
        watched = self._watched.get(domain)
        if watched is not None and watched.above and planned_mhz <= watched.read_mhz * (1.0 + TOLERANCE):
            return watched.wanted_mhz
        if watched is None or not watched.ceiling_mhz < math.inf:
            return planned_mhz
        at_ceiling = planned_mhz >= watched.ceiling_mhz * (1.0 - TOLERANCE)
        return max(planned_mhz, watched.refused_mhz) if at_ceiling else planned_mhz

    def fixed_mhz(self, domain: str) -> float:
        """Clock that is read of a domain that is faster than decided; NaN elsewhere."""
        watched = self._watched.get(domain)
        return watched.read_mhz if watched and watched.above else math.nan

    def words(self) -> str:
        """What the board does not do, for people; "" where all is well."""
        capped = [
            f"{name} stays at {w.ceiling_mhz:.0f} MHz: treated as capped"
            for name, w in self._watched.items()
            if w.ceiling_mhz < math.inf
        ]
        fast = [
            f"{name} runs at {w.read_mhz:.0f} instead of {w.wanted_mhz:.0f} MHz"
            for name, w in self._watched.items()
            if w.above
        ]
        unread = [
            f"the clock of {name} is not read"
            for name, w in self._watched.items()
            if w.unread and not math.isnan(w.wanted_mhz)
        ]
        return "; ".join([*capped, *fast, *unread])


def _has(domain: ClockDomain, wanted_mhz: float) -> bool:
    """Whether a domain has a clock; one whose table is not read may."""
    table = domain.available_mhz
    return not table or any(abs(mhz - wanted_mhz) <= TOLERANCE * wanted_mhz for mhz in table)


def _cap_mhz(domain: ClockDomain) -> float:
    """The cap from outside; no domain goes below its lowest clock for it."""
    return max([domain.cap_mhz, *domain.available_mhz[:1]]) if domain.cap_mhz > 0.0 else math.inf
