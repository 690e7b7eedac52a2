"""Where profiles are kept, and the profile that a starting node uses: the stored one, or a coarse new one."""

from __future__ import annotations

import fcntl
import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.fingerprint import Fingerprint, machine_fingerprint
from dynofa_ros.engine.profile import Profile, check_fingerprint
from dynofa_ros.engine.profiler import (
    COARSE_BUDGET_S,
    ProfilerOptions,
    Progress,
    ignore_progress,
    profile_points,
)
from dynofa_ros.errors import ConfigError
from dynofa_ros.manager.operating_point import PointKey
from dynofa_ros.supernet.family import Family

Log = Callable[[str], None]

LOCK_WAIT_S = 30.0
LOCK_POLL_S = 0.05
NAMED = 3
"""Points that a message names; of more it gives the number."""


def cache_dir() -> Path | None:
    """$XDG_CACHE_HOME/dynofa_ros, else ~/.cache/dynofa_ros; None where there is no home directory."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "dynofa_ros"
    home = Path(os.environ.get("HOME", ""))
    if not home.is_absolute():
        home = _account_home()
    return home / ".cache" / "dynofa_ros" if home.is_absolute() else None


def _account_home() -> Path:
    """The home directory of the account, for an unset or empty HOME; "." where the account is unknown."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path()


def default_path(fingerprint: Fingerprint) -> Path | None:
    """Where the profile of this machine and family, all placements, is kept."""
    base = cache_dir()
    return base and base / "profiles" / f"{_slug(fingerprint.family)}-{fingerprint.digest}.json"


def _slug(name: str) -> str:
    """A family's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:64]


def stored_profile(family: Family, path: Path | None, log: Log = lambda _: None) -> Profile | None:
    """The profile in the file `path`, or else the one kept for this machine; None where there is none.

    Versions of libraries are compared once they are loaded, see `complete`.

    Raises:
        ConfigError: `path` is given and cannot be used, e.g. a profile of another machine.
    """
    fingerprint = machine_fingerprint(family, {})
    if path is not None:
        return Profile.load(path, fingerprint)
    kept = default_path(fingerprint)
    if kept is None or not kept.exists():
        return None
    try:
        return Profile.load(kept, fingerprint)
    except ConfigError as error:
        log(f"stored profile is not usable and is measured anew: {error}")
        return None


def kept_profile(fingerprint: Fingerprint) -> Profile | None:
    """The profile kept for `fingerprint`; None where there is none that holds."""
    path = default_path(fingerprint)
    with suppress(ConfigError):
        return Profile.load(path, fingerprint) if path is not None and path.exists() else None
    return None


def complete(
    bank: SubnetBank,
    known: Profile | None,
    path: Path | None = None,
    log: Log = lambda _: None,
    progress: Progress = ignore_progress,
    budget_s: float = COARSE_BUDGET_S,
) -> Profile:
    """The profile of the resident points: `known`, and what it lacks measured now and kept.

    Processes that start together measure one after the other, so that they do not disturb each other, and the
    later ones find the result.

    Raises:
        ConfigError: `path`, which was given, lacks a resident point or is of another version of a library.
    """
    here = machine_fingerprint(bank.family, bank.libraries)
    if known is not None and path is not None:
        check_fingerprint(path, known.fingerprint, here)
    known = known and known.of_libraries(bank.libraries)
    missing = _missing(bank, known)
    if path is not None and missing:
        names = ", ".join(f"{name} on {where}" for name, where in missing)
        again = f"measure it again: dynofa profile {bank.family.name} --out {path}"
        raise ConfigError(path, "points", f"{names} not in the profile: {again}")
    if known is not None and not missing:
        return known.only(bank.keys)
    return _measured(bank, log, progress, budget_s).only(bank.keys)


def _measured(bank: SubnetBank, log: Log, progress: Progress, budget_s: float) -> Profile:
    """Measure what the kept profile lacks, one process after the other, and keep it."""
    fingerprint = machine_fingerprint(bank.family, bank.libraries)
    kept = default_path(fingerprint)
    with exclusive(kept, log):
        stored = stored_profile(bank.family, None, log)
        known = stored and stored.of_libraries(bank.libraries)
        missing = _missing(bank, known)
        if known is not None and not missing:
            return known
        log(f"no profile of ({fingerprint}) yet: measuring {len(missing)} operating points for a few seconds")
        profile = profile_points(bank, missing, ProfilerOptions(budget_s=budget_s), progress)
        if profile.disturbed:
            log(disturbance(profile))
        whole = profile if known is None else known.merged(profile)
        keep(whole, kept, log)
        return whole


def refine(fingerprint: Fingerprint, least_median_ms: Mapping[PointKey, float], log: Log) -> None:
    """Lower the kept profile by what a running node measured, see `refinement`."""
    kept = default_path(fingerprint)
    if not least_median_ms or kept is None or not kept.exists():
        return
    with exclusive(kept, log):
        try:
            profile = Profile.load(kept, fingerprint)
            profile.refined(least_median_ms).save(kept)
        except (ConfigError, OSError) as error:
            log(f"the profile is not refined: {error}")


def _missing(bank: SubnetBank, profile: Profile | None) -> list[PointKey]:
    return [key for key in bank.keys if profile is None or key not in profile.points]


def disturbance(profile: Profile) -> str:
    """What to tell people about a profile that other programs disturbed."""
    disturbed = profile.disturbed
    names = ", ".join(f"{name} on {where}" for name, where in disturbed[:NAMED])
    if len(disturbed) > NAMED:
        names += f" and {len(disturbed) - NAMED} other points"
    return (
        f"other programs took the cores away while measuring {names}: latencies are "
        f"estimates; on the idle machine run: dynofa profile {profile.fingerprint.family}"
    )


def keep(profile: Profile, path: Path | None, log: Log) -> None:
    """Keep the profile for the next start, if there is a place for it."""
    if path is None:
        log("profile is not stored: neither XDG_CACHE_HOME nor a home directory exists")
        return
    try:
        profile.save(path)
        log(f"profile stored in {path}")
    except OSError as error:
        log(f"profile is not stored: {error}")


@contextmanager
def exclusive(path: Path | None, log: Log) -> Iterator[None]:
    """Hold the measuring lock of this user, where there is a writable cache."""
    try:
        if path is None:
            raise OSError("no cache directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = (path.parent / ".measuring.lock").open("w")
    except OSError as error:
        log(f"profiling without a lock: {error}")
        yield
        return
    with file:
        if not _lock(file):
            log("another process has been measuring for long: profiling beside it")
        yield


def _lock(file: TextIO) -> bool:
    """Wait for the lock, for a bounded time: a stopped process must not keep others from starting."""
    for _ in range(int(LOCK_WAIT_S / LOCK_POLL_S)):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_POLL_S)
    return False
