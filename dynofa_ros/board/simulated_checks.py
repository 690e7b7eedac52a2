"""Refusals of the simulated board: each names what was refused, the value and the rule."""

from __future__ import annotations

import math
from collections.abc import Collection

from dynofa_ros.board.faults import KINDS
from dynofa_ros.errors import RefusedMessage


def check_known(what: str, field: str, name: str, known: Collection[str]) -> None:
    """`name` has to be one of `known`."""
    if name not in known:
        raise RefusedMessage(f"{what} refused: {field} = {name!r} is unknown; known: {', '.join(known)}")


def check_range(what: str, field: str, value: float, low: float, high: float = math.inf) -> None:
    """`value` has to be finite and within [low, high]."""
    if not (low <= value <= high and math.isfinite(value)):
        upper = f" to {high:g}" if high < math.inf else " or more"
        raise RefusedMessage(f"{what} refused: {field} = {value!r} must be {low:g}{upper}")


def check_activity(element: str, share: float, gpu_part: float, elements: Collection[str]) -> None:
    """An inference runs on an element that is there, and both shares lie within 0 to 1."""
    if element in elements and 0.0 <= share <= 1.0 and 0.0 <= gpu_part <= 1.0:
        return
    check_known("activity", "element", element, elements)
    check_range("activity", "share", share, 0.0, 1.0)
    check_range("activity", "gpu_part", gpu_part, 0.0, 1.0)


def check_mhz(what: str, domain: str, mhz: float) -> None:
    """A clock has to be positive, or NaN for none."""
    if not (math.isnan(mhz) or 0.0 < mhz < math.inf):
        raise RefusedMessage(f"{what} refused: {domain}: mhz = {mhz!r} must be > 0, or NaN for none")


def check_fault(sensor: str, kind: str, until_s: float, sensors: Collection[str]) -> None:
    """A fault of a sensor that is there, of a kind that is known, until some time."""
    check_known("fault", "sensor", sensor, sensors)
    check_known("fault", "kind", kind, KINDS)
    if math.isnan(until_s):
        raise RefusedMessage(f"fault refused: {sensor}: until_s = {until_s!r} must be a time")
