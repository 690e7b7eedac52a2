"""What others took from a measurement: waiting for a core, and time that the hypervisor gave away."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")
STAT = Path("/proc/stat")
ASSUMED_WAIT_S = 1e-3
"""Wait per preemption where the kernel does not tell: one to four scheduling ticks are usual."""


def waited_s(tasks: Path = TASKS) -> float:
    """How long this process's threads have been ready without getting a core [s].

    Linux counts it in /proc/PID/task/TID/schedstat, second field [ns]; elsewhere it is estimated from the
    number of preemptions (involuntary context switches).
    """
    waits_ns = []
    for task in tasks.iterdir():
        with suppress(OSError, IndexError, ValueError):
            waits_ns.append(int((task / "schedstat").read_bytes().split()[1]))
    return sum(waits_ns) * 1e-9 if waits_ns else preemptions() * ASSUMED_WAIT_S


def preemptions() -> int:
    """How often the kernel has taken a core away from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def stolen_s(stat: Path = STAT) -> float:
    """Time for which the hypervisor gave the cores to others since start-up [s], over all cores."""
    with suppress(OSError, IndexError, ValueError):
        fields = stat.read_text(encoding="utf-8").splitlines()[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    return 0.0
