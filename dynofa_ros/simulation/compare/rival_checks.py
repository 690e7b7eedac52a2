"""What has to be reached against published managers."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.simulation.compare.check import Check, no_runs
from dynofa_ros.simulation.compare.figures import Group, against, excess_misses

RIVALS = ("alert", "poet", "dynamic_ofa_rule")
STRICTLY_BETTER = 12 / 16


def against_rival(groups: Sequence[Group], rival: str) -> Check:
    """Better, equal or worse in each scenario, beyond the paired interval."""
    requirement = f"against {rival}: never worse on (misses, objective), strictly better in 12 of 16"
    if not groups:
        return no_runs(requirement)
    strict = {g.scenario: against(g, rival)[0] for g in groups}
    allowing = {g.scenario: against(g, rival, excess_misses)[0] for g in groups}
    counts = {verdict: list(strict.values()).count(verdict) for verdict in ("better", "equal", "worse")}
    within = {verdict: list(allowing.values()).count(verdict) for verdict in ("better", "equal", "worse")}
    value = (
        f"better {counts['better']}, equal {counts['equal']}, worse {counts['worse']} of {len(groups)}; if "
        f"only misses beyond the percentile count {within['better']}, {within['equal']}, {within['worse']}"
    )
    met = counts["worse"] == 0 and counts["better"] >= STRICTLY_BETTER * len(groups)
    return Check(requirement, value, met, tuple(n for n, verdict in strict.items() if verdict == "worse"))
