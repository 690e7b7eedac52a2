"""The page of simulated results: every policy in every shipped scenario, over seeds never tuned on.

make bench-manager                    # docs/results_simulated.md with its plots, out/manager/results.json
make bench-manager BENCH_ARGS=--quick # a few scenarios and tuning seeds, into out/manager

Finished runs are kept in out/manager/runs and are repeated only where code, board or scenario changed. The
exit status is 1 where a requirement is missed that is more than an aim.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from dynofa_ros.simulation.compare.checks import checks
from dynofa_ros.simulation.compare.figures import groups_of
from dynofa_ros.simulation.compare.report import write_report
from dynofa_ros.simulation.compare.runs import run_suite
from dynofa_ros.simulation.compare.suite import load_suite, suite_path

FOLDER = Path("out/manager")
PAGE = "results_simulated.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, write the page; 1 where a requirement is missed that is more than an aim."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few scenarios, tuning seeds, not for figures")
    parser.add_argument(
        "--out", type=Path, help="folder of page and plots (default: docs; out/manager if quick)"
    )
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    args = parser.parse_args(arguments)
    suite = load_suite(suite_path("quick" if args.quick else "manager"))
    with tqdm(total=suite.runs, unit="run", desc=suite.name) as bar:

        def done(count: int) -> None:
            bar.update(count)

        runs = run_suite(suite, FOLDER / "runs", args.workers, done)
    folder = args.out or (FOLDER if args.quick else Path("docs"))
    page = write_report(suite.name, runs, folder, PAGE, FOLDER / "results.json")
    missed = [check for check in checks(groups_of(runs)) if check.met is False]
    for check in missed:
        print(f"missed: {check.requirement}: {check.value}")
    musts = sum(not check.aim for check in missed)
    print(f"{page}: {len(runs)} runs; {musts} requirements and {len(missed) - musts} aims missed")
    return 1 if musts else 0


if __name__ == "__main__":
    sys.exit(main())
