"""What the manager has to reach, judged from the figures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.simulation.compare import behaviour_checks, linux_checks, oracle_checks, rival_checks
from dynofa_ros.simulation.compare.check import Check
from dynofa_ros.simulation.compare.figures import LINUX, NOMINAL, ORACLE, OURS, Group


def checks(groups: Sequence[Group]) -> list[Check]:
    """All requirements that runs can show."""
    nominal = with_policies(groups, OURS, voltage=NOMINAL)
    judged = with_policies(nominal, ORACLE)
    return [
        *headlines(nominal),
        oracle_checks.floors(judged),
        linux_checks.not_dominated(with_policies(nominal, LINUX)),
        *(
            check
            for rival in rival_checks.RIVALS
            for check in rival_checks.against_rival(with_policies(nominal, rival), rival)
        ),
        behaviour_checks.told_apart(nominal),
        behaviour_checks.recovery(judged),
        behaviour_checks.calm(nominal),
        behaviour_checks.decision(nominal),
        behaviour_checks.speed(nominal),
        oracle_checks.unbeaten(with_policies(groups, ORACLE)),
    ]


def headlines(groups: Sequence[Group]) -> list[Check]:
    """Those that depend on the assumed voltages; `groups` are of one voltage curve."""
    judged, compared = with_policies(groups, OURS, ORACLE), with_policies(groups, OURS, LINUX)
    return [
        oracle_checks.energy_gap(judged),
        oracle_checks.accuracy_gap(judged),
        oracle_checks.misses(judged),
        oracle_checks.share_of_advantage(with_policies(judged, LINUX)),
        *linux_checks.aims(compared),
    ]


def with_policies(groups: Sequence[Group], *policies: str, voltage: str = "") -> list[Group]:
    """The groups in which all these ran."""
    chosen = [group for group in groups if all(policy in group.runs for policy in policies)]
    return [group for group in chosen if not voltage or group.voltage == voltage]
