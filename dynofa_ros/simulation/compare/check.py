"""One requirement and how runs stand by it: met or missed, with the value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`met` is None where the suite has no run for it."""

    requirement: str
    value: str
    met: bool | None
    exceptions: tuple[str, ...] = ()
    """What missed it."""
    aim: bool = False
    """Something to aim at, not something that must be reached."""


def no_runs(requirement: str) -> Check:
    """Nothing to judge it by."""
    return Check(requirement, "", None)


def judged(requirement: str, value: str, failed: Sequence[str]) -> Check:
    """Met where nothing failed."""
    return Check(requirement, value, not failed, tuple(failed))


def mean_of(values: Mapping[str, float]) -> float:
    """Mean of named values; they may not be empty."""
    return math.fsum(values.values()) / len(values)


def least_of(values: Mapping[str, float]) -> str:
    """Name of the least value."""
    return min(values, key=lambda name: values[name])


def most_of(values: Mapping[str, float]) -> str:
    """Name of the largest value."""
    return max(values, key=lambda name: values[name])
