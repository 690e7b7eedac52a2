"""Writes what a comparison found: a page, its plots, and all figures as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynofa_ros.errors import DynofaError
from dynofa_ros.simulation.compare.checks import checks
from dynofa_ros.simulation.compare.figures import (
    Group,
    accuracy,
    below_floor,
    board_j,
    energy_j,
    excess_below_floor,
    excess_misses,
    groups_of,
    miss_rate,
    on_time_accuracy,
    p95,
)
from dynofa_ros.simulation.compare.page import page
from dynofa_ros.simulation.compare.plots import plots
from dynofa_ros.simulation.compare.runs import Run

SCHEMA = "dynofa/comparison/1"
MEASURES = {
    "miss_rate": miss_rate,
    "misses_beyond_percentile": excess_misses,
    "below_floor": below_floor,
    "below_floor_beyond_percentile": excess_below_floor,
    "on_time_accuracy": on_time_accuracy,
    "accuracy_where_wanted": accuracy,
    "energy_above_idle_j": energy_j,
    "board_j": board_j,
    "p95_to_target": p95,
}


def write_report(
    name: str, runs: Sequence[Run], folder: Path, page_name: str = "results.md", data: Path | None = None
) -> Path:
    """Write page, plots and JSON into `folder` (the JSON to `data` where given); returns the page's path.

    Raises:
        DynofaError: nothing to compare, or a file cannot be written.

    """
    groups = groups_of(runs)
    if not groups:
        raise DynofaError(f"suite {name!r} has no runs to compare")
    drawn = plots(groups)
    title = "Simulated results" if name == "manager" else f"Simulated results: {name}"
    files = {folder / file: content for file, content in drawn.items()}
    files[folder / page_name] = page(groups, tuple(drawn), title)
    data = data or folder / f"{Path(page_name).stem}.json"
    files[data] = json.dumps(document(name, groups), indent=1) + "\n"
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise DynofaError(f"{folder}: the report cannot be written: {error.strerror or error}") from error
    return folder / page_name


def document(name: str, groups: Sequence[Group]) -> dict[str, Any]:
    """Every figure: means with their intervals and the values of each seed; None where there is none."""
    return {
        "schema": SCHEMA,
        "simulated": True,
        "suite": name,
        "checks": [dataclasses.asdict(check) for check in checks(groups)],
        "scenarios": [
            {
                "scenario": group.scenario,
                "voltage": group.voltage,
                "objective": group.objective,
                "applications": group.applications,
                "extrapolated": group.extrapolated,
                "policies": {policy: _policy(group, policy) for policy in group.policies},
            }
            for group in groups
        ],
    }


def _policy(group: Group, policy: str) -> dict[str, Any]:
    figures: dict[str, Any] = {"seeds": list(group.runs[policy])}
    for name, measure in MEASURES.items():
        mean = group.mean(policy, measure)
        figures[name] = {
            "mean": _known(mean.mean),
            "half_width_95": _known(mean.half),
            "values": [_known(value) for value in group.values(policy, measure)],
        }
    return figures


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
