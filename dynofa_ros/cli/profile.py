"""`dynofa profile`: measure every sub-network of a family on every placement of this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from dynofa_ros.engine.placement import Placement
    from dynofa_ros.engine.profile import Profile
    from dynofa_ros.supernet.family import Family

LOG_COLUMNS = 160

DESCRIPTION = """Measure the latency of every sub-network of FAMILY on every placement of this machine
(back end, element, precision, CPU threads), in interleaved rounds, and keep the profile for the
perception node. Close other programs first: it is to show the idle machine."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the sub-command."""
    parser = subparsers.add_parser("profile", help="measure latencies here", description=DESCRIPTION)
    parser.add_argument("family", help="name of a shipped family, or path of a family file")
    parser.add_argument("--random-weights", action="store_true", help="untrained weights, no accuracy")
    parser.add_argument(
        "--placements",
        default="*",
        metavar="PATTERNS",
        help="placements element/backend/precision/threads with wildcards, comma-separated, "
        'e.g. "cpu/openvino/*" (default: all)',
    )
    parser.add_argument(
        "--threads",
        type=_threads,
        metavar="N,N",
        help="numbers of CPU threads (default: 1, half and all of the usable cores)",
    )
    parser.add_argument("--cores", default="", metavar="LIST", help='use these cores only, e.g. "0-3"')
    parser.add_argument("--rounds", type=_positive, default=200, help="rounds at most (default: 200)")
    parser.add_argument(
        "--seconds", type=_positive, default=100, help="time for measuring, without compiling (default: 100)"
    )
    parser.add_argument(
        "--memory-mb", type=_positive, help="memory for networks at a time (default: half of what is free)"
    )
    parser.add_argument(
        "--out", type=Path, help="file to write; without it the place where the perception node looks"
    )
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    """An argument >= 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} must be at least 1")
    return value


def _threads(text: str) -> tuple[int, ...]:
    """A list of numbers >= 1."""
    return tuple(sorted({_positive(part) for part in text.split(",")}))


def run(args: argparse.Namespace) -> int:
    """Measure, save and show; returns the exit status.

    Raises:
        DynofaError: the family cannot be used here, or the profile not written.
    """
    from rich.console import Console

    from dynofa_ros.engine.placement import use_cores
    from dynofa_ros.engine.profile_store import disturbance
    from dynofa_ros.paths import family_path
    from dynofa_ros.supernet.family import load_family

    console = Console() if sys.stdout.isatty() else Console(width=LOG_COLUMNS)
    use_cores(args.cores)
    family = load_family(family_path(args.family))
    if args.random_weights:
        family = family.with_random_weights()
    placements = _placements(args, family, console)
    profile = _measure(family, placements, args, console)
    path = _save(profile, args.out)
    _show(family, profile, console)
    if profile.disturbed:
        console.print(disturbance(profile), style="yellow", markup=False, highlight=False)
    console.print(f"written to {path}", markup=False, highlight=False)
    return 0


def _placements(args: argparse.Namespace, family: Family, console: Console) -> list[Placement]:
    """What runs here and was asked for; says what does not run, and what to do."""
    from dynofa_ros.engine.backends import available_placements
    from dynofa_ros.engine.placement import matching
    from dynofa_ros.engine.survey import thread_counts

    found: dict[Placement, None] = {}
    for threads in args.threads or thread_counts():
        placements, absent = available_placements(threads)
        found.update(dict.fromkeys(placements))
    for name, why in absent.items():
        console.print(f"not here: {name}: {why}", style="dim", markup=False, highlight=False)
    chosen = matching(found, args.placements)
    offered = {p.precision for p in chosen if any(family.offers(n, p.precision) for n in family.names)}
    for precision in sorted({p.precision for p in chosen} - offered):
        text = f"not measured: {precision}: no accuracy of {family.name} is known at it, see dynofa quantize"
        console.print(text, style="dim", markup=False, highlight=False)
    return [p for p in chosen if p.precision in offered]


def _measure(
    family: Family, placements: list[Placement], args: argparse.Namespace, console: Console
) -> Profile:
    """Profile with a progress bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from dynofa_ros.engine.survey import SurveyOptions, survey

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("compiling", total=None)

        def progress(what: str, done: float, total: float) -> None:
            bar.update(task, description=what, completed=done, total=total)

        options = SurveyOptions(
            rounds=args.rounds,
            seconds=float(args.seconds),
            memory_budget_mb=args.memory_mb,
            meter=_power_meter(),
        )
        return survey(family, placements, options, log=bar.console.log, progress=progress)


def _power_meter() -> Callable[[], float]:
    """Power of this machine's board now [W] as a function; NaN where it shows none."""
    import time

    from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard

    board = LinuxSysfsBoard()
    return lambda: board.read(time.monotonic()).power_w


def _save(profile: Profile, out: Path | None) -> Path:
    """Write the profile. DynofaError where that is not possible, or there is no default place.

    What the kept profile has of other placements stays in it.
    """
    from dynofa_ros.engine.profile_store import default_path, kept_profile
    from dynofa_ros.errors import DynofaError

    path = out or default_path(profile.fingerprint)
    if path is None:
        raise DynofaError("no cache directory: neither XDG_CACHE_HOME nor a home directory; give --out FILE")
    kept = None if out else kept_profile(profile.fingerprint)
    try:
        (profile if kept is None else kept.merged(profile)).save(path)
    except OSError as error:
        raise DynofaError(f"{path}: profile cannot be written: {error}") from error
    return path


def _show(family: Family, profile: Profile, console: Console) -> None:
    """Medians [ms], one row per placement and one column per sub-network, by rising multiply-adds."""
    from rich.table import Table

    names = [name for name in family.names if any(name == subnet for subnet, _ in profile.points)]
    table = Table("median ms", title=str(profile.fingerprint))
    table.columns[0].no_wrap = True
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for where in dict.fromkeys(placement for _, placement in profile.points):
        table.add_row(where, *(_cell(profile, name, where) for name in names))
    console.print(table)
    if not any(timing.energy_mj > 0.0 for timing in profile.points.values()):
        console.print("energy not measured: this machine shows no power", style="dim", highlight=False)


def _cell(profile: Profile, name: str, placement: str) -> str:
    timing = profile.points.get((name, placement))
    if timing is None:
        return "-"
    energy = f"\n{timing.energy_mj:.1f} mJ" if timing.energy_mj > 0.0 else ""
    return f"{timing.latency_ms:.2f}{energy}"
