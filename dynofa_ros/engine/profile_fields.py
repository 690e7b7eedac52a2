"""Checks of single fields of a profile file; each error names the file, the field and the value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynofa_ros.errors import ConfigError


def require(condition: bool, path: Path, field: str, value: object, rule: str) -> None:
    """Raise ConfigError unless `condition`."""
    if not condition:
        raise ConfigError(path, field, f"{value!r:.200} {rule}")


def positive(path: Path, where: str, key: str, item: Mapping[str, Any]) -> float:
    """The number above 0 that `item` has as `key`. ConfigError where it is none."""
    number = item.get(key)
    if not isinstance(number, (int, float)) or not math.isfinite(number) or number <= 0:
        raise ConfigError(path, f"{where}.{key}", f"{number!r} must be a number > 0")
    return float(number)


def text(path: Path, where: str, key: str, item: Mapping[str, Any]) -> str:
    """The words that `item` has as `key`. ConfigError where there are none."""
    value = item.get(key)
    require(isinstance(value, str) and bool(value), path, f"{where}.{key}", value, "must be a name")
    return str(value)
