"""Files that a scenario names: shipped ones by name, others by a path beside the scenario."""

from __future__ import annotations

from pathlib import Path

from dynofa_ros.board.spec import BoardSpec, boards_dir, find_spec, load_spec
from dynofa_ros.paths import family_path

SUFFIXES = (".yaml", ".yml")


def board_of(board: str, scenario: Path) -> BoardSpec:
    """The board that a scenario names. ConfigError where there is none, or it cannot be used."""
    return load_spec(board_file(board, scenario)) if board.endswith(SUFFIXES) else find_spec(board)


def board_file(board: str, scenario: Path) -> Path:
    """The file of a board."""
    if board.endswith(SUFFIXES):
        return scenario.parent / Path(board).expanduser()
    return boards_dir() / f"{board}.yaml"


def family_file(family: str, scenario: Path) -> Path:
    """The file of a family. ConfigError where there is none."""
    if family.endswith(SUFFIXES):
        return family_path(scenario.parent / Path(family).expanduser())
    return family_path(family)
