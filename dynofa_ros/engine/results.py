"""One frame's way through perception: how it arrives, and the two ways in which it can end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dynofa_ros.engine.backend import Logits
from dynofa_ros.engine.preprocess import Frame
from dynofa_ros.manager.operating_point import OperatingPoint

EARLIEST_AGE_MS = -5.0
LATEST_AGE_MS = 10_000.0


@dataclass(frozen=True, eq=False)
class Arrival:
    """A received frame. `tag` is the caller's own and comes back, e.g. the message header."""

    number: int
    frame: Frame
    received_s: float
    transport_ms: float
    tag: object = None


@dataclass(frozen=True)
class ClassScore:
    """Plain form of `msg/ClassScore`."""

    id: str
    label: str
    score: float


@dataclass(frozen=True)
class FrameDrop:
    """A frame without a result. `detail` names the values and is safe to log."""

    frame: int
    reason: str
    detail: str
    tag: object = None


@dataclass(frozen=True)
class FrameResult:
    """Plain form of `msg/Classification`, same fields and units; `tag` stands for its header."""

    application: str
    family: str
    subnet: str
    placement: str
    element: str
    frame: int
    results: tuple[ClassScore, ...]
    transport_ms: float
    queue_ms: float
    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    latency_ms: float
    target_latency_ms: float
    deadline_met: bool
    emulated_clocks: bool
    stretch: float
    tag: object = None


class Plan(NamedTuple):
    """What one frame runs with, fixed before its work starts."""

    application: str
    family: str
    point: OperatingPoint
    target_latency_ms: float
    emulated_clocks: bool
    start_s: float


@dataclass(frozen=True)
class StageTimes:
    """Ends of the stages of one frame [s], on the steady clock."""

    received_s: float
    start_s: float
    prepared_s: float
    inferred_s: float
    end_s: float


class NonFiniteLogits(ValueError):
    """A network answered NaN or infinity: there is no class to publish."""


def comparable_age_ms(age_ms: float) -> float:
    """Image stamp to receipt [ms], or NaN where the stamp is of another clock.

    That is one more than 5 ms in the future, or more than 10 s in the past. Up to 5 ms ahead counts as 0.
    """
    if not EARLIEST_AGE_MS <= age_ms <= LATEST_AGE_MS:
        return math.nan
    return max(0.0, age_ms)


def assemble(
    arrival: Arrival, plan: Plan, scores: tuple[ClassScore, ...], times: StageTimes, stretch: float
) -> FrameResult:
    """The result of an inferred frame; latency counts from the image stamp where that is comparable."""
    age_ms = 0.0 if math.isnan(arrival.transport_ms) else arrival.transport_ms
    latency_ms = age_ms + (times.end_s - times.received_s) * 1e3
    return FrameResult(
        application=plan.application,
        family=plan.family,
        subnet=plan.point.subnet,
        placement=plan.point.placement,
        element=plan.point.element,
        frame=arrival.number,
        results=scores,
        transport_ms=arrival.transport_ms,
        queue_ms=(times.start_s - times.received_s) * 1e3,
        preprocess_ms=(times.prepared_s - times.start_s) * 1e3,
        inference_ms=(times.inferred_s - times.prepared_s) * 1e3,
        postprocess_ms=(times.end_s - times.inferred_s) * 1e3,
        latency_ms=latency_ms,
        target_latency_ms=plan.target_latency_ms,
        deadline_met=not latency_ms > plan.target_latency_ms,
        emulated_clocks=plan.emulated_clocks,
        stretch=stretch,
        tag=arrival.tag,
    )


def top_scores(logits: Logits, labels: Sequence[str], k: int) -> tuple[ClassScore, ...]:
    """The `k` most probable classes, best first, by softmax of `logits`, float32 (n_classes,).

    Raises:
        NonFiniteLogits: a logit is NaN or infinite.
    """
    bad = int(np.count_nonzero(~np.isfinite(logits)))
    if bad:
        raise NonFiniteLogits(f"{bad} of {logits.size} logits are NaN or infinite")
    shares = np.exp((logits - logits.max()).astype(np.float64))
    shares /= shares.sum()
    best = np.argsort(-shares, kind="stable")[:k]
    return tuple(ClassScore(str(i), labels[i] if i < len(labels) else str(i), float(shares[i])) for i in best)
