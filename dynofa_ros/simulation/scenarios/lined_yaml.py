"""Reads YAML so that every complaint names file, line, field, value and what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dynofa_ros.errors import ConfigError

MOST_VALUES = 100_000


class ScenarioError(ConfigError):
    """A scenario file cannot be used: `FILE:LINE: FIELD = VALUE: what to do`."""

    def __init__(self, file: str | Path, line: int, field: str, message: str, value: str = "") -> None:
        super().__init__(f"{file}:{line}", f"{field} = {value}" if value else field, message)
        self.field, self.line = field, line


class LinedDict(dict[str, Any]):
    """A mapping that remembers the line of each of its values, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class LinedList(list[Any]):
    """A list that remembers the line of each of its values, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class Section:
    """One mapping of the file; `where` is its place, e.g. "events[1].corunner"."""

    def __init__(self, file: Path, where: str, data: Any, line: int, known: Sequence[str]) -> None:
        """`known`: the keys it may have.

        Raises:
            ScenarioError: `data` is no mapping, or has another key.

        """
        self.file, self.where, self.line = file, where, line
        if not isinstance(data, LinedDict):
            raise self.complaint("", f"must be a mapping with keys of {', '.join(known)}", shown(data))
        self.data = data
        for key in data:
            if key not in known:
                raise self.complaint(key, f"unknown key: use one of {', '.join(known)}")

    def complaint(self, key: str, message: str, value: str = "") -> ScenarioError:
        """The error for one field, or (key "") for the whole section."""
        field = ".".join(part for part in (self.where, key) if part) or "the file"
        return ScenarioError(self.file, self.line_of(key), field, message, value)

    def refusal(self, key: str, rule: str) -> ScenarioError:
        """The error for the value of one field."""
        return self.complaint(key, rule, shown(self.data.get(key)))

    def line_of(self, key: str) -> int:
        """Line of a field; of the section where it is missing."""
        data = getattr(self, "data", None)
        return self.line if data is None else data.lines.get(key, self.line)

    def has(self, key: str) -> bool:
        """Whether the field is there."""
        return key in self.data

    def get(self, key: str) -> Any:
        """Value of a field; ScenarioError where it is missing."""
        if key not in self.data:
            raise self.complaint(key, "is missing: add it")
        return self.data[key]

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A finite number within [low, high]; `default` where the field is missing."""
        if default is not None and not self.has(key):
            return default
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.refusal(key, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def number_or_null(self, key: str, low: float, high: float) -> float:
        """A finite number within [low, high], or NaN for null."""
        return math.nan if self.get(key) is None else self.number(key, low, high)

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number within [low, high]."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refusal(key, f"must be a whole number from {low} to {high}")
        return value

    def word(self, key: str, allowed: Sequence[str] = (), default: str | None = None) -> str:
        """A non-empty text, one of `allowed` where given."""
        if default is not None and not self.has(key):
            return default
        value = self.get(key)
        if not isinstance(value, str) or not value.strip() or (allowed and value not in allowed):
            raise self.refusal(key, f"must be {'one of ' + ', '.join(allowed) if allowed else 'a name'}")
        return value

    def section(self, key: str, known: Sequence[str]) -> Section:
        """A mapping inside this one."""
        where = f"{self.where}.{key}" if self.where else key
        return Section(self.file, where, self.get(key), self.line_of(key), known)

    def sections(self, key: str, known: Sequence[str], least: int = 0) -> list[Section]:
        """A list of mappings."""
        value = self.get(key)
        if not isinstance(value, LinedList) or len(value) < least:
            raise self.refusal(key, f"must be a list with at least {least} entries")
        where = f"{self.where}.{key}" if self.where else key
        return [
            Section(self.file, f"{where}[{index}]", item, value.lines[index], known)
            for index, item in enumerate(value)
        ]


def read_yaml(file: Path) -> tuple[Any, int]:
    """The content of a YAML file, mappings as `LinedDict` and lists as `LinedList`, and its first line.

    Raises:
        ScenarioError: cannot be read, is no YAML, repeats a key or is larger than a scenario can be.

    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(file, 1, "the file", f"cannot be read: {error}") from error
    try:
        return _parse(file, text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(file, line, "the file", f"is no YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ScenarioError(file, line, "the file", f"is no YAML: {error.reason}") from error
    except RecursionError:
        raise ScenarioError(file, 1, "the file", "is nested too deeply") from None


def _parse(file: Path, text: str) -> tuple[Any, int]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ScenarioError(file, 1, "the file", "is empty: begin with `schema: dynofa/scenario/1`")
        return _Converter(file, loader).convert(node), node.start_mark.line + 1
    finally:
        loader.dispose()


class _Converter:
    """Nodes to values; aliases are expanded, so their number is bounded."""

    def __init__(self, file: Path, loader: yaml.SafeLoader) -> None:
        self._file, self._loader, self._left = file, loader, MOST_VALUES

    def convert(self, node: yaml.Node) -> Any:
        self._left -= 1
        line = node.start_mark.line + 1
        if self._left < 0:
            raise ScenarioError(self._file, line, "the file", f"has more than {MOST_VALUES} values")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line)
        if isinstance(node, yaml.SequenceNode):
            result = LinedList(line)
            for item in node.value:
                result.append(self.convert(item))
                result.lines.append(item.start_mark.line + 1)
            return result
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            raise ScenarioError(self._file, line, "the file", f"has an impossible value: {error}") from error

    def _mapping(self, node: yaml.MappingNode, line: int) -> LinedDict:
        result = LinedDict(line)
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            key = str(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ScenarioError(self._file, key_line, "the file", "has a key that is no text")
            if key in result:
                raise ScenarioError(self._file, key_line, key, "is there twice: keep one")
            result[key] = self.convert(value_node)
            result.lines[key] = key_line
        return result


def shown(value: Any) -> str:
    """A value for an error message, cut to a readable length; null as YAML writes it."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
