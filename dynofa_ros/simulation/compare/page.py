"""The page of a comparison in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from dynofa_ros.simulation.compare import (
    behaviour_tables,
    linux_tables,
    oracle_tables,
    rival_tables,
    scenario_tables,
)
from dynofa_ros.simulation.compare.checks import checks, with_policies
from dynofa_ros.simulation.compare.figures import LINUX, NOMINAL, ORACLE, OURS, Group

PREFACE = """**SIMULATED.** Every figure of this page comes from simulated boards; none was measured on one.
The boards' power and latency follow published measurements of an Orin Nano Super; the Xavier NX, voltages
against clock, and the latencies of `ofa_mbv3_w12` (scaled by multiply-adds) are extrapolated. What happens in
each scenario is told in [scenarios.md](scenarios.md), what each policy does and knows in
[policies.md](policies.md); `dynofa` is this package's manager.

- **Energy above idle**: what a run uses beyond the same board and events without applications, its clocks
  left to the kernel. Board: the energy of the whole board.
- **Misses**: dropped, late and unfinished frames as a share of all released ones. **On-time accuracy**
  counts a miss as 0. **Below floor**: frames on time with less accuracy than the target's floor.
- **±**: half width of a 95 % interval over the seeds (Student's t). Differences and ratios are paired by
  seed: all policies meet the same releases, noise and events.
- **Better** and **worse** mean that the interval of the paired difference leaves 0 out, first in misses,
  then in the objective: energy above idle for min_energy, else on-time accuracy of the frames whose
  application wants accuracy."""

BESIDE_ORACLE = """The oracle knows the whole future and pays for switching and actuation as everybody does.
The bound pays for neither and knows no heat: no plan could keep it. Allowed: the share of misses that the
percentiles allow. Energy is the objective:"""
AGAINST_LINUX = """Share: what ours gains over linux of what the oracle gains, in the term named beside the
oracle's advantage: frames on time where linux misses more than its percentiles allow, else the objective.
Where the oracle gains less than 2 % the two differences stand alone.

Published figures are those of the best case ("up to"), so here is the best scenario of each kind:"""
AGAINST_RIVALS = """Δ: ours less the rival's, in misses and in the objective: joules above idle, or points of
on-time accuracy."""
CALM = """An upward change is one to a more accurate sub-network or a lower clock. It has a cause where it
takes back a downward change that followed frames slow by chance, or within 10 s of the start or of an event.
An hour in which nothing happens:"""

PLOTS = {
    "simulated_energy.svg": "Energy above idle beyond the oracle's",
    "simulated_accuracy.svg": "On-time accuracy against the oracle's",
    "simulated_misses.svg": "Missed frames",
    "simulated_voltage.svg": "Energy saved, by voltage curve",
}
BY_VOLTAGE = "simulated_voltage.svg"


def page(groups: Sequence[Group], figures: Collection[str] = (), title: str = "Simulated results") -> str:
    """The whole page; `figures`: names of the plots beside it."""
    blocks = [f"# {title}", PREFACE, oracle_tables.settings(groups), *_sections(groups, figures)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _sections(groups: Sequence[Group], figures: Collection[str]) -> Iterator[str]:
    nominal = with_policies(groups, OURS, voltage=NOMINAL)
    yield "## What has to be reached"
    yield behaviour_tables.checks_table(checks(groups))
    if judged := with_policies(nominal, ORACLE):
        yield "## Distance to the oracle"
        yield BESIDE_ORACLE
        yield oracle_tables.energy_table(judged)
        yield "Accuracy is the objective, of some applications at least:"
        yield oracle_tables.accuracy_table(judged)
    yield from (
        f"![{text}]({name})" for name, text in PLOTS.items() if name in figures and name != BY_VOLTAGE
    )
    if compared := with_policies(nominal, LINUX):
        yield "## Against linux"
        yield linux_tables.linux_table(compared)
        yield AGAINST_LINUX
        yield linux_tables.best_table(groups)
    if rivals := rival_tables.rivals_table(nominal):
        yield "## Against published managers"
        yield AGAINST_RIVALS
        yield rivals
    yield "## Recovery, calm and speed"
    yield behaviour_tables.recovery_table(nominal)
    if calm := behaviour_tables.calm_table(nominal):
        yield CALM
        yield calm
    yield behaviour_tables.decision_text(nominal)
    if by_voltage := linux_tables.headline_table(groups):
        yield "## Under other voltage curves"
        yield by_voltage
        yield "By scenario:"
        yield linux_tables.voltage_table(groups)
        yield f"![{PLOTS[BY_VOLTAGE]}]({BY_VOLTAGE})" if BY_VOLTAGE in figures else ""
    yield "## Every policy in every scenario"
    yield "Δ: the policy less `dynofa`, paired by seed."
    yield from (scenario_tables.block(group) for group in nominal)
