"""What must be on the machine before set-up can start, each with one sentence on how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NEWEST_WHEELS = (3, 13)
OLDEST_GLIBC = (2, 28)


class MissingPrerequisite(Exception):
    """Something that only the user can install is absent; the text says what and how."""


def python_version() -> str:
    """Version of the running interpreter as `major.minor`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _wheels_problem() -> str | None:
    """Why the ROS wheels do not fit this interpreter and machine; None if they do."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return (
            f"ROS 2 wheels exist only for x86-64 Linux and this is {platform.machine()} {platform.system()}: "
            "install ROS 2 from its distribution, source its setup.bash, and run make again."
        )
    if sys.version_info[:2] > NEWEST_WHEELS:
        return (
            f"ROS 2 wheels exist for Python 3.10 to 3.13 and {sys.executable} is {python_version()}: "
            "install one of those (e.g. `sudo apt install python3.12 python3.12-venv python3.12-dev`) "
            "and name it with `make PYTHON=python3.12 ...`."
        )
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        return (
            f"ROS 2 wheels need glibc 2.28 or newer and this system has {library or 'another C library'} "
            f"{version}: use Debian 12, Ubuntu 22.04, or newer."
        )
    return None


def _venv_problem() -> str | None:
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return None
    return (
        f"Python {python_version()} at {sys.executable} cannot create virtual environments: "
        f"`sudo apt install python{python_version()}-venv`."
    )


def _headers_problem() -> str | None:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if header.is_file():
        return None
    return (
        f"The C headers of Python {python_version()} are missing ({header}): "
        f"`sudo apt install python{python_version()}-dev`."
    )


def _compiler_problem() -> str | None:
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        named = os.environ.get(variable, "").split()
        candidates = (named[0],) if named else names
        if not any(shutil.which(name) for name in candidates):
            return (
                f"No C/C++ compiler found (looked for {', '.join(candidates)}), which building the "
                "messages needs: `sudo apt install build-essential`."
            )
    return None


def _problems(wheels: bool) -> Iterator[str | None]:
    if wheels:
        yield _wheels_problem()
    yield _venv_problem()
    yield _headers_problem()
    yield _compiler_problem()


def check(wheels: bool) -> None:
    """Raise MissingPrerequisite for the first thing that set-up would fail on.

    wheels: ROS 2 comes from wheels, which exist for some interpreters and machines only.
    """
    for problem in _problems(wheels):
        if problem:
            raise MissingPrerequisite(problem)
