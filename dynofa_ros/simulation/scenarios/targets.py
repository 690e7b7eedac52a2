"""The targets of scenario files: whole ones, and the fields that an event changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from dynofa_ros.manager.qos import LARGEST_POWER_W, LONGEST_LATENCY_MS, Objective, QosTarget
from dynofa_ros.simulation.scenarios.lined_yaml import Section

OBJECTIVES = {"max_accuracy": int(Objective.MAX_ACCURACY), "min_energy": int(Objective.MIN_ENERGY)}
QOS_KEYS = ("latency_ms", "percentile", "min_accuracy", "max_power_w", "objective", "priority")


def read_target(name: str, section: Section) -> QosTarget:
    """A whole target; latency_ms is needed, the rest has the defaults of QosTarget."""
    section.get("latency_ms")
    return target_with(QosTarget(name, math.nan), read_qos_fields(section))


def target_with(target: QosTarget, fields: Mapping[str, float]) -> QosTarget:
    """The target with some fields changed (the whole numbers among them as such)."""
    values: dict[str, Any] = {name: getattr(target, name) for name in QOS_KEYS} | dict(fields)
    values["objective"], values["priority"] = int(values["objective"]), int(values["priority"])
    return QosTarget(target.application, **values).validated()


def read_qos_fields(section: Section) -> dict[str, float]:
    """The fields of a target that the section names; null lifts a floor or a budget."""
    fields = {key: _QOS_READERS[key](section, key) for key in QOS_KEYS if section.has(key)}
    if not fields:
        raise section.complaint("", f"changes nothing: name one of {', '.join(QOS_KEYS)}")
    return fields


_QOS_READERS: dict[str, Callable[[Section, str], float]] = {
    "latency_ms": lambda section, key: section.number(key, 0.01, LONGEST_LATENCY_MS),
    "percentile": lambda section, key: section.number(key, 0.5, 0.9999),
    "min_accuracy": lambda section, key: section.number_or_null(key, 0.0, 1.0),
    "max_power_w": lambda section, key: section.number_or_null(key, 0.01, LARGEST_POWER_W),
    "objective": lambda section, key: float(OBJECTIVES[section.word(key, tuple(OBJECTIVES))]),
    "priority": lambda section, key: float(section.whole(key, 0, 255)),
}
