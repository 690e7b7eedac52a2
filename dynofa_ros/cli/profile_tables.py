"""The tables that `dynofa profile` prints."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from dynofa_ros.engine.profile import Profile
from dynofa_ros.supernet.family import Family


def show_latencies(family: Family, profile: Profile, console: Console) -> None:
    """Medians [ms], one row per placement and one column per sub-network, by rising multiply-adds."""
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


def show_laws(profile: Profile, console: Console) -> None:
    """By point what of its time scales with the clock, and how well the law fits; nothing without a sweep."""
    swept = {key: timing.sweep for key, timing in profile.points.items() if timing.sweep is not None}
    if not swept:
        return
    first = next(iter(swept.values()))
    kind = "emulated clocks" if first.emulated else "clocks"
    table = Table(
        "sub-network", "placement", "memory MHz", title=f"max(k / f + b, m) over {kind} of {first.board}"
    )
    for name in ("k ms GHz", "b ms", "m ms", "residual %", "clocks MHz"):
        table.add_column(name, justify="right")
    for (subnet, placement), sweep in swept.items():
        clocks = ", ".join(f"{mhz:g}" for mhz in sorted({time.clock_mhz for time in sweep.times}))
        for memory_mhz, fit in sweep.fits().items():
            memory = "-" if math.isnan(memory_mhz) else f"{memory_mhz:g}"
            law = (
                f"{fit.k_ms_ghz:.3f}",
                f"{fit.fixed_ms:.3f}",
                f"{fit.floor_ms:.3f}" if fit.floor_ms else "-",
            )
            table.add_row(subnet, placement, memory, *law, f"{100.0 * fit.rms:.1f}", clocks)
    console.print(table)


def _cell(profile: Profile, name: str, placement: str) -> str:
    timing = profile.points.get((name, placement))
    if timing is None:
        return "-"
    energy = f"\n{timing.energy_mj:.1f} mJ" if timing.energy_mj > 0.0 else ""
    return f"{timing.latency_ms:.2f}{energy}"
