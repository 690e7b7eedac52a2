"""Scenario files (schema `dynofa/scenario/1`): what happens to a board and its applications from outside.

A mapping with schema, name, board (a shipped one, or a board file beside the scenario), duration_s,
applications (name, family, period_ms, jitter_ms, qos) and events ({t, one kind, perhaps ramp_s}, see
`events`); optional are seed, power_mode and description.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.errors import ConfigError, RefusedMessage
from dynofa_ros.paths import share_dir
from dynofa_ros.simulation.scenarios.changes import Join, ScenarioApplication, ScenarioEvent
from dynofa_ros.simulation.scenarios.check import Check, require_mode
from dynofa_ros.simulation.scenarios.events import (
    APPLICATION_KEYS,
    EVENT_READERS,
    LONGEST_S,
    read_application,
    read_event,
)
from dynofa_ros.simulation.scenarios.files import board_file, board_of, family_file
from dynofa_ros.simulation.scenarios.lined_yaml import ScenarioError, Section, read_yaml

__all__ = ["Scenario", "ScenarioError", "load_scenario", "scenario_path", "shipped_scenarios"]

SCHEMA = "dynofa/scenario/1"
LARGEST_SEED = 2**32 - 1
KEYS = (
    "schema", "name", "description", "board", "duration_s", "seed", "power_mode", "applications", "events",
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """A validated scenario file; `events` by rising time, those of one time as in the file."""

    name: str
    board: str
    duration_s: float
    seed: int
    applications: tuple[ScenarioApplication, ...]
    events: tuple[ScenarioEvent, ...]
    power_mode: str = ""
    """"" for the board's default."""
    description: str = ""
    file: Path = Path()

    def spec(self) -> BoardSpec:
        """The board that it plays on."""
        return board_of(self.board, self.file)

    def family_file(self, family: str) -> Path:
        """File of a family: shipped under that name, or a path beside the scenario."""
        return family_file(family, self.file)

    def files(self) -> tuple[Path, ...]:
        """Every file that decides what it plays: its own, its board's and its families'."""
        joined = (event.change.application for event in self.events if isinstance(event.change, Join))
        families = dict.fromkeys(app.family for app in (*self.applications, *joined))
        return (
            self.file,
            board_file(self.board, self.file),
            *(self.family_file(family) for family in families),
        )


def scenarios_dir() -> Path:
    """Folder of the shipped scenarios."""
    return share_dir() / "config" / "scenarios"


def shipped_scenarios() -> tuple[Path, ...]:
    """Files of all shipped scenarios of this schema, by name."""
    return tuple(path for path in sorted(scenarios_dir().glob("*.yaml")) if _is_scenario(path))


def scenario_path(name_or_path: str) -> Path:
    """A path to a file as it is, or the file of a shipped scenario. ConfigError naming the shipped ones."""
    if name_or_path.endswith((".yaml", ".yml")) or os.sep in name_or_path:
        return Path(name_or_path).expanduser()
    path = scenarios_dir() / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(path.stem for path in shipped_scenarios())
        raise ConfigError(name_or_path, "scenario", f"no such scenario; give a .yaml file or one of {known}")
    return path


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file.

    Raises:
        ConfigError: `FILE:LINE: FIELD = VALUE: what to do`, or why its board or a family cannot be used.

    """
    data, line = read_yaml(path)
    top = Section(path, "", data, line, KEYS)
    top.word("schema", (SCHEMA,))
    board = top.word("board")
    spec = _checked(top, "board", lambda: board_of(board, path))
    applications = _applications(top)
    duration_s = top.number("duration_s", 0.1, LONGEST_S)
    events = _events(top, duration_s)
    Check(spec, path).play(applications, events)
    mode = top.word("power_mode", default="") if top.has("power_mode") else ""
    if mode:
        require_mode(top, "power_mode", mode, spec)
    return Scenario(
        name=top.word("name"),
        board=board,
        duration_s=duration_s,
        seed=top.whole("seed", 0, LARGEST_SEED) if top.has("seed") else 1,
        applications=tuple(application for application, _ in applications),
        events=tuple(event for event, _ in events),
        power_mode=mode,
        description=top.word("description", default="") if top.has("description") else "",
        file=path,
    )


def _is_scenario(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return any(line.split("#")[0].split() == ["schema:", SCHEMA] for line in file)


def _checked(section: Section, key: str, read: Callable[[], BoardSpec]) -> BoardSpec:
    try:
        return read()
    except ConfigError as error:
        raise section.refusal(key, f"cannot be used: {error}") from error


def _applications(top: Section) -> list[tuple[ScenarioApplication, Section]]:
    sections = top.sections("applications", APPLICATION_KEYS)
    return [(_valid_application(section), section) for section in sections]


def _valid_application(section: Section) -> ScenarioApplication:
    try:
        return read_application(section)
    except RefusedMessage as error:
        raise section.complaint("qos", str(error)) from error


def _events(top: Section, duration_s: float) -> list[tuple[ScenarioEvent, Section]]:
    if not top.has("events"):
        return []
    sections = top.sections("events", ("t", "ramp_s", *EVENT_READERS))
    events = [(read_event(section), section) for section in sections]
    for event, section in events:
        if event.t_s >= duration_s:
            raise section.refusal("t", f"must lie before the end at {duration_s:g} s")
    return sorted(events, key=lambda pair: pair[0].t_s)
