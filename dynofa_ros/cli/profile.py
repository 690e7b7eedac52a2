"""`dynofa profile`: measure every sub-network of a family on every placement of this machine."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from dynofa_ros.board.interface import Board
    from dynofa_ros.engine.placement import Placement
    from dynofa_ros.engine.profile import Profile
    from dynofa_ros.engine.profiler_clocks import SweptClocks
    from dynofa_ros.supernet.family import Family

LOG_COLUMNS = 160

DESCRIPTION = """Measure the latency of every sub-network of FAMILY on every placement of this machine
(back end, element, precision, CPU threads), in interleaved rounds, and keep the profile for the
perception node. Close other programs first: it is to show the idle machine. With --board also at
other clocks, for the law max(k / f + b, m) of each point."""


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
        "--board",
        metavar="BOARD",
        help="sweep over the clocks of this board too, for as long again: auto, linux, or simulated:NAME for "
        "emulated clocks, then with --out (default: clocks are left as they are)",
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

    from dynofa_ros.cli.profile_tables import show_latencies, show_laws
    from dynofa_ros.engine.placement import use_cores
    from dynofa_ros.engine.profile_store import disturbance
    from dynofa_ros.paths import family_path
    from dynofa_ros.supernet.family import load_family

    console = Console() if sys.stdout.isatty() else Console(width=LOG_COLUMNS)
    board = _board(args)
    use_cores(args.cores)
    family = load_family(family_path(args.family))
    if args.random_weights:
        family = family.with_random_weights()
    with _clocks(board, console) as clocks:
        placements = _placements(args, family, console)
        profile = _measure(family, placements, args, console, board, clocks)
    path = _save(profile, args.out)
    show_latencies(family, profile, console)
    show_laws(profile, console)
    if profile.disturbed:
        console.print(disturbance(profile), style="yellow", markup=False, highlight=False)
    console.print(f"written to {path}", markup=False, highlight=False)
    return 0


def _board(args: argparse.Namespace) -> Board | None:
    """The board whose clocks are swept; None: none are.

    Raises:
        DynofaError: no such board, or a profile of emulated clocks would be kept for this machine.
    """
    from dynofa_ros.board.select import open_board
    from dynofa_ros.errors import DynofaError

    if args.board is None:
        return None
    board = open_board(args.board)
    if board.simulated and args.out is None:
        raise DynofaError(
            f"--board {args.board}: emulated clocks are not this machine's, so that profile is not kept for "
            "it: give --out FILE"
        )
    return board


@contextmanager
def _clocks(board: Board | None, console: Console) -> Iterator[SweptClocks | None]:
    """The clocks to sweep over, put back at the end, on SIGINT and on SIGTERM too.

    Raises:
        DynofaError: see `SweptClocks`.
    """
    from dynofa_ros.engine.profiler_clocks import SweptClocks

    if board is None:
        yield None
        return

    def terminate(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with SweptClocks(board, console.log) as clocks:
            yield clocks
    finally:
        signal.signal(signal.SIGTERM, before)


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
    family: Family,
    placements: list[Placement],
    args: argparse.Namespace,
    console: Console,
    board: Board | None,
    clocks: SweptClocks | None,
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
            meter=_power_meter(board),
            clocks=clocks,
        )
        return survey(family, placements, options, log=bar.console.log, progress=progress)


def _power_meter(board: Board | None) -> Callable[[], float]:
    """Power of this machine's board now [W] as a function; NaN where it shows none or is simulated."""
    import time

    from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard

    meter = board or LinuxSysfsBoard()
    return lambda: math.nan if meter.simulated else meter.read(time.monotonic()).power_w


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
