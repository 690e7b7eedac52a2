"""The latency model on this machine: real inference under emulated clocks, every other clock held out.

The networks of `digits` run on cpu/openvino/fp32/1 at seven clocks of the simulated Orin Nano Super. The
law k / f + b is fitted to four of them and predicts the other three.
"""

from __future__ import annotations

import argparse
import sys
from statistics import fmean

from dynofa_ros.board.select import open_board
from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.emulation import DEFAULT_CLOCKED_FRACTION
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.profile_sweep import ClockSweep
from dynofa_ros.engine.profiler import ProfilerOptions, profile_points
from dynofa_ros.engine.profiler_clocks import SweptClocks
from dynofa_ros.engine.profiler_sweep import TURNS, SweepOptions, with_sweep
from dynofa_ros.manager.models.latency_model import fit_latency
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family
from harness import Part, Results, Target, at_most

FAMILY, PLACEMENT, BOARD = "digits", "cpu/openvino/fp32/1", "simulated:jetson_orin_nano_super"
LEVELS = 7
HELD_OUT_PERCENT = 5.0


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """Sweep, fit and predict."""
    bank = SubnetBank.load(load_family(family_path(FAMILY)), [Placement.parse(PLACEMENT)])
    profile = profile_points(bank, bank.keys, ProfilerOptions(rounds=5))
    with SweptClocks(open_board(BOARD), print, levels=LEVELS) as clocks:
        budget = SweepOptions(options.seconds, turns=5 if options.quick else TURNS)
        profile = with_sweep(profile, bank, clocks, budget, print)
    networks = {
        name: predicted(timing.sweep)
        for (name, _), timing in profile.points.items()
        if timing.sweep is not None
    }
    for name, found in networks.items():
        text = ", ".join(f"{mhz} MHz {error:+.1f} %" for mhz, error in found["held_out_percent"].items())
        print(f"{name}: clocked share {found['clocked_share']:.2f}; held out: {text}")
    errors = [abs(error) for found in networks.values() for error in found["held_out_percent"].values()]
    results = {"emulated_share": DEFAULT_CLOCKED_FRACTION, "worst_percent": max(errors), "networks": networks}
    return results, [at_most("held-out clocks, mean error", fmean(errors), HELD_OUT_PERCENT, "%")]


def predicted(sweep: ClockSweep) -> Results:
    """Errors [%] at every second clock of the law fitted to the others."""
    fit = fit_latency((time.clock_mhz, time.latency_ms) for time in sweep.times[::2])
    errors = {
        f"{t.clock_mhz:g}": 100.0 * (fit.time_ms(t.clock_mhz) / t.latency_ms - 1.0) for t in sweep.times[1::2]
    }
    return {
        "k_ms_ghz": fit.k_ms_ghz,
        "b_ms": fit.fixed_ms,
        "residual_percent": 100.0 * fit.rms,
        "clocked_share": fit.clocked_fraction(sweep.highest.clock_mhz),
        "held_out_percent": errors,
    }


part = Part("clocks", __doc__, measure)
part.parser.add_argument("--seconds", type=float, default=45.0, help="for the sweep (default 45)")

if __name__ == "__main__":
    sys.exit(part.main())
