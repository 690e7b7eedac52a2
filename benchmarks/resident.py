"""Starts processes that make the published family resident, and times and weighs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dynofa_ros.engine.backends import available_placements
from dynofa_ros.engine.placement import Placement
from published_family import published_family

CHILD = Path(__file__).with_name("resident_child.py")
TIMEOUT_S = 300.0
BYTES_PER_WEIGHT = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}


def start_resident(placement: Placement, cache_folder: Path | None) -> dict[str, Any]:
    """What the child reports, with the times from its start [s]: `imported_s`, `warmed_s`.

    Raises:
        RuntimeError: the child failed; the message is the end of what it printed.
    """
    command = [
        sys.executable,
        str(CHILD),
        str(placement),
        *([str(cache_folder)] if cache_folder else []),
    ]
    start_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError(f"{placement}: {done.stderr.strip()[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name in ("imported_s", "warmed_s"):
        report[name] -= start_s
    return report


def cpu_placements(threads: int, backends: tuple[str, ...]) -> list[Placement]:
    """Placements on the CPU by these back ends."""
    available, _ = available_placements(threads)
    return [p for p in available if p.element == "cpu" and p.backend in backends]


def n_weights() -> int:
    """Weights and biases of all published sub-networks together, as static networks."""
    family = published_family()
    return sum(family.network(name).parameters() for name in family.names)
