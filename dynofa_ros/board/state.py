"""The machine as it is now: plain forms of `BoardState` and its sub-messages. NaN: not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class PowerRail:
    """One measured supply rail."""

    name: str
    power_w: float = math.nan
    voltage_v: float = math.nan
    current_a: float = math.nan


@dataclass(frozen=True)
class ThermalZone:
    """One temperature sensor with its first throttling trip point."""

    name: str
    temperature_degc: float = math.nan
    trip_degc: float = math.nan


@dataclass(frozen=True)
class Element:
    """Something that computes; `load` is its busy share since the last state, 0..1."""

    name: str
    clock_domain: str = ""
    cores: int = 0
    load: float = math.nan


@dataclass(frozen=True)
class ClockDomain:
    """Something with a frequency.

    `max_mhz` is this package's limit in force, `cap_mhz` the limit that somebody else set (NaN: none).
    """

    name: str
    current_mhz: float = math.nan
    min_mhz: float = math.nan
    max_mhz: float = math.nan
    cap_mhz: float = math.nan
    available_mhz: tuple[float, ...] = ()
    governor: str = ""
    writable: bool = False


@dataclass(frozen=True)
class BoardState:
    """One reading of the whole board; `sequence` rises with every fresh one."""

    sequence: int
    board: str
    simulated: bool = False
    emulated_clocks: bool = False
    rails: tuple[PowerRail, ...] = ()
    zones: tuple[ThermalZone, ...] = ()
    elements: tuple[Element, ...] = ()
    clock_domains: tuple[ClockDomain, ...] = ()
    power_w: float = math.nan
    throttling: bool = False
    clock_changes: int = 0
    status: str = ""
