"""Finds the small compiled libraries of this package, plain C interfaces that are loaded with ctypes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import dynofa_ros

T = TypeVar("T")


def load_library(name: str, folder: str, wrap: Callable[[Path], T]) -> tuple[T | None, str]:
    """The first file of that name for which `wrap` succeeds, and ""; or None, and why in words.

    `folder` is the package's folder that uses it. `wrap` raises OSError or AttributeError for a file that
    does not suit.
    """
    problem = f"no {name} library beside {folder}/: build the package with a C++ compiler"
    for file in _files(name, folder):
        try:
            return wrap(file), ""
        except (OSError, AttributeError) as error:
            problem = f"{file} does not load: {error}"
    return None, problem


def _files(name: str, folder: str) -> Iterator[Path]:
    """Beside the sources, or in the install space whose messages extend the package."""
    places = [Path(__file__).parent / folder, *(Path(root) / folder for root in dynofa_ros.__path__)]
    for place in dict.fromkeys(places):
        yield from sorted([*place.glob(f"{name}*.so"), *place.glob(f"{name}*.dylib")])
