"""What gives way when the thermal margin cannot be kept: the margin itself, before any target.

The hardware protects itself at its trip points; a robot that stops seeing protects nothing. Where no choice
keeps the predicted temperature below the limit and meets the targets, the limit becomes

    least + SLACK_DEGC        least: predicted temperature of the least power that meets every target

so the objective has what room the slack leaves. Where the targets cannot be met whatever the temperature, the
limit stays and they give way to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dynofa_ros.manager.arbiter.arbiter import judge
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import Objective

Arbitrate = Callable[[ArbiterInput], ArbiterResult]

SLACK_DEGC = 1.0


def with_margin_given_up(problem: ArbiterInput, arbitrate: Arbitrate) -> ArbiterResult:
    """The arbiter's choice; where heat would cost targets, the one that is coolest while it meets them."""
    result = arbitrate(problem)
    heat = problem.heat
    if heat is None or result.feasible:
        return result
    coolest = arbitrate(replace(problem, applications=tuple(map(_saving, problem.applications)), heat=None))
    if not coolest.feasible:
        return result
    least_degc = heat.offset_degc + heat.degc_per_w * coolest.power_w
    eased = replace(heat, limit_degc=max(heat.limit_degc, least_degc + SLACK_DEGC))
    chosen = arbitrate(replace(problem, heat=eased))
    judged = judge(problem, chosen.choices, chosen.clocks)
    if judged is None or not chosen.feasible:
        return result
    return replace(judged, exact=chosen.exact, bound=chosen.bound, nodes=chosen.nodes)


def _saving(app: ArbiterApplication) -> ArbiterApplication:
    return replace(app, objective=Objective.MIN_ENERGY)
