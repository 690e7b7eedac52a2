"""Clocks that a choice leaves to the kernel: a domain that no decided point uses runs as its governor wants.

The arbiter gives every domain a clock. Where others keep a domain busy and the choice leaves it, nobody sets
that clock: the governor raises it for them to `ClockTable.released_mhz`. So for each such domain the best
choice that leaves it, at that clock, is compared in the arbiter's order with the best one that has somebody
on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dynofa_ros.manager.arbiter.arbiter import terms
from dynofa_ros.manager.arbiter.hopeless import hopeless_points
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult, ClockTable
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.lazy import lazy
from dynofa_ros.manager.operating_point import OperatingPoint

Arbitrate = Callable[[ArbiterInput], ArbiterResult]


class ReleasedClocks:
    """A problem's best choice, with the domains that it leaves to others at the clocks that these get.

    Solved as far as it is asked for: the best of all choices where none is feasible is worth a search only
    to those who take that one.
    """

    def __init__(
        self,
        problem: ArbiterInput,
        arbitrate: Arbitrate,
        contested: Sequence[ClockTable],
        whole: ArbiterInput | None = None,
    ) -> None:
        """`contested`: the domains to leave or to use; `whole`: the problem that choices are judged by."""
        self._problem, self._arbitrate, self._contested = problem, arbitrate, contested
        self._whole = whole or problem
        self._known: dict[int, ReleasedClocks] = {}

    @classmethod
    def of(cls, problem: ArbiterInput, arbitrate: Arbitrate) -> ReleasedClocks:
        """Of all domains that others keep above their lowest clock; of none without a power model."""
        contested = [t for t in problem.clocks if t.released_mhz > t.available_mhz[0]]
        return cls(problem, arbitrate, contested if problem.power is not None else ())

    @lazy
    def best(self) -> ArbiterResult:
        """The best of all ways to leave or to use the contested domains."""
        if self._plain is not None:
            return self._plain
        # All ways have as many forbidden points: what keeps every constraint ranks before what does not.
        return self.feasible or self._least([self._along(n).best for n in range(len(self._ways))])

    @lazy
    def feasible(self) -> ArbiterResult | None:
        """The best choice that keeps every constraint; None where there is none."""
        if self._plain is not None:
            return self._plain if self._plain.feasible else None
        missing = hopeless_points(self._problem)
        found = [self._along(n).feasible for n, way in enumerate(self._ways) if not way.is_hopeless(missing)]
        feasible = [result for result in found if result is not None]
        return self._least(feasible) if feasible else None

    @lazy
    def _plain(self) -> ArbiterResult | None:
        """The best choice where it takes no look at ways to leave the first domain, or to use it."""
        if not self._contested:
            return self._arbitrate(self._problem)
        domain = self._contested[0].domain
        if len(self._problem.applications) == 1 and not _in_use(self._problem, domain):
            return None
        anyhow = self._of(self._problem).best
        # One that uses it beats whatever leaves the domain even at a clock of its own choice.
        return anyhow if _uses(self._problem, anyhow.choices, domain) else None

    @lazy
    def _ways(self) -> list[_Way]:
        """Somebody must be on the first domain, or nobody; kept, since a problem is posed more than once."""
        apps, clocks, table = self._problem.applications, self._problem.clocks, self._contested[0]
        return _WAYS.get([apps, clocks, table], (), lambda: _ways(apps, clocks, table))

    def _along(self, number: int) -> ReleasedClocks:
        """The best choice of one of the ways."""
        if number not in self._known:
            way = self._ways[number]
            posed = replace(self._problem, applications=way.applications, clocks=way.clocks)
            self._known[number] = self._of(posed)
        return self._known[number]

    def _of(self, posed: ArbiterInput) -> ReleasedClocks:
        """The same for the other contested domains."""
        return ReleasedClocks(posed, self._arbitrate, self._contested[1:], self._whole)

    def _least(self, found: Sequence[ArbiterResult]) -> ArbiterResult:
        return found[0] if len(found) == 1 else min(found, key=lambda result: terms(self._whole, result))


def _in_use(problem: ArbiterInput, domain: str) -> bool:
    return problem.incumbent is None or _uses(problem, problem.incumbent[0], domain)


def _uses(problem: ArbiterInput, choices: Sequence[int], domain: str) -> bool:
    points = (app.points[i] for app, i in zip(problem.applications, choices, strict=True))
    return any(domain in point.domains for point in points)


@dataclass(frozen=True)
class _Way:
    """A part of a problem's choices: with more points forbidden, perhaps with a domain left to others."""

    before: tuple[ArbiterApplication, ...]
    forbidden: tuple[frozenset[int], ...]
    """Per application."""
    clocks: tuple[ClockTable, ...]

    def is_hopeless(self, missing: Sequence[frozenset[int]]) -> bool:
        """Whether no choice of it is feasible; `missing`: per application points of which this is known."""
        triples = zip(self.before, self.forbidden, missing, strict=True)
        return any(len(f) < len(app.points) == len(f | without) for app, f, without in triples)

    @lazy
    def applications(self) -> tuple[ArbiterApplication, ...]:
        """The applications with these points forbidden."""
        pairs = zip(self.before, self.forbidden, strict=True)
        return tuple([app if f is app.forbidden else replace(app, forbidden=f) for app, f in pairs])


def _ways(
    apps: tuple[ArbiterApplication, ...], clocks: tuple[ClockTable, ...], table: ClockTable
) -> list[_Way]:
    """All of the choices, in parts: somebody must be on the domain of `table`, or nobody."""
    before = tuple([app.forbidden for app in apps])
    ways = []
    for a, app in enumerate(apps):
        bound = _without(app, table.domain, used=False)
        if len(bound) < len(app.points):
            ways.append(_Way(apps, (*before[:a], bound, *before[a + 1 :]), clocks))
    free = tuple([_without(app, table.domain, used=True) for app in apps])
    if all(len(f) < len(app.points) for app, f in zip(apps, free, strict=True)):
        left = replace(table, available_mhz=(table.released_mhz,))
        ways.append(_Way(apps, free, tuple([left if t is table else t for t in clocks])))
    return ways or [_Way(apps, before, clocks)]


def _without(app: ArbiterApplication, domain: str, *, used: bool) -> frozenset[int]:
    """The forbidden points of an application that shall not run those which use the domain, or do not."""
    return app.forbidden | _ON.get([app.points], (domain, used), lambda: _on(app.points, domain, used))


def _on(points: Sequence[OperatingPoint], domain: str, used: bool) -> frozenset[int]:
    """Indices of the points that use the domain, or do not."""
    return frozenset(i for i, point in enumerate(points) if (domain in point.domains) == used)


_ON: Remembered[frozenset[int]] = Remembered(64)
_WAYS: Remembered[list[_Way]] = Remembered(8)
