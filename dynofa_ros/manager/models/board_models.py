"""The models of a board that the manager uses where they are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.models.thermal_model import ThermalModel


@dataclass(frozen=True)
class BoardModels:
    """Power and thermal model of one kind of board."""

    power: BoardPowerModel
    thermal: ThermalModel
    trip_degc: float = math.nan
    """First trip point, where no zone tells one; NaN: not known."""
    actuation_ms: Mapping[str, float] = field(default_factory=dict)
    """Median delay until a new clock takes effect, per clock domain."""
