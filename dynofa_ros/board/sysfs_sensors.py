"""Power rails from hwmon (INA3221 and alike) and temperatures from thermal zones."""

from __future__ import annotations

import math
from pathlib import Path

from dynofa_ros.board.state import PowerRail, ThermalZone
from dynofa_ros.board.sysfs import folders, read_number, read_text

MILLI, MICRO = 1e-3, 1e-6
WHOLE_BOARD_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")
THROTTLING_TRIPS = ("passive", "hot")


def power_rails(root: Path) -> list[PowerRail]:
    """Rails that have a label and a current or a power: P = `inN_input` [mV] * `currN_input` [mA]."""
    monitors = folders(root / "sys/class/hwmon", "hwmon*")
    return [rail for monitor in monitors for rail in [*_ina_rails(monitor), *_power_rails(monitor)]]


def board_power_w(rails: list[PowerRail]) -> float:
    """Power of the rail that feeds the whole board [W]; NaN where there is none."""
    return next((rail.power_w for rail in rails if rail.name in WHOLE_BOARD_RAILS), math.nan)


def thermal_zones(root: Path) -> list[ThermalZone]:
    """All zones, named by their type without "-thermal"."""
    return [_zone(folder) for folder in folders(root / "sys/class/thermal", "thermal_zone*")]


def is_throttling(root: Path) -> bool:
    """Whether a cooling device that limits a clock is active."""
    devices = folders(root / "sys/class/thermal", "cooling_device*")
    return any(
        "fan" not in read_text(device / "type").lower()
        and any(word in read_text(device / "type").lower() for word in ("cpufreq", "devfreq", "cpu-throttle"))
        and read_number(device / "cur_state") > 0.0
        for device in devices
    )


def _ina_rails(monitor: Path) -> list[PowerRail]:
    rails = []
    for label in folders(monitor, "in[0-9]*_label"):
        channel = label.name[2 : -len("_label")]
        voltage_v = read_number(monitor / f"in{channel}_input", MILLI)
        current_a = read_number(monitor / f"curr{channel}_input", MILLI)
        if not math.isnan(current_a):
            rails.append(PowerRail(read_text(label), voltage_v * current_a, voltage_v, current_a))
    return rails


def _power_rails(monitor: Path) -> list[PowerRail]:
    rails = []
    for source in folders(monitor, "power[0-9]*_input"):
        label = read_text(monitor / source.name.replace("_input", "_label"))
        name = label or f"{read_text(monitor / 'name') or monitor.name}_{source.name[: -len('_input')]}"
        rails.append(PowerRail(name, read_number(source, MICRO)))
    return rails


def _zone(folder: Path) -> ThermalZone:
    name = read_text(folder / "type") or folder.name
    trips = [
        read_number(kind.with_name(kind.name.replace("_type", "_temp")), MILLI)
        for kind in folders(folder, "trip_point_*_type")
        if read_text(kind) in THROTTLING_TRIPS
    ]
    plausible = [trip for trip in trips if 0.0 < trip < 200.0]
    temperature = read_number(folder / "temp", MILLI)
    return ThermalZone(
        name=name.removesuffix("-thermal").removesuffix("-therm"),
        temperature_degc=temperature if -60.0 < temperature < 200.0 else math.nan,
        trip_degc=min(plausible, default=math.nan),
    )
