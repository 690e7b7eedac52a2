"""Parameters of the manager node: those of ManagerConfig, and the rate."""

from __future__ import annotations

import math
from typing import Any

from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.nodes.parameters import Declared

_HOUR_S = 3600.0

# name, description, low, high; the default is ManagerConfig's own
_CONFIG = (
    ("validity_ms", "Lease of a decision, renewed after a third of it [ms].", 100.0, 60e3),
    (
        "dwell_s",
        "Least time between a change and a more accurate sub-network or lower clocks [s].",
        0.0,
        _HOUR_S,
    ),
    ("margin", "Share of target and busy limit that an upward move must leave free [1].", 0.0, 0.9),
    ("busy_limit", "Largest busy share of an element, and of an application's period [1].", 0.05, 1.0),
    ("stats_timeout_s", "Older measurements allow no upward move [s].", 0.1, _HOUR_S),
    ("board_timeout_s", "An older or repeating board state allows no upward move [s].", 0.1, _HOUR_S),
    (
        "application_timeout_s",
        "An application silent for longer is forgotten with its target [s].",
        0.5,
        _HOUR_S,
    ),
    ("accuracy_percentile", "Least percentile planned for where accuracy counts [1].", 0.01, 0.9999),
    ("default_percentile", "Percentile for default_latency_ms [1].", 0.01, 0.9999),
    ("default_period_ms", "Period assumed until frames were received [ms].", 0.1, 1e6),
    ("prior_slowdown", "Slow-down assumed until measured [1].", 0.1, 100.0),
    ("prior_overhead_ms", "Overhead assumed until measured [ms].", 0.0, 1e4),
    ("thermal_margin_degc", "Distance kept from the first trip point [degC].", 0.0, 50.0),
    ("thermal_horizon_s", "How far ahead the temperature is predicted [s].", 0.0, _HOUR_S),
    (
        "sustained_busy",
        "Profiled busy share allowed where a trip point but no temperature is known [1].",
        0.0,
        1.0,
    ),
    ("switch_ms", "How long a change of sub-network keeps its element busy [ms].", 0.0, 1e3),
    ("actuation_ms", "Delay of a new clock where the board file does not tell it [ms].", 0.0, 1e4),
    ("inertia_w", "Saving below which nothing is changed for power alone [W].", 0.0, 100.0),
    ("low_battery", "Below this charge every application saves energy [1]; 0: never.", 0.0, 1.0),
    ("settle_s", "After a change of clocks slow-downs are not believed for so long [s].", 0.0, 60.0),
)
_DEFAULT = ManagerConfig()

PARAMETERS = (
    Declared("dry_run", False, "Only propose: decisions go to proposed/..., and nothing obeys them."),
    Declared(
        "board_model",
        "",
        "Board file with power and thermal model: a shipped name or a path; empty: what board_state names.",
    ),
    Declared("battery_topic", "", "sensor_msgs/BatteryState topic; empty: none."),
    Declared("temperature_topic", "", "sensor_msgs/Temperature topic of the junction; empty: none."),
    Declared("trip_degc", 0.0, "Trip point where the board tells none [degC]; 0: not known.", 0.0, 150.0),
    Declared("rate_hz", 5.0, "Rate of decisions; a new target is decided at once [Hz].", 0.2, 100.0),
    Declared("default_latency_ms", 0.0, "Target of applications without one [ms]; 0: keep up.", 0.0, 3.6e6),
    Declared(
        "default_objective", "max_accuracy", "For default_latency_ms.", words=("max_accuracy", "min_energy")
    ),
    *(Declared(name, float(getattr(_DEFAULT, name)), text, low, high) for name, text, low, high in _CONFIG),
)


def manager_config(values: Any) -> ManagerConfig:
    """The configuration that the parameters say."""
    config: dict[str, Any] = {name: values[name] for name, *_ in _CONFIG}
    config["default_latency_ms"] = values["default_latency_ms"] or math.nan
    config["trip_degc"] = values["trip_degc"] or math.nan
    config["dry_run"] = values["dry_run"]
    config["default_objective"] = ("max_accuracy", "min_energy").index(values["default_objective"])
    return ManagerConfig(**config)
