"""Whether other programs took the processor away from this one."""

from __future__ import annotations

import resource


def preemptions() -> int:
    """How often the kernel has taken a core away from this process (involuntary context switches)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
