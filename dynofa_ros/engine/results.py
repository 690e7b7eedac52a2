"""One frame's way through perception: how it arrives, and the two ways in which it can end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynofa_ros.engine.backend import Logits
from dynofa_ros.engine.preprocess import Frame

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


class NonFiniteLogits(ValueError):
    """A network answered NaN or infinity: there is no class to publish."""


def comparable_age_ms(age_ms: float) -> float:
    """Image stamp to receipt [ms], or NaN where the stamp is of another clock.

    That is one more than 5 ms in the future, or more than 10 s in the past. Up to 5 ms ahead counts as 0.
    """
    if not EARLIEST_AGE_MS <= age_ms <= LATEST_AGE_MS:
        return math.nan
    return max(0.0, age_ms)


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
