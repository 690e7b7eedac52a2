"""Clock headroom for applications whose objective is accuracy: clocks that also ride out bursts.

Their frames come late in bursts that are too rare to give up a sub-network for, and a late frame is worth
nothing. So the sub-networks are decided at the percentile planned for, and then, with all of them fixed, the
clocks once more with the long tail of the slow-down, bursts included: the least power among the clocks that
meet it, else those that come closest to it within budget, heat and caps; but never clocks at which something
gives way at the percentile planned for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from dynofa_ros.manager.arbiter.arbiter import judge
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import Objective

Arbitrate = Callable[[ArbiterInput], ArbiterResult]


def with_headroom(
    problem: ArbiterInput, result: ArbiterResult, bursts: Sequence[float], arbitrate: Arbitrate
) -> ArbiterResult:
    """`result` with clocks for bursts; the figures stay those of the percentile planned for.

    `bursts`: per application the long tail of its slow-down over the tail planned for, at least 1 [1].
    """
    wanting = [
        app.objective == Objective.MAX_ACCURACY and burst > 1.0
        for app, burst in zip(problem.applications, bursts, strict=True)
    ]
    if not problem.clocks or not result.feasible or not any(wanting):
        return result
    factors = [burst if wants else 1.0 for burst, wants in zip(bursts, wanting, strict=True)]
    fixed = tuple(map(_fixed, problem.applications, result.choices, factors))
    clocks = arbitrate(replace(problem, applications=fixed)).clocks
    if clocks == result.clocks:
        return result
    kept = judge(problem, result.choices, clocks)
    if kept is None or not kept.feasible:
        return result
    return replace(kept, exact=result.exact, bound=result.bound, nodes=result.nodes)


@lru_cache(maxsize=256)
def _others(points: int, choice: int) -> frozenset[int]:
    """All points but one."""
    return frozenset(range(points)) - {choice}


def _fixed(app: ArbiterApplication, choice: int, burst: float) -> ArbiterApplication:
    """With its choice alone, whose slow-down has a tail longer by the factor `burst`."""
    return replace(
        app,
        forbidden=_others(len(app.points), choice),
        current=choice,
        slowdown_tail=app.slowdown_tail * burst,
        by_element={element: (median, tail * burst) for element, (median, tail) in app.by_element.items()},
    )
