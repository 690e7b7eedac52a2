"""Opens the board that a parameter names. A simulated one is only ever opened by name."""

from __future__ import annotations

from pathlib import Path

from dynofa_ros.board.interface import Board
from dynofa_ros.board.linux_sysfs import LinuxSysfsBoard
from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import boards_dir, find_spec, load_spec
from dynofa_ros.errors import ConfigError

SIMULATED = "simulated:"
FILE = "file"
GOVERNED_BY = ("performance", "powersave", FILE)


def open_board(name: str = "auto", root: Path = Path("/"), governors: str = "performance") -> Board:
    """The back end for `name`.

    "auto" and "linux": this machine's sysfs below `root`, reads only. "simulated:NAME": a shipped
    board file; "simulated:FILE.yaml": one of the user's. `governors` of a simulated board:
    performance or powersave in all domains, or "file" for those of its file.

    Raises:
        ConfigError: no such board, with the choices; or its file is not valid.

    """
    if name in ("auto", "linux"):
        return LinuxSysfsBoard(root)
    if not name.startswith(SIMULATED):
        raise ConfigError("parameter", "board", f"{name!r} is unknown; choose one of {_choices()}")
    board = name.removeprefix(SIMULATED)
    if governors not in GOVERNED_BY:
        raise ConfigError("parameter", "governor", f"{governors!r} must be one of {', '.join(GOVERNED_BY)}")
    is_file = board.endswith((".yaml", ".yml"))
    spec = load_spec(Path(board).expanduser()) if is_file else find_spec(board)
    return SimulatedBoard(spec, BoardOptions(governors=None if governors == FILE else governors))


def _choices() -> str:
    shipped = sorted(path.stem for path in boards_dir().glob("*.yaml"))
    return ", ".join(["auto", "linux", *(SIMULATED + stem for stem in shipped)])
