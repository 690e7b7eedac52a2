"""How long an inference of one application may be before another one has to wait for it.

    waiting            W_ab = max(0, t_b - (1 - q_a) T_b / n)
    latency of a       own latency + sum over b of W_ab

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

import numpy as np

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.models.power_model import FloatArray

SAME_PERIOD = 0.01
"""Relative difference up to which two periods count as equal."""
RATIOS = tuple((n, m) for n in range(1, 4) for m in range(1, 4) if math.gcd(n, m) == 1)
"""Of periods of cameras that keep their phase."""


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


def allowances_ms(problem: ArbiterInput, layout: Layout) -> FloatArray:
    """What W_ab subtracts from t_b; infinite where nobody waits.

    Shape (applications, applications, elements).
    """
    apps = problem.applications
    allowance = np.full((len(apps), len(apps), len(layout.elements)), math.inf)
    for number in coupled_elements(problem, layout):
        there = layout.apps_on[number]
        for a in there:
            for b in there:
                allowance[a, b, number] = _allowance_ms(apps[a], apps[b], len(there) - 1)
    return allowance


def _allowance_ms(app: ArbiterApplication, other: ArbiterApplication, others: int) -> float:
    period_ms = other.period_ms if other.period_ms > 0.0 else 0.0
    of_any_phase = (1.0 - app.percentile) * period_ms / others
    if not in_step(app.period_ms, other.period_ms):
        return of_any_phase
    phase_ms = app.phases_ms.get(other.name, math.nan)
    if _as(app.period_ms, other.period_ms, 1, 1):
        return of_any_phase if math.isnan(phase_ms) else max(of_any_phase, phase_ms)
    return 0.0 if math.isnan(phase_ms) else min(of_any_phase, phase_ms)


def in_step(period_ms: float, other_ms: float) -> bool:
    """Whether two cameras keep their phase: their periods are as small whole numbers."""
    return any(_as(period_ms, other_ms, n, m) for n, m in RATIOS)


def _as(period_ms: float, other_ms: float, n: int, m: int) -> bool:
    return abs(period_ms * m - other_ms * n) <= SAME_PERIOD * other_ms * n
