"""Names the shipped Fast DDS profile to processes that are started, unless the user has named one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dynofa_ros.errors import ConfigError
from dynofa_ros.paths import share_dir

PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Read by Fast DDS 2 (Humble, Jazzy) and by Fast DDS 3 (later); other middlewares read neither."""
LEAVE_ALONE = ("", "none")


def shipped_profile() -> Path:
    """Fast DDS profile with room for large images in shared memory."""
    return share_dir() / "config" / "dds" / "fastdds.xml"


def profile_variables(profile: str | Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to `environment` so that a process uses `profile`; nothing where the user has set one.

    `profile` is a file, or "none" or empty to leave DDS as it is.

    Raises:
        ConfigError: there is no such file. Fast DDS itself would go on with its defaults.
    """
    if str(profile) in LEAVE_ALONE or any(environment.get(name) for name in PROFILE_VARIABLES):
        return {}
    path = Path(profile).expanduser()
    if not path.is_file():
        raise ConfigError(path, "dds_profile", "no such file; give a Fast DDS profile, or none")
    return {name: str(path) for name in PROFILE_VARIABLES}
