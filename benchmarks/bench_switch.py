"""Switching: from a decision to its being in force, the first inference after it, 100,000 random switches.

The perception core as the node runs it, frames in lock step. Against `ofa`: `set_active_subnet`, and
extraction by `get_active_subnet`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from dynofa_ros.msg import SubnetDecision as DecisionMessage
from rclpy.serialization import deserialize_message, serialize_message
from tqdm import tqdm

from core_under_test import Core, noise_frame
from disturbance import waited_s
from dynofa_ros.engine.placement import usable_cores
from dynofa_ros.engine.profiler import PAUSE_S
from dynofa_ros.engine.results import FrameResult, top_scores
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.nodes.conversions import build, fill
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family
from harness import Part, Results, Target, at_most, interleave, summary
from rounds import TOLERATED_WAIT

READY_P99_US = 50.0
FIRST_OVER_STEADY_P95 = 1.25
SCORE_TOLERANCE = 1e-5
FRAMES_PER_VISIT = 4
PACES_S = {"at a camera's pace": PAUSE_S, "back to back": 0.0}
HISTOGRAM_US = np.geomspace(1.0, 1000.0, 61)
N_FRAMES = 8
CONTROL_US = 10.0


def ready_times(core: Core, n_switches: int) -> Results:
    """Time from a decision until it is in force, and until the next frame's plan names its sub-network [us].

    Decisions arrive as the node gets them: as ROS messages with all alternatives, at a camera's pace. Once
    `on_decision` returns nothing is left to be done for the switch; the plan is made for every frame.
    """
    rng = np.random.default_rng(1)
    ready_us, planned_us = [], []
    for subnet in tqdm(core.random_walk(rng, n_switches), total=n_switches, desc="decision to ready"):
        message = serialize_message(fill(DecisionMessage(), core.decision(subnet, alternatives=True)))
        time.sleep(PAUSE_S)
        decision = build(SubnetDecision, deserialize_message(message, DecisionMessage))
        start = time.perf_counter_ns()
        core.core.on_decision(decision, time.monotonic())
        ready = time.perf_counter_ns()
        plan = core.core._plan(time.monotonic())
        ready_us.append((ready - start) * 1e-3)
        planned_us.append((time.perf_counter_ns() - start) * 1e-3)
        if plan.point.subnet != subnet:
            raise RuntimeError(f"decided {subnet}, planned {plan.point.subnet}")
        core.process()
    counts, edges = np.histogram(np.clip(ready_us, HISTOGRAM_US[0], HISTOGRAM_US[-1]), HISTOGRAM_US)
    return {
        **summary(ready_us, "us"),
        "with_next_plan": summary(planned_us, "us"),
        "busy_wait_control": summary(busy_waits(core, n_switches // 4), "us"),
        "histogram": {"counts": counts, "edges_us": edges},
    }


def busy_waits(core: Core, n: int) -> list[float]:
    """What a loop of CONTROL_US takes in the same place [us]: the machine's own share in the tail."""
    times_us = []
    for _ in range(n):
        time.sleep(PAUSE_S)
        start = time.perf_counter_ns()
        while time.perf_counter_ns() - start < CONTROL_US * 1e3:
            pass
        times_us.append((time.perf_counter_ns() - start) * 1e-3)
        core.process()
    return times_us


def first_inferences(core: Core, n_switches: int, pause_s: float) -> Results:
    """First inference after a switch over the median of the later ones of that sub-network, in one run.

    `pause_s` of rest before each frame; 0: back to back, which no camera is. Frames that waited for a core
    are left out and counted.
    """
    rng = np.random.default_rng(2)
    first: dict[str, list[float]] = defaultdict(list)
    steady: dict[str, list[float]] = defaultdict(list)
    disturbed = 0
    title = f"first after a switch, {1e3 * pause_s:.0f} ms between frames"
    for subnet in tqdm(core.random_walk(rng, n_switches), total=n_switches, desc=title):
        core.core.on_decision(core.decision(subnet), time.monotonic())
        for index in range(FRAMES_PER_VISIT):
            before_s = waited_s()
            time_ms = core.process(pause_s).inference_ms
            if (waited_s() - before_s) * 1e3 > TOLERATED_WAIT * time_ms:
                disturbed += 1
            else:
                (steady if index else first)[subnet].append(time_ms)
    medians = {name: float(np.median(times)) for name, times in steady.items()}
    return {
        "first_over_steady": _over(medians, first),
        "later_over_steady": _over(medians, steady),
        "first_median_ms": {name: float(np.median(times)) for name, times in first.items()},
        "steady_median_ms": medians,
        "frames": n_switches * FRAMES_PER_VISIT,
        "disturbed_frames": disturbed,
    }


