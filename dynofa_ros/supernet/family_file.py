"""Parsing of family files into typed entries; what the entries mean is checked in `family`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dynofa_ros.errors import ConfigError
from dynofa_ros.plain_yaml import load_plain_yaml

from .space import OfaMbv3Space
from .subnet_spec import BLOCKS_PER_STAGE, SubnetSpec

SCHEMA = "dynofa/family/1"
SPACE_TYPE = "ofa_mbv3"
SOURCES = ("measured", "published")
REDUCED_PRECISIONS = ("bf16", "fp16", "int8")
MAX_FILE_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class InputSpec:
    """Normalisation of RGB pixels scaled to 0..1: (pixel / 255 - mean) / std, per channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy as a fraction of 1, on `dataset`.

    `low` and `high` bound it at 95 % confidence (NaN: not known); `source` is "measured" or "published";
    `n_images` is 0 where it is not known; `by` says by whom or by which command.
    """

    value: float
    low: float
    high: float
    source: str
    dataset: str
    n_images: int
    by: str


@dataclass(frozen=True)
class MemberEntry:
    """One member as written in the file; `accuracy` is that of fp32, `accuracies` has others by precision."""

    spec: SubnetSpec
    macs: int
    accuracy: Accuracy | None
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)


@dataclass(frozen=True)
class FamilyFile:
    """A family file as written, paths resolved against its folder."""

    name: str
    space: OfaMbv3Space
    input_spec: InputSpec
    labels: tuple[str, ...]
    weights_file: Path | None
    weights_sha256: str | None
    members: tuple[MemberEntry, ...]
    quantization_file: Path | None = None
    quantization_sha256: str | None = None


def read_family_file(path: Path) -> FamilyFile:
    """Parse a family file; raises ConfigError naming file, field and value."""
    root = _Fields(path, "", _read_yaml(path))
    schema = root.text("schema")
    if schema != SCHEMA:
        raise ConfigError(path, "schema", f"{schema!r} is not known; this version reads {SCHEMA!r}")
    weights = root.section("weights") if root.get("weights") is not None else None
    quantization = root.section("quantization") if root.get("quantization") is not None else None
    return FamilyFile(
        name=root.text("name"),
        space=_space(root.section("space")),
        input_spec=_input_spec(root.section("input")),
        labels=_labels(root),
        weights_file=path.parent / weights.text("file") if weights else None,
        weights_sha256=weights.text("sha256") if weights else None,
        members=tuple(_member(entry) for entry in root.sections("members")),
        quantization_file=path.parent / quantization.text("file") if quantization else None,
        quantization_sha256=quantization.text("sha256") if quantization else None,
    )


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"cannot read the family file: {error}") from error
    if len(text) > MAX_FILE_CHARACTERS:
        raise ConfigError(path, "", f"longer than {MAX_FILE_CHARACTERS} characters; is this a family file?")
    try:
        return load_plain_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(path, "", f"not valid YAML: {error}") from error


def _space(fields: _Fields) -> OfaMbv3Space:
    kind = fields.text("type")
    if kind != SPACE_TYPE:
        raise ConfigError(fields.path, fields.name("type"), f"{kind!r} is not known; use {SPACE_TYPE!r}")
    return OfaMbv3Space(
        width_mult=fields.number("width_mult", 0.05, 8.0),
        n_classes=fields.integer("n_classes", 2, 100_000),
        resolutions=fields.rising("resolutions", range(8, 4097)),
        depths=fields.rising("depths", range(1, BLOCKS_PER_STAGE + 1)),
        kernel_sizes=fields.rising("kernel_sizes", range(1, 16, 2)),
        expand_ratios=fields.rising("expand_ratios", range(1, 17)),
    )


def _input_spec(fields: _Fields) -> InputSpec:
    mean, std = fields.numbers("mean", 3), fields.numbers("std", 3)
    if min(std) <= 0:
        raise ConfigError(fields.path, fields.name("std"), f"{min(std)} is not greater than 0")
    return InputSpec((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def _labels(root: _Fields) -> tuple[str, ...]:
    labels = root.required("labels")
    if isinstance(labels, str):
        file = root.path.parent / labels
        try:
            labels = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigError(root.path, "labels", f"cannot read {file}: {error.strerror}") from error
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ConfigError(
            root.path, "labels", "must be a list of texts, or the name of a file with one per line"
        )
    return tuple(labels)


def _member(fields: _Fields) -> MemberEntry:
    spec = SubnetSpec(
        name=fields.text("name"),
        resolution=fields.integer("resolution", 1, 10_000),
        depth=fields.integers("depth"),
        kernel_size=fields.integers("kernel_size"),
        expand_ratio=fields.integers("expand_ratio"),
    )
    accuracy = fields.required("accuracy")
    return MemberEntry(
        spec=spec,
        macs=fields.integer("macs", 1, 10**15),
        accuracy=_accuracy(fields.section("accuracy")) if accuracy is not None else None,
        accuracies=_accuracies(fields.section("accuracies")) if fields.get("accuracies") is not None else {},
    )


def _accuracies(fields: _Fields) -> dict[str, Accuracy]:
    """Accuracy by reduced precision."""
    for precision in fields.names():
        if precision not in REDUCED_PRECISIONS:
            known = ", ".join(REDUCED_PRECISIONS)
            raise ConfigError(fields.path, fields.name(precision), f"is not a precision of {known}")
    return {precision: _accuracy(fields.section(precision)) for precision in fields.names()}


def _accuracy(fields: _Fields) -> Accuracy:
    source = fields.text("source")
    if source not in SOURCES:
        raise ConfigError(
            fields.path, fields.name("source"), f"{source!r} is not one of {', '.join(SOURCES)}"
        )
    value = fields.number("value", 0.0, 1.0)
    known = fields.get("low") is not None or fields.get("high") is not None or source == "measured"
    low = fields.number("low", 0.0, value) if known else math.nan
    high = fields.number("high", value, 1.0) if known else math.nan
    n_images = fields.integer("n_images", 0, 10**12)
    return Accuracy(value, low, high, source, fields.text("dataset"), n_images, fields.text("by"))


class _Fields:
    """A YAML mapping whose accessors name file, field and value in their errors."""

    def __init__(self, path: Path, prefix: str, content: Any) -> None:
        self.path, self._prefix = path, prefix
        if not isinstance(content, Mapping):
            raise ConfigError(path, prefix, f"must be a mapping of keys to values, is {content!r:.80}")
        self._content = content

    def name(self, key: str) -> str:
        """Full name of a key."""
        return f"{self._prefix}.{key}" if self._prefix else key

    def names(self) -> tuple[str, ...]:
        """All keys, as texts."""
        return tuple(map(str, self._content))

    def get(self, key: str) -> Any:
        """Value, or None where the key is missing or null."""
        return self._content.get(key)

    def required(self, key: str) -> Any:
        """Value of a key that must be there."""
        if key not in self._content:
            there = ", ".join(map(str, self._content)) or "nothing"
            raise ConfigError(self.path, self.name(key), f"key is missing; found {there}")
        return self._content[key]

    def text(self, key: str) -> str:
        """Non-empty text."""
        value = self.required(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, value, "a text")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Finite number within [low, high]."""
        value = self.required(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self._wrong(key, value, f"a number from {low} to {high}")
        return float(value)

    def integer(self, key: str, low: int, high: int) -> int:
        """Integer within [low, high]."""
        value = self.required(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, value, f"an integer from {low} to {high}")
        return value

    def integers(self, key: str) -> tuple[int, ...]:
        """Non-empty list of positive integers."""
        value = self.required(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(type(item) is int and item > 0 for item in value)
        ):
            raise self._wrong(key, value, "a list of positive integers")
        return tuple(value)

    def rising(self, key: str, allowed: range) -> tuple[int, ...]:
        """List of `allowed` integers in strictly rising order."""
        values = self.integers(key)
        if list(values) != sorted(set(values)) or not set(values) <= set(allowed):
            kind = "odd integers" if allowed.step == 2 else "integers"
            expected = f"a strictly rising list of {kind} from {allowed[0]} to {allowed[-1]}"
            raise self._wrong(key, list(values), expected)
        return values

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """List of `count` finite numbers."""
        value = self.required(key)
        good = isinstance(value, list) and len(value) == count
        if not good or not all(type(item) in (int, float) and math.isfinite(item) for item in value):
            raise self._wrong(key, value, f"a list of {count} finite numbers")
        return tuple(float(item) for item in value)

    def section(self, key: str) -> _Fields:
        """Mapping below a key."""
        return _Fields(self.path, self.name(key), self.required(key))

    def sections(self, key: str) -> list[_Fields]:
        """List of mappings below a key."""
        value = self.required(key)
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return [_Fields(self.path, f"{self.name(key)}[{i}]", item) for i, item in enumerate(value)]

    def _wrong(self, key: str, value: Any, expected: str) -> ConfigError:
        return ConfigError(self.path, self.name(key), f"must be {expected}, is {value!r:.80}")
