"""End to end over DDS: a camera process, the perception node in its own, results received in a third.

640x480 and 1080p, bgr8, 30 Hz, sensor QoS (best effort), with the shipped Fast DDS profile; time from the
camera's stamp until the result is received elsewhere, less the inference itself. Beside it, an unrelated
50 Hz timer on the perception node's executor, and the same cameras with DDS as it comes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace

import numpy as np

from harness import Part, Results, Target, at_most, summary
from timed_perception import TIMER_PERIOD_S
from transport_trial import STAGES, FloatArray, Outcome, Setting, run_trial

SIZES = {"640x480": (640, 480), "1080p": (1920, 1080)}
SECONDS, QUICK_SECONDS, DEFAULT_DDS_SECONDS = 20.0, 4.0, 5.0
LIMITS_MS = {"640x480": {"median_ms": 4.0, "p99_ms": 10.0}, "1080p": {"median_ms": 15.0}}
JITTER_P95_LIMIT_MS = 2.0


def _jitter_ms(outcome: Outcome) -> FloatArray:
    """How far each interval between two ticks is from the timer's period [ms]."""
    return np.asarray(np.abs(outcome.intervals_ms - TIMER_PERIOD_S * 1e3), np.float64)


def _optional_summary(values: FloatArray) -> dict[str, float] | None:
    return summary(values) if values.size else None


def describe(setting: Setting, outcome: Outcome) -> Results:
    """The figures of one run."""
    column = dict(zip(("received_after_ms", *STAGES), outcome.rows.T, strict=True))
    inference_ms = column["inference_ms"]
    return {
        "setting": asdict(setting),
        "frames_sent": outcome.sent,
        "frames_late_at_camera": outcome.late,
        "frames_received": outcome.received,
        "results": len(outcome.rows),
        "lost": outcome.sent - len(outcome.rows),
        "drops": outcome.drops,
        "subnet": outcome.subnet,
        "minus_inference": _optional_summary(column["received_after_ms"] - inference_ms),
        "minus_inference_in_node": _optional_summary(column["latency_ms"] - inference_ms),
        "publish_to_receipt_of_result": _optional_summary(column["received_after_ms"] - column["latency_ms"]),
        "stages": {stage: _optional_summary(column[stage]) for stage in STAGES},
        "timer_jitter": _optional_summary(_jitter_ms(outcome)),
        "processor_share": outcome.busy,
    }


def targets_of(name: str, result: Results) -> list[Target]:
    """Time, losses and, at 640x480, the timer."""
    measured = result["minus_inference"] or {}
    targets = [
        at_most(
            f"{name} end to end minus inference, {key.removesuffix('_ms')}", measured.get(key), limit, "ms"
        )
        for key, limit in LIMITS_MS[name].items()
    ]
    targets.append(at_most(f"{name} frames lost of {result['frames_sent']}", result["lost"], 0))
    if name == "640x480":
        jitter = (result["timer_jitter"] or {}).get("p95_ms")
        why = "" if jitter is not None else "the run is shorter than one run of the timer"
        targets.append(at_most(f"{name} 50 Hz timer, jitter p95", jitter, JITTER_P95_LIMIT_MS, "ms", why))
    return targets


def _line(name: str, result: Results) -> str:
    times, jitter = result["minus_inference"], result["timer_jitter"]
    shown = f"p50 {times['median_ms']:.2f} p99 {times['p99_ms']:.2f} ms" if times else "no result"
    shown += f", timer jitter p95 {jitter['p95_ms']:.2f} ms" if jitter else ""
    return f"{name}: {result['results']} of {result['frames_sent']} frames, {shown}"


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """Run both sizes with the profile, then without it."""
    seconds = QUICK_SECONDS if options.quick else 60.0 * options.minutes or SECONDS
    results: Results = {}
    targets: list[Target] = []
    for name, (width, height) in SIZES.items():
        setting = Setting(width, height, seconds, executor=options.executor)
        results[name] = describe(setting, run_trial(setting))
        print(_line(name, results[name]), flush=True)
        targets += targets_of(name, results[name])
    for name, (width, height) in SIZES.items():
        setting = Setting(width, height, min(seconds, DEFAULT_DDS_SECONDS), profile=False)
        for reliability in ("best_effort", "reliable"):
            key = f"{name} {reliability}, DDS as it comes"
            setting = replace(setting, reliability=reliability)
            results[key] = describe(setting, run_trial(setting))
            print(_line(key, results[key]), flush=True)
    return results, targets


part = Part("transport", __doc__, measure)
part.parser.add_argument(
    "--minutes", type=float, default=0.0, help=f"minutes per image size (default {SECONDS:.0f} s)"
)
part.parser.add_argument(
    "--executor", default="single", choices=("single", "events"), help="the perception node's executor"
)

if __name__ == "__main__":
    sys.exit(part.main())