def _over(medians_ms: dict[str, float], times_ms: dict[str, list[float]]) -> dict[str, float]:
    """Summary of all times over the median of their sub-network."""
    known = [name for name in times_ms if name in medians_ms]
    return summary([time_ms / medians_ms[name] for name in known for time_ms in times_ms[name]], "ratio")


def many_switches(core: Core, own: Core, n_switches: int) -> Results:
    """A frame after each of many random decisions, each result compared with that of a network of its own.

    `own` holds the same sub-networks, compiled apart and never switched: each infers all frames in a row.
    """
    frames = [noise_frame(seed) for seed in range(N_FRAMES)]
    expected = {
        (name, index): top_scores(own.logits(name, frame), own.family.labels, core.top_k)
        for name in own.names
        for index, frame in enumerate(frames)
    }
    rng = np.random.default_rng(3)
    lost = wrong_subnet = wrong_result = identical = 0
    start_s = time.perf_counter()
    for subnet in tqdm(
        core.random_walk(rng, n_switches), total=n_switches, desc="random switches", unit="switch"
    ):
        index = int(rng.integers(N_FRAMES))
        core.core.on_decision(core.decision(subnet), time.monotonic())
        outcome = core.run(frames[index])
        if not isinstance(outcome, FrameResult):
            lost += 1
            continue
        scores = np.array([entry.score for entry in outcome.results])
        wanted = np.array([entry.score for entry in expected[subnet, index]])
        same_classes = [e.id for e in outcome.results] == [e.id for e in expected[subnet, index]]
        wrong_subnet += outcome.subnet != subnet
        identical += bool(same_classes and np.array_equal(scores, wanted))
        wrong_result += not (same_classes and np.allclose(scores, wanted, rtol=0.0, atol=SCORE_TOLERANCE))
    return {
        "switches": n_switches,
        "lost": lost,
        "wrong_subnet": wrong_subnet,
        "wrong_result": wrong_result,
        "identical_bit_by_bit": identical,
        "duration_s": time.perf_counter() - start_s,
    }


def ofa_switching(family_name: str, rounds: int, threads: int) -> Results:
    """Median and tails of `ofa`'s two ways to switch [ms]."""
    import torch

    from ofa_contenders import OfaSupernet

    torch.set_num_threads(threads)
    family = load_family(family_path(family_name)).with_random_weights()
    supernet = OfaSupernet(family)
    following = itertools.cycle(family.names)
    contenders: dict[str, Callable[[], object]] = {
        "set_active_subnet": lambda: supernet.activate(next(following)),
        "get_active_subnet": supernet.extract,
    }
    measured = interleave(contenders, rounds, batch=len(family.names), settle=0, title="ofa switching")
    return {name: summary(measured.samples(name)) for name in contenders}


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """The published family for times, digits for the many switches."""
    share = 0.02 if options.quick else 1.0
    large = Core("ofa_mbv3_w12", options.threads, random_weights=True)
    ready = ready_times(large, max(100, int(options.ready * share)))
    visits = max(30, int(options.first * share))
    first = {name: first_inferences(large, visits, pause_s) for name, pause_s in PACES_S.items()}
    placement = large.placement
    del large
    digits = Core("digits", options.threads)
    ready_digits = ready_times(digits, max(100, int(options.ready * share)))
    many = many_switches(digits, Core("digits", options.threads), int(options.switches * share))
    results = {
        "placement": str(placement),
        "decision_to_ready": {"ofa_mbv3_w12": ready, "digits": ready_digits},
        "first_inference": first,
        "many_switches": {"family": "digits", **many},
        "ofa": ofa_switching("ofa_mbv3_w12", 2 if options.quick else 10, options.threads),
    }
    worst = max(ready["p99_us"], ready_digits["p99_us"])
    not_equal = many["wrong_subnet"] + many["wrong_result"]
    targets = [
        at_most("decision to ready, p99 of the slower family", worst, READY_P99_US, "us"),
        at_most(
            "first inference after a switch over steady median, p95",
            first["at a camera's pace"]["first_over_steady"]["p95_ratio"],
            FIRST_OVER_STEADY_P95,
        ),
        at_most(f"of {many['switches']:,} random switches, frames lost", many["lost"], 0),
        at_most(f"of {many['switches']:,} random switches, results not the sub-network's own", not_equal, 0),
    ]
    return results, targets


part = Part("switch", __doc__, measure)
part.parser.add_argument("--threads", type=int, default=min(2, len(usable_cores())))
part.parser.add_argument("--switches", type=int, default=100_000, help="random switches on digits")
part.parser.add_argument("--ready", type=int, default=1_500, help="timed decisions per family")
part.parser.add_argument("--first", type=int, default=600, help="timed visits of a sub-network")

if __name__ == "__main__":
    sys.exit(part.main())
