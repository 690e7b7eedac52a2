"""Checks clock limits before anything is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynofa_ros.board.state import ClockDomain
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import ClockLimit


def check_limits(limits: Sequence[ClockLimit], domains: Sequence[ClockDomain], validity_s: float) -> None:
    """Raise RefusedMessage where a set of limits is not usable as a whole.

    Refused: an unknown or repeated domain, both ends NaN, an end that is infinite or not above zero,
    a minimum above the maximum, a lease that is NaN or not above zero.
    """
    if not validity_s > 0.0:
        raise RefusedMessage(f"clock limits refused: validity = {validity_s!r} s must be > 0")
    known = [domain.name for domain in domains]
    names = [limit.domain for limit in limits]
    if len(set(names)) != len(names):
        raise RefusedMessage(f"clock limits refused: a domain appears twice in {names}")
    for limit in limits:
        if limit.domain not in known:
            listed = ", ".join(known) or "none"
            raise RefusedMessage(
                f"clock limits refused: domain = {limit.domain!r} is unknown; known: {listed}"
            )
        _check_ends(limit)


def _check_ends(limit: ClockLimit) -> None:
    ends = {"min_mhz": limit.min_mhz, "max_mhz": limit.max_mhz}
    if all(math.isnan(value) for value in ends.values()):
        raise RefusedMessage(f"clock limits refused: {limit.domain}: min_mhz and max_mhz are both NaN")
    for name, value in ends.items():
        if not math.isnan(value) and not 0.0 < value < math.inf:
            raise RefusedMessage(
                f"clock limits refused: {limit.domain}: {name} = {value!r} must be > 0 MHz or NaN"
            )
    if limit.min_mhz > limit.max_mhz:
        raise RefusedMessage(f"{limit.domain}: min_mhz = {limit.min_mhz} is above max_mhz = {limit.max_mhz}")
