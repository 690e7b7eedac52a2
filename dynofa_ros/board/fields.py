"""Reads fields of a YAML mapping and names file, field and value where one is missing or wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dynofa_ros.errors import ConfigError


@dataclass(frozen=True)
class Fields:
    """One mapping of a YAML file; `where` is its place, e.g. "elements[1]."."""

    file: Path
    content: Mapping[str, object]
    where: str = ""

    @classmethod
    def of(cls, file: Path, content: object, where: str = "") -> Fields:
        """Wrap `content`. ConfigError where it is not a mapping with text keys."""
        if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
            raise ConfigError(file, where.rstrip("."), f"must be a mapping, is {content!r:.80}")
        return cls(file, content, where)

    def error(self, key: str, value: object, rule: str) -> ConfigError:
        """The error for one field."""
        return ConfigError(self.file, self.where + key, f"{value!r:.120} {rule}")

    def get(self, key: str) -> object:
        """Value of `key`; ConfigError where it is missing."""
        if key not in self.content:
            raise ConfigError(self.file, self.where + key, "is missing")
        return self.content[key]

    def has(self, key: str) -> bool:
        """Whether `key` is there."""
        return key in self.content

    def text(self, key: str) -> str:
        """A non-empty text."""
        value = self.get(key)
        if not isinstance(value, str) or not value:
            raise self.error(key, value, "must be a non-empty text")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.get(key)
        if not isinstance(value, bool):
            raise self.error(key, value, "must be true or false")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within [low, high]."""
        return self._number(key, self.get(key), low, high)

    def numbers(self, key: str, low: float = -math.inf) -> tuple[float, ...]:
        """A list of finite numbers, each at least `low`."""
        return tuple(self._number(key, value, low, math.inf) for value in self._list(key))

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, values, "must be a list of texts")
        return [str(value) for value in values]

    def section(self, key: str) -> Fields:
        """A mapping inside this one."""
        return Fields.of(self.file, self.get(key), f"{self.where}{key}.")

    def items(self, key: str) -> list[Fields]:
        """A list of mappings."""
        return [
            Fields.of(self.file, item, f"{self.where}{key}[{index}].")
            for index, item in enumerate(self._list(key))
        ]

    def _list(self, key: str) -> list[object]:
        value = self.get(key)
        if not isinstance(value, list):
            raise self.error(key, value, "must be a list")
        return value

    def _number(self, key: str, value: object, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(key, value, "must be a finite number")
        if not low <= value <= high:
            raise self.error(key, value, f"must lie within {low:g} and {high:g}")
        return float(value)
