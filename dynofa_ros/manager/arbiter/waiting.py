"""How long an inference of one application may be before another one has to wait for it.

    waiting            W_ab = max(0, t_b - (1 - q_a) T_b / n)
    latency of a       own latency + sum over b of W_ab + what together.py adds

for the others b on the same exclusive element beside which a does not fit: t_b median inference time and
T_b period of b, q_a percentile, n the number of others that may be there. With unrelated phases a frame
of a finds b at work with a remaining time above w in a share (t_b - w) / T_b of the cases, and each of
the n others may use up an n-th of 1 - q_a (Boole's inequality). At most one inference of each
is in front, since every application holds one frame at a time.

Cameras whose periods are as small whole numbers keep their phase, though, and what is rare over all phases
may befall every second or third frame for minutes. Where the phase is known (telemetry/phases.py),

    V_ab = max(0, t_b - phi_ab)
    waiting            min(W_ab, V_ab)  of equal periods; W_ab until phi_ab is known
                       max(W_ab, V_ab)  of others, which have not met in every phase yet; t_b until then
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.models.power_model import FloatArray

FITS = 1.0 + 1e-9
"""Sum of shares of an element up to which inferences run beside each other [1]."""
SAME_PERIOD = 0.01
"""Relative difference up to which two periods count as equal."""
RATIOS = tuple((n, m) for n in range(1, 4) for m in range(1, 4) if math.gcd(n, m) == 1)
"""Of periods of cameras that keep their phase."""
LARGEST = 3
"""So many others at most are waited for together."""


def coupled_elements(problem: ArbiterInput, layout: Layout) -> frozenset[int]:
    """Elements on which somebody may wait."""
    if len(problem.applications) < 2:
        return frozenset()
    exclusive = {element.name for element in problem.elements if element.exclusive}
    return frozenset(
        number
        for number, name in enumerate(layout.elements)
        if name in exclusive and len(layout.apps_on[number]) > 1
    )


@dataclass(frozen=True, eq=False)
class Allowances:
    """What is subtracted from t_b where an application a waits for an inference of b."""

    ms: FloatArray
    """Shape (LARGEST, applications a, applications b, elements), infinite where nobody waits. At k - 1: while
    k others leave no room only together; then the number of sets of k stands in the place of n."""
    period_ms: FloatArray
    """T_b where the phase of b is unrelated to that of a, else 0; shape (applications a, applications b)."""

    @classmethod
    def of(cls, problem: ArbiterInput, layout: Layout) -> Allowances:
        """Of all pairs on all elements where somebody may wait."""
        apps = problem.applications
        ms = np.full((LARGEST, len(apps), len(apps), len(layout.elements)), math.inf)
        period_ms = np.zeros((len(apps), len(apps)))
        there = {number: layout.apps_on[number] for number in coupled_elements(problem, layout)}
        for a, b in permutations(range(len(apps)), 2) if there else ():
            lost_ms = (1.0 - apps[a].percentile) * _period_ms(apps[b])
            related, least_ms, most_ms = _phase(apps[a], apps[b])
            period_ms[a, b] = 0.0 if related else _period_ms(apps[b])
            for number in [number for number, names in there.items() if a in names and b in names]:
                for size, sets in enumerate(_sets(len(there[number]) - 1)):
                    ms[size, a, b, number] = min(max(lost_ms / sets, least_ms), most_ms)
        return cls(ms, period_ms)


def _period_ms(app: ArbiterApplication) -> float:
    return app.period_ms if app.period_ms > 0.0 else 0.0


def _sets(others: int) -> tuple[int, ...]:
    """How many sets of 1, 2 .. LARGEST others there are, as far as there are any."""
    return tuple([math.comb(others, size) for size in range(1, min(others, LARGEST) + 1)])


def _phase(app: ArbiterApplication, other: ArbiterApplication) -> tuple[bool, float, float]:
    """Whether the two keep their phase, and the least and most allowance that follows from it [ms]."""
    if not in_step(app.period_ms, other.period_ms):
        return False, 0.0, math.inf
    phase_ms = app.phases_ms.get(other.name, math.nan)
    known_ms = 0.0 if math.isnan(phase_ms) else phase_ms
    if _as(app.period_ms, other.period_ms, 1, 1):
        return True, known_ms, math.inf
    return True, 0.0, known_ms


def in_step(period_ms: float, other_ms: float) -> bool:
    """Whether two cameras keep their phase: their periods are as small whole numbers."""
    return any(_as(period_ms, other_ms, n, m) for n, m in RATIOS)


def _as(period_ms: float, other_ms: float, n: int, m: int) -> bool:
    return abs(period_ms * m - other_ms * n) <= SAME_PERIOD * other_ms * n
