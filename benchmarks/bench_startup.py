"""Start-up: from the start of the process until all six sub-networks at width 1.2 are warmed, and until the
perception node is active; without and with cached artefacts and profile.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import trange

from core_under_test import fp32_placement
from dynofa_ros.engine.placement import Placement, usable_cores
from harness import Part, Results, Target, at_most, summary
from process_memory import process_memory
from published_family import PUBLISHED
from resident import start_resident

CACHED_ACTIVE_S = 3.0
ACTIVE = "activate: done, active"
FAILED = "failed:"
TIMEOUT_S = 120.0


def start_node(placement: Placement, cache_home: Path) -> Results:
    """Time from the start of the perception node's process until it is active [s], and its memory then.

    Raises:
        RuntimeError: it did not become active; the message is the end of its log.
    """
    settings = {
        "family": PUBLISHED,
        "random_weights": "true",
        "placements": str(placement),
        "threads": str(placement.threads),
        "memory_budget_mb": "4000.0",
    }
    arguments = [text for name, value in settings.items() for text in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "dynofa_ros.nodes.perception_node", "--ros-args", *arguments]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache_home),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
    }
    start_s = time.monotonic()
    node = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        return {"active_s": _wait_for_active(node) - start_s, "memory": process_memory(node.pid)}
    finally:
        node.send_signal(signal.SIGINT)
        try:
            node.communicate(timeout=10.0)
        except subprocess.TimeoutExpired:
            node.kill()
            node.communicate()


def _wait_for_active(node: subprocess.Popen[str]) -> float:
    """When the node said that it is active, on the steady clock [s]."""
    log: list[str] = []
    end_s = time.monotonic() + TIMEOUT_S
    assert node.stdout is not None
    for line in node.stdout:
        log.append(line)
        if ACTIVE in line:
            return time.monotonic()
        if FAILED in line or time.monotonic() > end_s:
            break
    raise RuntimeError("the perception node did not become active:\n" + "".join(log)[-1000:])


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """Cold starts each with an empty cache, warm ones with what the first left."""
    placement = fp32_placement(options.threads)
    cold, warm = (1, 2) if options.quick else (2, options.starts)
    banks: dict[str, list[float]] = {"uncached": [], "cached": []}
    nodes: dict[str, list[float]] = {"uncached": [], "cached": []}
    imported_s = []
    for _ in trange(cold, desc="cold starts"):
        folder = tempfile.TemporaryDirectory()
        home = Path(folder.name)
        banks["uncached"].append(start_resident(placement, home / "bank")["warmed_s"])
        nodes["uncached"].append(start_node(placement, home)["active_s"])
    for _ in trange(warm, desc="cached starts"):
        bank = start_resident(placement, home / "bank")
        banks["cached"].append(bank["warmed_s"])
        imported_s.append(bank["imported_s"])
        node = start_node(placement, home)
        nodes["cached"].append(node["active_s"])
    results = {
        "placement": str(placement),
        "bank_warmed": {name: summary(values, "s") for name, values in banks.items()},
        "imports_median_s": float(np.median(imported_s)),
        "node_active": {name: summary(values, "s") for name, values in nodes.items()},
        "node_memory": node["memory"],
    }
    worst = results["node_active"]["cached"]["max_s"]
    return results, [at_most("cached start of the node to active, slowest", worst, CACHED_ACTIVE_S, "s")]


part = Part("startup", __doc__, measure)
part.parser.add_argument("--threads", type=int, default=min(2, len(usable_cores())))
part.parser.add_argument("--starts", type=int, default=7, help="cached starts")

if __name__ == "__main__":
    sys.exit(part.main())
