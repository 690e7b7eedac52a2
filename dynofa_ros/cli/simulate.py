"""`dynofa simulate`: a scenario on a simulated board under one or several policies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

VOLTAGES = ("flat", "nominal", "steep")
DEFAULT_POLICIES = ("dynofa", "linux")
LOG_COLUMNS = 180

DESCRIPTION = """Plays a scenario file on a simulated board, once under each policy, and compares latency,
misses, accuracy and energy. The same file, seed and policies give the same figures, byte by byte. Every
figure is simulated. docs/scenarios.md tells the file's format and the shipped scenarios."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command's arguments."""
    from dynofa_ros.simulation.policies import POLICIES

    parser = subparsers.add_parser("simulate", help="play a scenario", description=DESCRIPTION)
    parser.add_argument("scenario", metavar="FILE", help="scenario file, or the name of a shipped scenario")
    parser.add_argument(
        "--policy",
        action="append",
        metavar="P",
        help=f"policy, may be given several times: {', '.join(POLICIES)} (default: dynofa and linux)",
    )
    parser.add_argument("--seed", type=_seed, help="seed of everything random (default: the file's)")
    parser.add_argument(
        "--voltage",
        choices=VOLTAGES,
        default="nominal",
        help="assumed voltage against clock (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="OUT",
        help="write all figures there; wall-clock times go to OUT with the ending .timing.json",
    )
    parser.set_defaults(run=run)


def _seed(text: str) -> int:
    value = int(text) if text.isdigit() else -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to {2**32 - 1}")
    return value


def run(args: argparse.Namespace) -> int:
    """Play, show and write; returns the exit status.

    Raises:
        DynofaError: the scenario cannot be used, an unknown policy, or results that cannot be written.

    """
    from rich.console import Console

    from dynofa_ros.simulation.scenarios.scenario import load_scenario, scenario_path
    from dynofa_ros.simulation.world.play import play_all, timing_path, write_json

    console = Console() if sys.stdout.isatty() else Console(width=LOG_COLUMNS)
    scenario = load_scenario(scenario_path(args.scenario))
    policies = tuple(dict.fromkeys(args.policy or DEFAULT_POLICIES))
    with console.status("simulating") as status:
        result, times = play_all(
            scenario,
            policies,
            args.seed,
            args.voltage,
            done=lambda name: status.update(f"simulating: {name} done"),
        )
    _show(result, console)
    if args.json is not None:
        write_json(args.json, result)
        write_json(timing_path(args.json), times)
        console.print(f"written to {args.json}", markup=False, highlight=False)
    return 0


COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("released", "frames", 1.0, 0),
    ("miss_rate", "misses %", 100.0, 2),
    ("on_time_accuracy", "on-time acc. %", 100.0, 2),
    ("mean_accuracy", "acc. %", 100.0, 2),
    ("below_floor", "below floor", 1.0, 0),
    ("p50", "p50 ms", 1.0, 1),
    ("p95", "p95 ms", 1.0, 1),
    ("energy_above_idle_j", "J above idle", 1.0, 1),
    ("energy_j", "board J", 1.0, 0),
    ("switches", "switches", 1.0, 0),
    ("clock_changes", "clocks set", 1.0, 0),
    ("peak_degc", "peak °C", 1.0, 1),
    ("throttled_s", "throttled s", 1.0, 1),
)
"""Key, heading, factor and digits of each column."""


def _show(result: dict[str, Any], console: Console) -> None:
    """One row per policy, and below it one per application where there are several."""
    from rich.table import Table

    board = f"{result['board']}{', extrapolated' if result['extrapolated'] else ''}"
    title = (
        f"SIMULATED: {result['scenario']} on {board}, {result['duration_s']:g} s, "
        f"seed {result['seed']}, {result['voltage']} V(f)"
    )
    table = Table(title=title)
    table.add_column("policy", no_wrap=True)
    for _, heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right")
    for name, scores in result["policies"].items():
        table.add_row(name, *_cells(scores))
        if len(scores["applications"]) > 1:
            for application, own in scores["applications"].items():
                table.add_row(f"  {application}", *_cells(own), style="dim")
    console.print(table)


def _cells(scores: dict[str, Any]) -> list[str]:
    values = {**scores, **scores["latency_ms"]}
    return [_cell(values.get(key), factor, digits) for key, _, factor, digits in COLUMNS]


def _cell(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None else f"{round(value * factor, digits) + 0.0:.{digits}f}"
