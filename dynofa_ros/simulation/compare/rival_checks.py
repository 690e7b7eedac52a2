"""What has to be reached against published managers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynofa_ros.simulation.compare.check import Check, no_runs
from dynofa_ros.simulation.compare.figures import Group, Measure, against, excess_misses, miss_rate

RIVALS = ("alert", "poet", "dynamic_ofa_rule")
STRICTLY_BETTER = 12 / 16
COUNTED: tuple[tuple[str, Measure], ...] = (
    ("every miss", miss_rate),
    ("misses beyond the percentiles", excess_misses),
)


def against_rival(groups: Sequence[Group], rival: str) -> Iterator[Check]:
    """Better, equal or worse in each scenario, beyond the paired interval, by both ways to count misses."""
    for what, misses in COUNTED:
        requirement = f"against {rival}: never worse on ({what}, then the objective), better in 12 of 16"
        yield _judged(requirement, groups, rival, misses) if groups else no_runs(requirement)


def _judged(requirement: str, groups: Sequence[Group], rival: str, misses: Measure) -> Check:
    verdicts = {group.scenario: against(group, rival, misses)[0] for group in groups}
    better, equal, worse = (list(verdicts.values()).count(v) for v in ("better", "equal", "worse"))
    value = f"better {better}, equal {equal}, worse {worse} of {len(groups)}"
    met = worse == 0 and better >= STRICTLY_BETTER * len(groups)
    return Check(requirement, value, met, tuple(n for n, verdict in verdicts.items() if verdict == "worse"))
