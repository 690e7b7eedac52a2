"""A placement: what computes a sub-network. Written `element/backend/precision/threads`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dynofa_ros.errors import DynofaError

AUTO = "auto"
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, order=True)
class Placement:
    """Element, back end, precision and CPU threads (1 where threads have no meaning)."""

    element: str
    backend: str
    precision: str
    threads: int

    def __str__(self) -> str:
        return f"{self.element}/{self.backend}/{self.precision}/{self.threads}"

    @classmethod
    def parse(cls, text: str) -> Placement:
        """The placement that `str` wrote.

        Raises:
            DynofaError: not four parts of that form; the message names the text.
        """
        parts = text.split("/")
        valid = len(parts) == 4 and all(_WORD.fullmatch(word) for word in parts[:3])
        if not valid or not re.fullmatch(r"[0-9]{1,4}", parts[3]):
            raise DynofaError(
                f"placement {text!r} must be element/backend/precision/threads, e.g. cpu/openvino/fp32/2"
            )
        return cls(parts[0], parts[1], parts[2], int(parts[3]))


def matching(placements: Iterable[Placement], patterns: str) -> list[Placement]:
    """The placements that a comma-separated list of patterns names, in the order of `placements`.

    A pattern is a placement with shell wildcards, e.g. `cpu/openvino/*` or `*/*/bf16/1`.

    Raises:
        DynofaError: a pattern that matches nothing; the message lists what there is.
    """
    known = list(placements)
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    for pattern in wanted:
        if not any(fnmatchcase(str(placement), pattern) for placement in known):
            offered = ", ".join(map(str, known)) or "none"
            raise DynofaError(f"placements: {pattern!r} matches nothing that runs here; available: {offered}")
    return [p for p in known if any(fnmatchcase(str(p), pattern) for pattern in wanted)]


def usable_cores() -> tuple[int, ...]:
    """The cores that this process may use, rising."""
    return tuple(sorted(os.sched_getaffinity(0)))


def default_threads() -> int:
    """Half the usable cores, at least one: the other half serves the rest of the robot."""
    return max(1, len(usable_cores()) // 2)


def parse_cores(text: str) -> tuple[int, ...]:
    """Cores of a list like "0-3,6", rising.

    Raises:
        DynofaError: another form, or a core that the machine does not offer to this process.
    """
    cores: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if match is None:
            raise DynofaError(f'cores = {text!r} must be a list like "0-3" or "0,2"')
        first, last = int(match[1]), int(match[2] or match[1])
        cores.update(range(first, last + 1))
    strangers = cores - set(usable_cores())
    if strangers or not cores:
        named = format_cores(strangers) or "none"
        raise DynofaError(
            f"cores = {text!r}: {named} cannot be used, available: {format_cores(usable_cores())}"
        )
    return tuple(sorted(cores))


def format_cores(cores: Iterable[int]) -> str:
    """Cores as a list of ranges, e.g. "0-3,6"."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def use_cores(text: str) -> None:
    """Confine every thread of this process, and those to come, to the cores of `text`; "" changes nothing.

    Raises:
        DynofaError: see `parse_cores`.
    """
    if not text:
        return
    cores = parse_cores(text)
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)
