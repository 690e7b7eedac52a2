"""How a simulated board is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dynofa_ros.board.spec import BoardSpec

Voltage = Literal["flat", "nominal", "steep"]
VOLTAGES: tuple[Voltage, ...] = ("flat", "nominal", "steep")
STEEP_VOLTAGE_LOW = 0.6
"""V(f_min) / V(f_max) of the steep assumption."""


@dataclass(frozen=True)
class BoardOptions:
    """Everything about a simulated board that its file leaves open.

    power_mode: "" is the file's first one. governors: by domain, or one for all writable domains; None or a
    domain left out: the file's. voltage: flat and steep replace the file's V(f); full-clock power stays.
    noise: sensor noise. jitter: actuation delays vary; without it every delay is the median.
    """

    power_mode: str = ""
    governors: Mapping[str, str] | str | None = None
    voltage: Voltage = "nominal"
    seed: int = 0
    noise: bool = False
    jitter: bool = True

    def governor(self, domain: str, default: str) -> str:
        """Name of the governor that begins in `domain`."""
        if isinstance(self.governors, str):
            return self.governors
        return default if self.governors is None else self.governors.get(domain, default)


def with_voltage(spec: BoardSpec, voltage: Voltage) -> BoardSpec:
    """The board with another V(f); what an element draws at full clock stays, because g(f_max) = 1.

    Raises:
        ValueError: no such voltage.
    """
    if voltage == "nominal":
        return spec
    if voltage not in VOLTAGES:
        raise ValueError(f"voltage = {voltage!r} must be one of {', '.join(VOLTAGES)}")
    low = 1.0 if voltage == "flat" else STEEP_VOLTAGE_LOW
    elements = tuple(
        replace(element, voltage_low=low) if element.max_mhz > element.min_mhz else element
        for element in spec.power.elements
    )
    return replace(spec, power=replace(spec.power, elements=elements))
