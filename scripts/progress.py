"""Runs long commands with a log file and a short line that shows they are alive."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_DOWNLOAD = re.compile(r"Downloading .*\((\d+(?:\.\d+)?) ([kM])B\)")
_MEGABYTES = {"k": 1e-3, "M": 1.0}


class CommandFailed(Exception):
    """A command ended with an error; the text holds the end of its output."""


class _Ticker:
    """Turns pip's and colcon's output into one line rewritten in place (or few lines without a terminal)."""

    def __init__(self, title: str) -> None:
        self.title, self.packages, self.megabytes = title, 0, 0.0
        self.started_s = self.shown_s = time.monotonic()

    def feed(self, line: str) -> None:
        self.packages += line.startswith("Collecting ")
        size = _DOWNLOAD.search(line)
        if size:
            self.megabytes += float(size[1]) * _MEGABYTES[size[2]]
        self._show(0.1 if sys.stdout.isatty() else 15.0)

    def _show(self, every_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self.shown_s < every_s:
            return
        self.shown_s = now_s
        end = "\r" if sys.stdout.isatty() else "\n"
        print(f"{self.title} ... {self._counts()}{now_s - self.started_s:.0f} s   ", end=end, flush=True)

    def _counts(self) -> str:
        return f"{self.packages} packages, {self.megabytes:.0f} MB, " if self.packages else ""

    def done(self) -> None:
        print(f"{self.title} {self._counts()}{time.monotonic() - self.started_s:.0f} s        ", flush=True)


def run(title: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, log: Path) -> None:
    """Run `command`, keep its output in `log`, show progress; raises CommandFailed with the log's end."""
    ticker = _Ticker(title)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(env),
            cwd=cwd,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            ticker.feed(line)
    if process.wait() != 0:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
        raise CommandFailed(f"{tail}\n\n{title.strip()} failed; the whole output is in {log}.")
    ticker.done()
