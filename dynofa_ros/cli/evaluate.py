"""`dynofa evaluate`: engine and manager over a recorded camera topic, in lock step and without ROS."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynofa_ros.manager.qos import QosTarget

OBJECTIVES = ("max_accuracy", "min_energy")


def add_parser(subparsers: Any) -> None:
    """Add the sub-command's arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="replay a recorded camera topic",
        description=(
            "Runs the engine and the manager over a camera topic of a rosbag2 bag (MCAP or sqlite3; Image or "
            "CompressedImage), in lock step with the bag's time and without ROS. Labels come from topics of "
            "type GroundTruth, targets from recorded QosTarget messages unless given here. Writes "
            "evaluation.json and evaluation.html: accuracy, latency percentiles, deadline misses, switches."
        ),
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="bag folder, .mcap or .db3 file")
    parser.add_argument("--topic", help="camera topic; needed where the bag has several")
    parser.add_argument("--labels", help="GroundTruth topic (default: any that labels this camera's frames)")
    parser.add_argument("--family", default="digits", help="family: a name or a path (default: %(default)s)")
    _add_target(parser)
    parser.add_argument(
        "--board",
        default="none",
        help="none, or simulated:NAME for emulated clocks, power and heat (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=_positive, default=1, help="inference threads (default: %(default)s)"
    )
    parser.add_argument(
        "--placements",
        default="auto",
        help="auto, or placements element/backend/precision/threads with wildcards (default: %(default)s)",
    )
    parser.add_argument(
        "--max-frames", type=_positive, default=None, help="stop after so many (default: all)"
    )
    parser.add_argument("--random-weights", action="store_true", help="untrained weights: timing only")
    parser.add_argument(
        "--out", type=Path, default=Path("out/evaluate"), help="output folder (default: %(default)s)"
    )


def _add_target(parser: argparse.ArgumentParser) -> None:
    """Add the fields of a latency target."""
    parser.add_argument("--target-ms", type=float, help="latency target [ms] (default: those in the bag)")
    parser.add_argument(
        "--percentile", type=float, default=0.95, help="share of frames to meet it [1] (default: %(default)s)"
    )
    parser.add_argument(
        "--min-accuracy", type=float, default=math.nan, help="accuracy floor [1] (default: none)"
    )
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default="max_accuracy",
        help="what to optimise (default: %(default)s)",
    )


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return value


def _target(args: argparse.Namespace) -> QosTarget | None:
    from dynofa_ros.manager.qos import QosTarget

    if args.target_ms is None:
        return None
    return QosTarget(
        application="camera",
        latency_ms=args.target_ms,
        percentile=args.percentile,
        min_accuracy=args.min_accuracy,
        objective=OBJECTIVES.index(args.objective),
    ).validated()


def run(args: argparse.Namespace) -> int:
    """Replay, write the files and print the figures that matter most."""
    from dynofa_ros.simulation import metrics
    from dynofa_ros.simulation.evaluate import EvaluateOptions, evaluate

    options = EvaluateOptions(
        bag=args.bag.expanduser(),
        out=args.out.expanduser(),
        family=args.family,
        topic=args.topic,
        labels_topic=args.labels,
        target=_target(args),
        board=args.board,
        threads=args.threads,
        placements=args.placements,
        random_weights=args.random_weights,
        max_frames=args.max_frames or 0,
    )
    result = evaluate(options)
    latency = metrics.latency_percentiles(result.frames)
    accuracy = metrics.accuracy(result.frames)
    correct = "no labels" if accuracy is None else f"{100 * accuracy:.1f} % correct"
    missed = sum(not frame.on_time for frame in result.frames)
    print(
        f"{len(result.frames)} frames, {correct}, p95 {latency['p95'] or math.nan:.2f} ms, {missed} misses, "
        f"{metrics.switches(result.frames)} switches\nreport: {options.out / 'evaluation.html'}"
    )
    return 0
