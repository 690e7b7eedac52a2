"""Where the package's configuration, launch and message files are, without asking ROS."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from pathlib import Path

from dynofa_ros.errors import ConfigError

_SHARE = Path("share") / "dynofa_ros"


def _candidates() -> Iterator[Path]:
    """Places that may hold config/, best first: beside the code that runs, then the environment's."""
    package = Path(__file__).parent
    yield package.parent
    yield from (folder / _SHARE for folder in package.parents)
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix, site.getuserbase()]
    yield from (Path(prefix) / _SHARE for prefix in prefixes if prefix)


def share_dir() -> Path:
    """Directory that contains config/, launch/ and msg/.

    That is the source checkout, the install space of the running copy (colcon or pip), another
    prefix in AMENT_PREFIX_PATH, or Python's own prefix. Raises ConfigError if none of them has it.
    """
    for folder in _candidates():
        if (folder / "config").is_dir() and (folder / "package.xml").is_file():
            return folder
    raise ConfigError(
        _SHARE, "", "not found beside the package, in AMENT_PREFIX_PATH or in sys.prefix; reinstall"
    )


def _known_families(folder: Path) -> str:
    return ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"


def family_path(name_or_path: str | Path) -> Path:
    """Family file: a path to a .yaml file as it is, or the name of a shipped family.

    Raises ConfigError naming the shipped families when there is no such file.
    """
    text = str(name_or_path)
    families = share_dir() / "config" / "families"
    is_path = text.endswith((".yaml", ".yml")) or os.sep in text
    path = Path(text).expanduser() if is_path else families / f"{text}.yaml"
    if not path.is_file():
        raise ConfigError(
            path, "family", f"no such file for {text!r}; shipped families: {_known_families(families)}"
        )
    return path
