"""`dynofa demo`: the demonstration, managed and unmanaged, with bag, summary and report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SHORTEST_S = 20.0


def add_parser(subparsers: Any) -> None:
    """Add the sub-command's arguments."""
    parser = subparsers.add_parser(
        "demo",
        help="play the demonstration",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description=(
            "Plays one scenario twice with real processes over DDS: managed, then unmanaged (largest "
            "sub-network, fixed maximum clocks). The target tightens and relaxes, a real co-runner loads the "
            "CPU cores, the simulated board's clock cap drops, a second camera joins. Needs ROS 2 (rclpy). "
            "Clocks, power and temperature are simulated and labelled so. Leaves report.html, summary.json, "
            "and a bag and logs for each run in the output folder. Exit code 1 if a frame is unaccounted for."
        ),
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=60.0,
        help="length of both runs together, half each [s], at least 20",
    )
    parser.add_argument(
        "--headless", action="store_true", help="print a line a second instead of a live screen"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="output folder; an old one is replaced"
    )
    parser.add_argument(
        "--family", default="digits", help="family of sub-networks: a name or a path to its YAML"
    )
    parser.add_argument("--scenario", default="demo", help="scenario: a name in config/scenarios or a path")
    parser.add_argument("--no-baseline", action="store_true", help="leave out the unmanaged run")
    parser.add_argument(
        "--random-weights",
        action="store_true",
        help="run without trained weights: timing is real, classes are not",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not SHORTEST_S <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds from {SHORTEST_S:g} to 3600")
    return value


def run(args: argparse.Namespace) -> int:
    """Play the demonstration; return 0, or 1 if a frame is unaccounted for."""
    from dynofa_ros.demo.play import DemoOptions, play_demo

    options = DemoOptions(
        seconds=args.seconds,
        headless=args.headless,
        out=args.out.expanduser().resolve(),
        family=args.family,
        scenario=args.scenario,
        baseline=not args.no_baseline,
        random_weights=args.random_weights,
    )
    return play_demo(options)
