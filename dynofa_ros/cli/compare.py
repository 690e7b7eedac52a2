"""`dynofa compare`: all policies of a suite over its scenarios and seeds, on all cores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """Plays every policy of a suite in every scenario with every seed, on all cores, and writes a
page with tables and plots, and all figures as JSON. Runs that finished earlier and that nothing has changed
for are not repeated. Every figure is simulated."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command's arguments."""
    parser = subparsers.add_parser("compare", help="compare policies over a suite", description=DESCRIPTION)
    parser.add_argument("suite", metavar="SUITE", help="suite file, or the name of a shipped suite")
    parser.add_argument("--out", type=Path, help="output folder (default: out/compare/NAME)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("out/compare/runs"),
        help="where finished runs are kept (default: %(default)s)",
    )
    parser.add_argument("--workers", type=_positive, help="processes (default: one per core)")


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return value


def _count(bar: Any, count: int) -> None:
    bar.update(count)


def run(args: argparse.Namespace) -> int:
    """Run, write and print what has to be reached.

    Raises:
        DynofaError: the suite or a scenario cannot be used, or results that cannot be written.

    """
    from tqdm import tqdm

    from dynofa_ros.simulation.compare.checks import checks
    from dynofa_ros.simulation.compare.figures import groups_of
    from dynofa_ros.simulation.compare.report import write_report
    from dynofa_ros.simulation.compare.runs import run_suite
    from dynofa_ros.simulation.compare.suite import load_suite, suite_path

    suite = load_suite(suite_path(args.suite))
    with tqdm(total=suite.runs, unit="run", desc=suite.name) as bar:
        runs = run_suite(suite, args.cache.expanduser(), args.workers, done=lambda count: _count(bar, count))
    folder = (args.out or Path("out/compare") / suite.name).expanduser()
    page = write_report(suite.name, runs, folder)
    verdicts = {True: "met", False: "missed", None: "no runs"}
    for check in checks(groups_of(runs)):
        print(f"{verdicts[check.met]:8} {check.requirement}: {check.value}")
    print(f"report: {page}")
    return 0
