"""Small planning problems for the oracle's tests."""

import math

import numpy as np

from dynofa_ros.simulation.oracle.problem import (
    Conditions,
    HeatModel,
    PlanActions,
    PlanElement,
    PlanFrame,
    PlanProblem,
)


def small_problem(seed, *, frames=6, points=4, clocks=4, period_s=0.02, target_s=0.018, wants_accuracy=None):
    """One application on one element, tight enough that frames wait, are dropped and miss."""
    rng = np.random.default_rng(seed)
    mhz = tuple(float(300 + 200 * i) for i in range(clocks))
    work = np.sort(rng.uniform(2.0, 9.0, points))
    fixed = rng.uniform(0.0005, 0.002, points)
    power = np.array([1.5 * (0.8 + 0.2 * f / mhz[-1]) ** 2 * f / mhz[-1] for f in mhz])
    conditions, until = [], [0.6 * frames * period_s, math.inf]
    for number, until_s in enumerate(until):
        slow = 1.0 + 0.6 * number * rng.random()
        time_s = slow * (work[:, None] / np.array(mhz)[None, :] + fixed[:, None])
        idle_w = 0.4 * (power - power[0])[None, :]
        idle_w = np.hstack([idle_w, idle_w[:, :1]])
        pace = (time_s, np.broadcast_to(4.0 * power, time_s.shape))
        pace = tuple((np.hstack([table, table[:, :1]]),) for table in pace)
        top, none = np.array([clocks - 1]), np.zeros(1, dtype=np.int64)
        conditions.append(Conditions(until_s, *pace, idle_w, top, none, none, idle_w, base_w=3.0))
    release = np.arange(frames) * period_s + rng.uniform(0, 0.3 * period_s, frames)
    arrival = release + rng.uniform(0.0005, 0.0015, frames)
    following = [*arrival[1:], math.inf]
    wants_accuracy = bool(seed % 2) if wants_accuracy is None else wants_accuracy
    accuracy = np.sort(rng.uniform(0.7, 0.8, points))
    actions = [(p, c) for p in range(points) for c in range(clocks)]
    return PlanProblem(
        elements=(PlanElement("gpu", "gpu", mhz, (0.005, 0.0048, 0.0055)),),
        actions=(
            PlanActions(
                point=np.array([p for p, _ in actions]),
                element=np.zeros(len(actions), dtype=np.int64),
                clock=np.array([c for _, c in actions]),
                accuracy=np.array([accuracy[p] for p, _ in actions]),
                threads=np.ones(len(actions), dtype=np.int64),
            ),
        ),
        frames=tuple(
            PlanFrame(
                application=0,
                index=i,
                release_s=float(release[i]),
                arrival_s=float(arrival[i]),
                next_arrival_s=float(following[i]),
                target_s=target_s,
                factor=float(rng.uniform(0.97, 1.25)),
                min_accuracy=0.0 if wants_accuracy else float(accuracy[1]),
                wants_accuracy=wants_accuracy,
            )
            for i in range(frames)
        ),
        conditions=tuple(conditions),
        horizon_s=frames * period_s + 0.05,
        switch_s=0.0005,
        heat=HeatModel(),
    )
