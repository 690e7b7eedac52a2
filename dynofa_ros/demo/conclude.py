"""The end of the demonstration: read the bags, check what has to hold, write summary and report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynofa_ros.demo.scenario import Scenario
from dynofa_ros.demo.stage import Played
from dynofa_ros.simulation import metrics
from dynofa_ros.simulation.extract import read_run
from dynofa_ros.simulation.machine import machine_facts
from dynofa_ros.simulation.records import Run
from dynofa_ros.simulation.report import Check, ReportContext, render
from dynofa_ros.simulation.summary import json_ready, summarise

MANAGED, UNMANAGED = "managed", "unmanaged"
SCHEMA = "dynofa/demo_summary/1"
REQUIRED_ON_TIME = 0.95
REQUIRED_SUBNETS = 4
INTRODUCTION = (
    "Camera networks held inside their latency targets while target, load, clocks and number of cameras "
    "change. Managed: the manager chooses sub-network and clocks. Unmanaged: the same outside events "
    "with the largest sub-network and fixed maximum clocks. Processes, DDS, inference and co-runner are real."
)


def conclude(played: Mapping[str, Played], scenario: Scenario, out: Path, random_weights: bool) -> int:
    """Write summary.json and report.html; return 0, or 1 if a frame is unaccounted for."""
    runs = [read_run(item.bag, name) for name, item in played.items()]
    checks = make_checks(runs)
    facts = machine_facts() | {"Scenario": scenario.name} | _bag_facts(played)
    if random_weights:
        facts["Weights"] = "RANDOM: classes and accuracy mean nothing"
    summary = {
        "schema": SCHEMA,
        "machine": facts,
        "scenario": scenario.name,
        "random_weights": random_weights,
        "measured": _measured(played),
        "steps": [{"t_s": s.t_s, "kind": s.kind, "label": s.label} for s in played[MANAGED].steps],
        "checks": [{"name": c.name, "value": c.value, "passed": c.passed} for c in checks],
        "exit_codes": {name: item.exit_codes for name, item in played.items()},
        "runs": {run.name: summarise(run) for run in runs},
    }
    text = json.dumps(json_ready(summary), indent=2, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    context = ReportContext("dynofa demonstration", INTRODUCTION, tuple(checks), facts)
    (out / "report.html").write_text(render(runs, context), encoding="utf-8")
    _tell(checks, out)
    return 0 if all(account.complete for run in runs for account in run.accounting) else 1


def make_checks(runs: list[Run]) -> list[Check]:
    """Return what has to hold, with the values found."""
    by_name = {run.name: run for run in runs}
    checks = []
    for name in (MANAGED, UNMANAGED):
        if name not in by_name:
            continue
        run = by_name[name]
        rate = metrics.on_time_rate(metrics.outside_guard(run.frames, run.events)) or 0.0
        managed = name == MANAGED
        relation = ">=" if managed else "below"
        checks.append(
            Check(
                f"{name}: frames on time, outside 1 s after events",
                f"{100 * rate:.1f} % ({relation} {100 * REQUIRED_ON_TIME:.0f} % expected)",
                (rate >= REQUIRED_ON_TIME) == managed,
            )
        )
    accounts = [account for run in runs for account in run.accounting]
    complete = sum(account.complete for account in accounts)
    sent = sum(account.sent for account in accounts)
    checks.append(
        Check(
            "every frame accounted for",
            f"{sent} frames, {complete} of {len(accounts)} accounts add up",
            bool(accounts) and complete == len(accounts),
        )
    )
    used = {frame.subnet for frame in by_name[MANAGED].frames if frame.inferred}
    enough = len(used) >= REQUIRED_SUBNETS
    checks.append(
        Check("sub-networks used when managed", f"{len(used)} (>= {REQUIRED_SUBNETS} expected)", enough)
    )
    return checks


def _measured(played: Mapping[str, Played]) -> dict[str, Any]:
    measured = played[MANAGED].measured
    return {"profiled_latency_ms": dict(measured.latency_ms), "overhead_ms": measured.overhead_ms}


def _bag_facts(played: Mapping[str, Played]) -> dict[str, str]:
    size = sum(
        file.stat().st_size for item in played.values() for file in item.bag.glob("*") if file.is_file()
    )
    return {"Bags": f"{size / 1e6:.1f} MB"}


def _tell(checks: list[Check], out: Path) -> None:
    print()
    for check in checks:
        print(f"{'ok  ' if check.passed else 'NOT '} {check.name}: {check.value}")
    print(f"report: {out / 'report.html'}\nsummary: {out / 'summary.json'}")
    for name in (MANAGED, UNMANAGED):
        if (out / name / "bag").is_dir():
            print(f"bag, {name}: {out / name / 'bag'}")
