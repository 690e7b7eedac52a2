"""Plays one scenario under several policies and lays the figures side by side, as `dynofa simulate` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dynofa_ros.board.options import Voltage
from dynofa_ros.errors import DynofaError
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.world.scores import Scores, add_gaps, score, timing
from dynofa_ros.simulation.world.simulator import play, simulate_idle
from dynofa_ros.simulation.world.truth import truth_of

SCHEMA = "dynofa/simulation/1"

Result = dict[str, Any]


def play_all(
    scenario: Scenario,
    policies: Sequence[str],
    seed: int | None = None,
    voltage: Voltage = "nominal",
    done: Callable[[str], None] = lambda _: None,
) -> tuple[Result, Result]:
    """Figures of every policy, and apart from them what the wall clock said.

    The first is a function of (scenario, policies, seed, voltage) alone. `done` hears of each finished one.

    Raises:
        DynofaError: an unknown policy or voltage curve.

    """
    chosen = {name: make_policy(name) for name in policies}
    truth = truth_of(scenario, scenario.seed if seed is None else seed, voltage)
    idle = simulate_idle(truth)
    scores: dict[str, Scores] = {}
    times: dict[str, Scores] = {}
    for name, policy in chosen.items():
        record = play(truth, policy)
        scores[name], times[name] = score(record, idle), timing(record)
        done(name)
    add_gaps(scores)
    context = {
        "schema": SCHEMA,
        "simulated": True,
        "scenario": scenario.name,
        "board": truth.spec.name,
        "extrapolated": truth.spec.extrapolated,
        "duration_s": scenario.duration_s,
        "seed": truth.seed,
        "voltage": voltage,
    }
    return {**context, "policies": scores}, {**context, "policies": times}


def write_json(path: Path, content: Result) -> None:
    """Write it, always in the same way: the same content gives the same bytes.

    Raises:
        DynofaError: it cannot be written.

    """
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DynofaError(f"{path}: results cannot be written: {error.strerror or error}") from error


def timing_path(path: Path) -> Path:
    """Where the wall-clock figures beside `path` go: OUT.json -> OUT.timing.json."""
    return path.with_suffix(".timing.json")
