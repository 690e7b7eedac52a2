"""Clocks that a choice leaves to the kernel: a domain that no decided point uses runs as its governor wants.

The arbiter gives every domain a clock. Where others keep a domain busy and the choice leaves it, nobody sets
that clock: the governor raises it for them to `ClockTable.released_mhz`. So for each such domain the best
choice that leaves it, at that clock, is compared in the arbiter's order with the best one that has somebody
on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dynofa_ros.manager.arbiter import terms
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterInput, ArbiterResult, ClockTable

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
    anyhow = _solved(whole, problem, others, arbitrate)
    if _uses(problem, anyhow, table.domain):
        found = [anyhow]
    else:
        there = _with_somebody_on(problem, table.domain)
        found = [_solved(whole, posed, others, arbitrate) for posed in there]
    left = _left(problem, table)
    if left is not None:
        found.append(_solved(whole, left, others, arbitrate))
    return min(found, key=lambda result: terms(whole, result), default=anyhow)


def _uses(problem: ArbiterInput, result: ArbiterResult, domain: str) -> bool:
    points = (app.points[i] for app, i in zip(problem.applications, result.choices, strict=True))
    return any(domain in point.domains for point in points)


def _left(problem: ArbiterInput, table: ClockTable) -> ArbiterInput | None:
    """The problem with nobody on the domain; None where somebody must be."""
    apps = [_without(app, table.domain, used=True) for app in problem.applications]
    tables = (replace(t, available_mhz=(t.released_mhz,)) if t is table else t for t in problem.clocks)
    if any(app is None for app in apps):
        return None
    return replace(problem, applications=tuple(app for app in apps if app), clocks=tuple(tables))


def _with_somebody_on(problem: ArbiterInput, domain: str) -> Iterator[ArbiterInput]:
    """The problems in which one application must be on the domain."""
    apps = problem.applications
    for a, app in enumerate(apps):
        bound = _without(app, domain, used=False)
        if bound is not None:
            yield replace(problem, applications=(*apps[:a], bound, *apps[a + 1 :]))


def _without(app: ArbiterApplication, domain: str, *, used: bool) -> ArbiterApplication | None:
    """The application without its points that use the domain, or do not; None where none is left."""
    others = frozenset(i for i, point in enumerate(app.points) if (domain in point.domains) == used)
    forbidden = others | app.forbidden
    return replace(app, forbidden=forbidden) if len(forbidden) < len(app.points) else None
