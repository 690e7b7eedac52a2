"""`dynofa profile`: measure every sub-network of a family on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from dynofa_ros.engine.bank import SubnetBank
    from dynofa_ros.engine.profile import Profile

DESCRIPTION = """Measure the latency of every sub-network of FAMILY on this machine, in interleaved rounds,
and keep the profile for the perception node. Close other programs first: it is to show the idle machine."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the sub-command."""
    parser = subparsers.add_parser("profile", help="measure latencies here", description=DESCRIPTION)
    parser.add_argument("family", help="name of a shipped family, or path of a family file")
    parser.add_argument("--random-weights", action="store_true", help="untrained weights, no accuracy")
    parser.add_argument(
        "--threads", type=_positive, help="CPU threads (default: as the node, half the cores)"
    )
    parser.add_argument("--rounds", type=_positive, default=200, help="inferences that count (default: 200)")
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "bf16"), help="number format (default: fp32)"
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


def run(args: argparse.Namespace) -> int:
    """Measure, save and show; returns the exit status.

    Raises:
        DynofaError: the family cannot be used here, or the profile not written.
    """
    from rich.console import Console

    from dynofa_ros.engine.profile_store import disturbance

    console = Console()
    bank = _load_bank(args, console)
    profile = _measure(bank, args.rounds, console)
    path = _save(profile, args.out)
    _show(bank, profile, console)
    if profile.disturbed:
        console.print(disturbance(profile), style="yellow", markup=False, highlight=False)
    console.print(f"written to {path}", markup=False, highlight=False)
    return 0


def _load_bank(args: argparse.Namespace, console: Console) -> SubnetBank:
    """All sub-networks of the family, compiled."""
    from dynofa_ros.engine.bank import SubnetBank, default_threads
    from dynofa_ros.engine.openvino_backend import OpenVinoBackend
    from dynofa_ros.paths import family_path
    from dynofa_ros.supernet.family import load_family

    family = load_family(family_path(args.family))
    if args.random_weights:
        family = family.with_random_weights()
    with console.status(f"compiling {len(family.members)} sub-networks of {family.name}"):
        threads = args.threads or default_threads()
        return SubnetBank.load(family, OpenVinoBackend(args.precision), threads, log=console.log)


def _measure(bank: SubnetBank, rounds: int, console: Console) -> Profile:
    """Profile with a progress bar."""
    from rich.progress import Progress

    from dynofa_ros.engine.profiler import profile_bank

    with Progress(console=console) as bar:
        task = bar.add_task("measuring", total=rounds)
        return profile_bank(
            bank,
            rounds,
            budget_s=float("inf"),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _save(profile: Profile, out: Path | None) -> Path:
    """Write the profile. DynofaError where that is not possible, or there is no default place."""
    from dynofa_ros.engine.profile_store import default_path
    from dynofa_ros.errors import DynofaError

    path = out or default_path(profile.fingerprint)
    if path is None:
        raise DynofaError("no cache directory: neither XDG_CACHE_HOME nor a home directory; give --out FILE")
    try:
        profile.save(path)
    except OSError as error:
        raise DynofaError(f"{path}: profile cannot be written: {error}") from error
    return path


def _show(bank: SubnetBank, profile: Profile, console: Console) -> None:
    """The profile as a table, by rising multiply-adds."""
    from rich.table import Table

    table = Table("sub-network", title=f"{bank.family.name} on {profile.fingerprint}")
    for column in ("px", "M multiply-adds", "median ms", "p95 ms", "GMAC/s", "accuracy"):
        table.add_column(column, justify="right")
    for member in bank.family.members:
        timing = profile.subnets.get(member.spec.name)
        if timing is None:
            table.add_row(member.spec.name, str(member.spec.resolution), "", "quarantined")
            continue
        table.add_row(
            member.spec.name,
            str(member.spec.resolution),
            f"{member.macs / 1e6:.1f}",
            f"{timing.latency_ms:.2f}",
            f"{timing.latency_p95_ms:.2f}",
            f"{member.macs / timing.latency_ms / 1e6:.0f}",
            "-" if member.accuracy is None else f"{member.accuracy.value:.2%} {member.accuracy.source}",
        )
    console.print(table)
