"""How long an inference of one application may be before another one has to wait for it.

    waiting            W_ab = max(0, t_b - (1 - q_a) T_b / n)
    latency of a       own latency + sum over b of W_ab

for the others b on the same exclusive element beside which a does not fit: t_b median inference time and
T_b period of b, q_a percentile, n the number of others that may be there. With unrelated phases a frame
of a finds b at work with a remaining time above w in a share (t_b - w) / T_b of the cases, and each of
the n others may use up an n-th of 1 - q_a (Boole's inequality). At most one inference of each is in
front, since every application holds one frame at a time. Cameras of equal periods keep their phase, though:
where it was measured how long a waits while b takes t_b now, waiting grows at most by what t_b grows,

    W_ab = max(0, t_b - max((1 - q_a) T_b / n, t_b now - waited_a / n))
"""

from __future__ import annotations

import math

import numpy as np

from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput
from dynofa_ros.manager.models.power_model import FloatArray

SAME_PERIOD = 0.01
"""Relative difference of periods up to which two cameras count as in step."""


def coupled_elements(problem: ArbiterInput, layout: Layout) -> frozenset[int]:
    """Elements on which somebody may wait."""
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
        there, name = layout.apps_on[number], layout.elements[number]
        for a in there:
            for b in there:
                allowance[a, b, number] = _allowance_ms(apps[a], apps[b], name, len(there) - 1)
    return allowance


def _allowance_ms(app: ArbiterApplication, other: ArbiterApplication, element: str, others: int) -> float:
    period_ms = other.period_ms if other.period_ms > 0.0 else 0.0
    of_any_phase = (1.0 - app.percentile) * period_ms / others
    in_step = abs(app.period_ms - other.period_ms) <= SAME_PERIOD * other.period_ms
    if not (in_step and app.measured_on == other.measured_on == element):
        return of_any_phase
    as_measured = other.occupies_ms - app.waited_ms / others
    return max(of_any_phase, as_measured) if math.isfinite(as_measured) else of_any_phase
