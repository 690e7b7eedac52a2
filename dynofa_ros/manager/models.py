"""The models of a board that the manager uses where they are known."""

from __future__ import annotations

from dataclasses import dataclass

from dynofa_ros.manager.power_model import BoardPowerModel
from dynofa_ros.manager.thermal_model import ThermalModel


@dataclass(frozen=True)
class BoardModels:
    """Power and thermal model of one kind of board."""

    power: BoardPowerModel
    thermal: ThermalModel
