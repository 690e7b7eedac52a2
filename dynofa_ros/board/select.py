"""Opens the board that a parameter names. A simulated one is only ever opened by name."""

from __future__ import annotations

from pathlib import Path

from dynofa_ros.board.interface import Board
from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import boards_dir, find_spec, load_spec
from dynofa_ros.errors import ConfigError

SIMULATED = "simulated:"


def open_board(name: str = "auto", root: Path = Path("/")) -> Board:
    """The back end for `name`.

    "auto" and "linux": this machine's sysfs below `root`, reads only. "simulated:NAME": a shipped
    board file; "simulated:FILE.yaml": one of the user's.

    Raises:
        ConfigError: no such board, with the choices; or its file is not valid.

    """
    if name in ("auto", "linux"):
        return LinuxSysfsBoard(root)
    if not name.startswith(SIMULATED):
        raise ConfigError("parameter", "board", f"{name!r} is unknown; choose one of {_choices()}")
    board = name.removeprefix(SIMULATED)
    if board.endswith((".yaml", ".yml")):
        return SimulatedBoard(load_spec(Path(board).expanduser()))
    return SimulatedBoard(find_spec(board))


def _choices() -> str:
    shipped = sorted(path.stem for path in boards_dir().glob("*.yaml"))
    return ", ".join(["auto", "linux", *(SIMULATED + stem for stem in shipped)])
