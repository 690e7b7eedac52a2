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


class ThermalMargin:
    """The best choice; where heat would cost targets, the one that is coolest while it meets them."""

    def __init__(self, pose: Pose) -> None:
        self._pose = pose
        self._coolest: tuple[ArbiterInput, ArbiterResult | None] | None = None
        """The last question for the least power, and its answer: only the heat changes from step to step."""

    def solve(self, problem: ArbiterInput) -> ArbiterResult:
        """The choice, with the margin given up as far as needed."""
        posed, heat = self._pose(problem), problem.heat
        if heat is None:
            return posed.best
        return posed.feasible or self._eased(problem, heat) or posed.best

    def _eased(self, problem: ArbiterInput, heat: HeatLimit) -> ArbiterResult | None:
        """The choice that meets every target with the limit eased; None where the targets cannot be met."""
        coolest = self._least_power(problem)
        if coolest is None:
            return None
        least_degc = heat.offset_degc + heat.degc_per_w * coolest.power_w
        eased = replace(heat, limit_degc=max(heat.limit_degc, least_degc + SLACK_DEGC))
        chosen = self._pose(replace(problem, heat=eased)).feasible
        if chosen is None or chosen.temperature_degc - heat.limit_degc <= TOLERANCE:
            return chosen
        return replace(chosen, board_violations=("temperature",))

    def _least_power(self, problem: ArbiterInput) -> ArbiterResult | None:
        """The least power that meets every target, whatever the heat; None where they cannot be met."""
        cold = replace(problem, heat=None)
        if self._coolest is None or self._coolest[0] != cold:
            saving = tuple(map(_saving, problem.applications))
            self._coolest = cold, self._pose(replace(cold, applications=saving)).feasible
        return self._coolest[1]


def _saving(app: ArbiterApplication) -> ArbiterApplication:
    return replace(app, objective=Objective.MIN_ENERGY)
