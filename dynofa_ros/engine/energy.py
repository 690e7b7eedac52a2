"""Energy per inference above idle, where the board shows its power.

    energy = (mean power while inferring back to back - mean power idle) * mean time of one inference

Power rails average over up to half a second, so each point runs for SETTLE_S before it is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.profile import Profile
from dynofa_ros.engine.profiler import Progress, ignore_progress
from dynofa_ros.manager.operating_point import PointKey

SETTLE_S = 0.6
READ_S = 0.6
READ_EVERY_S = 0.05

PowerMeter = Callable[[], float]
"""Power of the board now [W]; NaN where it is not shown."""


def with_energy(
    profile: Profile, bank: SubnetBank, meter: PowerMeter, progress: Progress = ignore_progress
) -> Profile:
    """`profile` with the energy of every point that is resident in `bank`; unchanged without a reading."""
    idle_w = _mean_power_w(meter, lambda: time.sleep(READ_EVERY_S))[0]
    if math.isnan(idle_w):
        return profile
    points = dict(profile.points)
    keys: Sequence[PointKey] = [key for key in bank.keys if key in points]
    for done, key in enumerate(keys, start=1):
        network = bank.network(key)
        active_w, inference_s = _mean_power_w(meter, network.infer_input)
        energy_mj = max(0.0, active_w - idle_w) * inference_s * 1e3
        points[key] = replace(points[key], energy_mj=energy_mj if energy_mj > 0.0 else math.nan)
        progress(done, len(keys))
    return replace(profile, points=points)


def _mean_power_w(meter: PowerMeter, work: Callable[[], object]) -> tuple[float, float]:
    """Mean power while `work` repeats [W], NaN where it is not shown, and the mean time of `work` [s]."""
    if math.isnan(meter()):
        return math.nan, math.nan
    start_s = last_read_s = time.perf_counter()
    readings: list[float] = []
    count = 0
    while (now_s := time.perf_counter()) - start_s < SETTLE_S + READ_S:
        work()
        count += 1
        if now_s - start_s >= SETTLE_S and now_s - last_read_s >= READ_EVERY_S:
            readings.append(meter())
            last_read_s = now_s
    return float(np.mean(readings)), (time.perf_counter() - start_s) / count
