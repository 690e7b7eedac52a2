"""Child processes of the demonstration: a log each, watched, and ended in order, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dynofa_ros.errors import DynofaError

INTERRUPT_S = 6.0  # for an orderly end after SIGINT
TERMINATE_S = 3.0
TAIL_LINES = 20


class ChildFailed(DynofaError):
    """A child ended by itself; the message carries the end of its log."""


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


def log_tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, indented; a note where it is empty or missing."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        text = []
    return "\n".join(f"    {line}" for line in text) or "    (its log is empty)"


class Supervisor:
    """Starts children in sessions of their own, so that Ctrl-C reaches only us and we end them in order."""

    def __init__(self, log_dir: Path, env: Mapping[str, str] | None = None) -> None:
        self._log_dir = log_dir
        self._env = dict(env or {})
        self._children: dict[str, _Child] = {}
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one child; its output goes to `<log_dir>/<name>.log`."""
        log = self._log_dir / f"{name}.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [*_end_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=self._log_dir,
                env={**os.environ, **self._env},
                start_new_session=True,
            )
        self._children[name] = _Child(name, process, log)

    def start_module(self, name: str, module: str, arguments: Sequence[str] = ()) -> None:
        """Start `python -m module arguments...` with this interpreter."""
        self.start(name, [sys.executable, "-m", module, *arguments])

    @property
    def running(self) -> list[str]:
        """Names of the children that run, in order of start."""
        return [name for name, child in self._children.items() if child.process.poll() is None]

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return self._children[name].process.pid

    def check(self) -> None:
        """Raise ChildFailed if a child has ended that nobody asked to end."""
        for name, child in self._children.items():
            code = child.process.poll()
            if code is not None:
                tail = log_tail(child.log)
                raise ChildFailed(f"{name} ended by itself with code {code}; the end of {child.log}:\n{tail}")

    def stop(self, *names: str) -> dict[str, int]:
        """End children orderly, all at once; return their exit codes. Unknown names are passed over."""
        chosen = [self._children.pop(name) for name in names if name in self._children]
        steps = ((signal.SIGINT, INTERRUPT_S), (signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, TERMINATE_S))
        for number, patience_s in steps:
            pending = [child for child in chosen if child.process.poll() is None]
            for child in pending:
                _signal(child.process, number)
            _wait(pending, patience_s)
        return {child.name: child.process.poll() or 0 for child in chosen}

    def stop_all(self) -> dict[str, int]:
        """End every child, the last started first in the list but all at once."""
        return self.stop(*reversed(list(self._children)))

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()


def _end_with_parent() -> list[str]:
    """Return a command prefix that ends a child when this process is killed; [] where there is no setpriv."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        return


def _wait(children: Sequence[_Child], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
