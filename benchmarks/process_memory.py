"""Memory of a process, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

STATUS = {"VmRSS": "rss_bytes", "VmHWM": "peak_rss_bytes"}
ROLLUP = {"Pss": "pss_bytes", "Private_Clean": "private_clean_bytes", "Private_Dirty": "private_dirty_bytes"}


def process_memory(pid: int | None = None) -> dict[str, int]:
    """Resident set now and at its peak, proportional share, and private pages [bytes]."""
    folder = Path("/proc") / str(pid or os.getpid())
    return {**_fields(folder / "status", STATUS), **_fields(folder / "smaps_rollup", ROLLUP)}


def _fields(file: Path, names: dict[str, str]) -> dict[str, int]:
    """Values of lines like "VmRSS:   1234 kB"."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            found[names[name]] = int(rest.split()[0]) * 1024
    return found
