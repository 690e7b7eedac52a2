"""What a run is worth, in the order in which the oracle and the comparison of policies weigh it.

1. seconds above the power budget
2. misses of all applications together
3. frames on time, but below the accuracy floor that held at their release
4. on-time accuracy of the frames whose application wanted accuracy at their release, misses counting 0
5. energy
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dynofa_ros.manager.qos import Objective
from dynofa_ros.simulation.scenarios.timeline import Episode
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.scores import over_budget_s

SAME_ACCURACY = 1e-5
SAME_ENERGY = 1e-3
"""Share of the energy above that of a board at its lowest clocks below which two runs are equal."""


class Merit(NamedTuple):
    """The figures above; `accuracy` is NaN where no frame's application wanted accuracy."""

    over_budget_s: float
    misses: int
    below_floor: int
    accuracy: float
    energy_j: float


def merit_of(record: RunRecord) -> Merit:
    """The merit of one run."""
    misses = below = 0
    accuracies = []
    for name, frames in record.frames.items():
        episodes = record.timeline.of(name)
        for frame in frames:
            target = episode_of(episodes, frame).target_at(frame.release_s)
            misses += not frame.on_time
            below += frame.on_time and frame.accuracy < target.min_accuracy
            if target.objective == Objective.MAX_ACCURACY:
                accuracies.append(frame.accuracy if frame.on_time else 0.0)
    accuracy = math.fsum(accuracies) / len(accuracies) if accuracies else math.nan
    return Merit(over_budget_s(record), misses, below, accuracy, record.energy_j)


def beats(merit: Merit, other: Merit, idle_j: float) -> bool:
    """Whether a run is better than another one; `idle_j`: what both would have used without applications."""
    for mine, theirs in zip(merit[:3], other[:3], strict=True):
        if mine != theirs:
            return mine < theirs
    gain = 0.0 if math.isnan(merit.accuracy) else merit.accuracy - other.accuracy
    if abs(gain) > SAME_ACCURACY:
        return gain > 0.0
    return merit.energy_j < other.energy_j - SAME_ENERGY * max(other.energy_j - idle_j, 0.0)


def episode_of(episodes: tuple[Episode, ...], frame: FrameOutcome) -> Episode:
    """The stay of its application in which a frame was released."""
    within = (episode for episode in episodes if episode.join_s <= frame.release_s <= episode.leave_s)
    return next(within)
