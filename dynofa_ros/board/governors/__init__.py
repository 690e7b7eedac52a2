"""The kernel's own clock governors, as pure classes: what they are told comes as arguments."""

from __future__ import annotations

from collections.abc import Callable

from dynofa_ros.board.governors.base import Governor, SampledGovernor, UtilGovernor
from dynofa_ros.board.governors.fixed import Performance, Powersave
from dynofa_ros.board.governors.ondemand import Ondemand
from dynofa_ros.board.governors.podgov import NvhostPodgov
from dynofa_ros.board.governors.schedutil import Schedutil, SchedutilL4t, SchedutilLinux69
from dynofa_ros.board.governors.simple_ondemand import SimpleOndemand
from dynofa_ros.errors import RefusedMessage

__all__ = ["GOVERNORS", "Governor", "SampledGovernor", "UtilGovernor", "make_governor"]

GOVERNORS: dict[str, Callable[[tuple[float, ...]], Governor]] = {
    kind.name: kind
    for kind in (
        Schedutil,
        SchedutilLinux69,
        SchedutilL4t,
        Ondemand,
        SimpleOndemand,
        NvhostPodgov,
        Performance,
        Powersave,
    )
}


def make_governor(name: str, table_mhz: tuple[float, ...]) -> Governor:
    """The governor called `name` for a clock table. RefusedMessage listing the known ones otherwise."""
    if name not in GOVERNORS:
        raise RefusedMessage(f"governor refused: {name!r} is unknown; known: {', '.join(GOVERNORS)}")
    return GOVERNORS[name](table_mhz)
