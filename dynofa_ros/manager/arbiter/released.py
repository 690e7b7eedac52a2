"""Clocks that a choice leaves to the kernel: a domain that no decided point uses runs as its governor wants.

The arbiter gives every domain a clock. Where others keep a domain busy and the choice leaves it, nobody sets
that clock: the governor raises it for them to `ClockTable.released_mhz`. So for each such domain the best
choice that leaves it, at that clock, is compared in the arbiter's order with the best one that has somebody
on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dynofa_ros.manager.arbiter.arbiter import terms
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult, ClockTable
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.operating_point import OperatingPoint

Arbitrate = Callable[[ArbiterInput], ArbiterResult]


def with_released_clocks(problem: ArbiterInput, arbitrate: Arbitrate) -> ArbiterResult:
    """The arbiter's choice, with the domains that it leaves to others at the clocks that these get."""
    if problem.power is None:
        return arbitrate(problem)
    contested = [table for table in problem.clocks if table.released_mhz > table.available_mhz[0]]
    return _solved(problem, problem, contested, arbitrate)


def _solved(
    whole: ArbiterInput, problem: ArbiterInput, contested: Sequence[ClockTable], arbitrate: Arbitrate
) -> ArbiterResult:
    """The best of all ways to leave or use the contested domains; `whole` is what they are judged by."""
    if not contested:
        return arbitrate(problem)
    table, others = contested[0], contested[1:]
    if len(problem.applications) > 1 or _in_use(problem, table.domain):
        anyhow = _solved(whole, problem, others, arbitrate)
        if _uses(problem, anyhow.choices, table.domain):
            return anyhow  # it beats whatever leaves the domain even at a clock of its own choice
    ways = [*_with_somebody_on(problem, table.domain), *_left(problem, table)]
    found = [_solved(whole, posed, others, arbitrate) for posed in ways or [problem]]
    # All ways have as many forbidden points: what keeps every constraint ranks before what does not.
    best = [result for result in found if result.feasible] or found
    return best[0] if len(best) == 1 else min(best, key=lambda result: terms(whole, result))


def _in_use(problem: ArbiterInput, domain: str) -> bool:
    return problem.incumbent is None or _uses(problem, problem.incumbent[0], domain)


def _uses(problem: ArbiterInput, choices: Sequence[int], domain: str) -> bool:
    points = (app.points[i] for app, i in zip(problem.applications, choices, strict=True))
    return any(domain in point.domains for point in points)


def _left(problem: ArbiterInput, table: ClockTable) -> Iterator[ArbiterInput]:
    """The problem with nobody on the domain; none where somebody must be."""
    apps = [_without(app, table.domain, used=True) for app in problem.applications]
    free = tuple(app for app in apps if app is not None)
    if len(free) == len(apps):
        tables = (replace(t, available_mhz=(t.released_mhz,)) if t is table else t for t in problem.clocks)
        yield replace(problem, applications=free, clocks=tuple(tables))


def _with_somebody_on(problem: ArbiterInput, domain: str) -> Iterator[ArbiterInput]:
    """The problems in which one application must be on the domain."""
    apps = problem.applications
    for a, app in enumerate(apps):
        bound = _without(app, domain, used=False)
        if bound is not None:
            yield replace(problem, applications=(*apps[:a], bound, *apps[a + 1 :]))


def _without(app: ArbiterApplication, domain: str, *, used: bool) -> ArbiterApplication | None:
    """The application without its points that use the domain, or do not; None where none is left."""
    forbidden = app.forbidden | _ON.get([app.points], (domain, used), lambda: _on(app.points, domain, used))
    return replace(app, forbidden=forbidden) if len(forbidden) < len(app.points) else None


def _on(points: Sequence[OperatingPoint], domain: str, used: bool) -> frozenset[int]:
    """Indices of the points that use the domain, or do not."""
    return frozenset(i for i, point in enumerate(points) if (domain in point.domains) == used)


_ON: Remembered[frozenset[int]] = Remembered(64)
