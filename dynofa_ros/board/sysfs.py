"""Reads single values of sysfs; what is missing or unreadable is NaN or empty, never an exception."""

from __future__ import annotations

import math
from pathlib import Path


def read_text(path: Path) -> str:
    """Stripped content; "" where it cannot be read (drivers fail while busy or powered down)."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def read_number(path: Path, scale: float = 1.0) -> float:
    """Content times `scale`; NaN where it is no finite number."""
    return to_number(read_text(path), scale)


def to_number(text: str, scale: float = 1.0) -> float:
    """`text` times `scale`; NaN where it is no finite number."""
    try:
        value = float(text) * scale
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def read_numbers(path: Path, scale: float = 1.0) -> tuple[float, ...]:
    """Rising list of the positive numbers in a file."""
    values = {to_number(word, scale) for word in read_text(path).split()}
    return tuple(sorted(value for value in values if value > 0.0))


def folders(parent: Path, pattern: str = "*") -> list[Path]:
    """Matching entries in a stable order; empty where the parent does not exist."""
    try:
        return sorted(parent.glob(pattern), key=lambda path: (len(path.name), path.name))
    except OSError:
        return []
