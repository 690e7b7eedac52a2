"""A real co-runner: this module, run as a program, multiplies matrices on one core until ended."""

from __future__ import annotations

import os
import signal
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402 - reads the number of threads when it is imported

SIDE = 384  # three matrices of 0.6 MB: beyond the first caches, as a planner or a mapper would be


def main() -> int:
    """Work until SIGTERM, SIGINT, or the end of the starting process, whose id is the only argument."""
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    rng = np.random.default_rng(0)
    left, right = rng.random((SIDE, SIDE), np.float32), rng.random((SIDE, SIDE), np.float32)
    while os.getppid() == parent:
        left = np.matmul(left, right)
        left /= left.max()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
