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

from dynofa_ros.manager.arbiter.choice import TOLERANCE
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult, HeatLimit
from dynofa_ros.manager.arbiter.released import ReleasedClocks
from dynofa_ros.manager.qos import Objective

Pose = Callable[[ArbiterInput], ReleasedClocks]

SLACK_DEGC = 1.0


def with_margin_given_up(problem: ArbiterInput, pose: Pose) -> ArbiterResult:
    """The best choice; where heat would cost targets, the one that is coolest while it meets them."""
    posed, heat = pose(problem), problem.heat
    if heat is None:
        return posed.best
    return posed.feasible or _eased(problem, heat, pose) or posed.best


def _eased(problem: ArbiterInput, heat: HeatLimit, pose: Pose) -> ArbiterResult | None:
    """The choice that meets every target with the limit eased; None where the targets cannot be met."""
    saving = tuple(map(_saving, problem.applications))
    coolest = pose(replace(problem, applications=saving, heat=None)).feasible
    if coolest is None:
        return None
    least_degc = heat.offset_degc + heat.degc_per_w * coolest.power_w
    eased = replace(heat, limit_degc=max(heat.limit_degc, least_degc + SLACK_DEGC))
    chosen = pose(replace(problem, heat=eased)).feasible
    if chosen is None or chosen.temperature_degc - heat.limit_degc <= TOLERANCE:
        return chosen
    return replace(chosen, board_violations=("temperature",))


def _saving(app: ArbiterApplication) -> ArbiterApplication:
    return replace(app, objective=Objective.MIN_ENERGY)
