"""Suites (`config/suites/*.yaml`, schema `dynofa/suite/1`): which runs belong to a comparison.

schema: dynofa/suite/1
name: manager
blocks:
- scenarios: shipped               # or a list of names and .yaml paths
without: [steady_hour]           # optional
policies: [dynofa, linux, oracle]
seeds: {first: 101, count: 10}   # or a list
voltages: [nominal]              # optional
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from dynofa_ros.board.options import VOLTAGES, Voltage
from dynofa_ros.errors import ConfigError
from dynofa_ros.paths import share_dir
from dynofa_ros.plain_yaml import load_plain_yaml
from dynofa_ros.simulation.policies import POLICIES
from dynofa_ros.simulation.scenarios.scenario import scenario_path, shipped_scenarios

SCHEMA = "dynofa/suite/1"
KEYS = ("schema", "name", "description", "blocks")
BLOCK_KEYS = ("scenarios", "without", "policies", "seeds", "voltages")
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Job:
    """Runs of several policies in the same world."""

    scenario: Path
    seed: int
    voltage: Voltage
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A validated suite."""

    name: str
    jobs: tuple[Job, ...]
    """One per scenario, seed and voltage curve."""

    @property
    def runs(self) -> int:
        """Number of runs in all."""
        return sum(len(job.policies) for job in self.jobs)


def suite_path(name_or_path: str) -> Path:
    """A path as it is, or the file of a shipped suite. ConfigError naming the shipped ones."""
    if name_or_path.endswith((".yaml", ".yml")) or os.sep in name_or_path:
        return Path(name_or_path).expanduser()
    folder = share_dir() / "config" / "suites"
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise ConfigError(name_or_path, "suite", f"no such suite; give a .yaml file or one of {known}")
    return path


def load_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises:
        ConfigError: cannot be read, or a field is missing, unknown or wrong (named with its value).

    """
    try:
        content = load_plain_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(path, "", f"cannot be read: {error}") from error
    top = _Fields(path, "", content, KEYS)
    if top.get("schema") != SCHEMA:
        raise top.error("schema", f"must be {SCHEMA!r}")
    name, blocks = top.get("name"), top.get("blocks")
    if not isinstance(name, str) or not name:
        raise top.error("name", "must be a word")
    if not isinstance(blocks, list) or not blocks:
        raise top.error("blocks", "must be a list of at least one block")
    found = [_Fields(path, f"blocks[{number}]", block, BLOCK_KEYS) for number, block in enumerate(blocks)]
    return Suite(name, _jobs(list(itertools.chain.from_iterable(_block(fields) for fields in found))))


def _jobs(jobs: list[Job]) -> tuple[Job, ...]:
    """Jobs of the same world as one."""
    policies: dict[tuple[Path, int, Voltage], dict[str, None]] = {}
    for job in jobs:
        known = policies.setdefault((job.scenario, job.seed, job.voltage), {})
        known.update(dict.fromkeys(job.policies))
    return tuple(Job(*world, tuple(names)) for world, names in policies.items())


class _Fields:
    """One mapping of the file, with errors that name file, field and value."""

    def __init__(self, path: Path, where: str, content: Any, keys: tuple[str, ...]) -> None:
        self.path, self.where = path, where
        if not isinstance(content, dict):
            raise ConfigError(path, where, f"{content!r} must be a mapping with {', '.join(keys)}")
        unknown = [key for key in content if key not in keys]
        if unknown:
            raise ConfigError(
                path, f"{where}.{unknown[0]}".strip("."), f"is unknown; known: {', '.join(keys)}"
            )
        self.content = content

    def get(self, key: str) -> Any:
        return self.content.get(key)

    def error(self, key: str, rule: str) -> ConfigError:
        return ConfigError(self.path, f"{self.where}.{key}".strip("."), f"= {self.get(key)!r}: {rule}")

    def words(self, key: str, default: list[str] | None = None) -> list[str]:
        value = self.content.get(key, default)
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise self.error(key, "must be a list of words, not empty")
        return value


def _block(fields: _Fields) -> Iterator[Job]:
    policies = fields.words("policies")
    for name in policies:
        if name not in POLICIES:
            raise fields.error("policies", f"{name!r} is unknown; known: {', '.join(POLICIES)}")
    voltages = fields.words("voltages", ["nominal"])
    for voltage in voltages:
        if voltage not in VOLTAGES:
            raise fields.error("voltages", f"{voltage!r} is unknown; known: {', '.join(VOLTAGES)}")
    worlds = itertools.product(_scenarios(fields), _seeds(fields), voltages)
    for scenario, seed, voltage in worlds:
        yield Job(scenario, seed, cast(Voltage, voltage), tuple(policies))


def _scenarios(fields: _Fields) -> list[Path]:
    if fields.get("scenarios") == "shipped":
        paths = list(shipped_scenarios())
    else:
        paths = [_beside(fields.path, name) for name in fields.words("scenarios")]
    without = fields.words("without") if "without" in fields.content else []
    for name in without:
        if name not in {path.stem for path in paths}:
            raise fields.error("without", f"{name!r} is none of the scenarios")
    return [path for path in paths if path.stem not in without]


def _beside(suite: Path, name: str) -> Path:
    path = scenario_path(name)
    return path if path.is_absolute() or not name.endswith((".yaml", ".yml")) else suite.parent / path


def _seeds(fields: _Fields) -> list[int]:
    seeds = fields.get("seeds")
    if isinstance(seeds, dict) and set(seeds) == {"first", "count"}:
        first, count = seeds["first"], seeds["count"]
        if _whole(first) and _whole(count) and 1 <= count <= MOST_SEEDS:
            return list(range(first, first + count))
    elif isinstance(seeds, list) and seeds and all(_whole(seed) for seed in seeds):
        return list(dict.fromkeys(seeds))
    raise fields.error("seeds", "must be a list of whole numbers from 0 on, or {first: 101, count: 10}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32
