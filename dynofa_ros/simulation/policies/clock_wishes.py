"""Clocks that several controllers ask for at once, each ignorant of the others."""

from __future__ import annotations

from collections.abc import Mapping

from dynofa_ros.simulation.policies.roster import writable_tables
from dynofa_ros.simulation.world.policy import World


class ClockWishes:
    """Pins each domain to the highest clock that anybody wishes; without a wish the governor has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tables = writable_tables(world.spec)
        self._wishes: dict[str, Mapping[str, float]] = {}
        self._pinned: dict[str, float] = {}

    def wish(self, name: str, clocks: Mapping[str, float]) -> None:
        """`name` wants these clocks [MHz per domain] from now on, and none in domains left out."""
        if self._wishes.get(name) != clocks:
            self._wishes[name] = dict(clocks)
            self._merge()

    def drop(self, name: str) -> None:
        """`name` wants nothing any more."""
        if self._wishes.pop(name, None) is not None:
            self._merge()

    @property
    def pinned(self) -> Mapping[str, float]:
        """The clock asked for in each pinned domain [MHz]."""
        return self._pinned

    def _merge(self) -> None:
        wanted: dict[str, float] = {}
        for clocks in self._wishes.values():
            for domain in clocks.keys() & self._tables.keys():
                wanted[domain] = max(clocks[domain], wanted.get(domain, 0.0))
        before, self._pinned = self._pinned, wanted
        for domain, table in self._tables.items():
            mhz = wanted.get(domain)
            if mhz != before.get(domain):
                low, high = (table[0], table[-1]) if mhz is None else (mhz, mhz)
                self._world.limit(domain, low, high)
